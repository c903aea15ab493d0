package enginesim

import (
	"context"
	"encoding/json"

	"butler/internal/sim/edge"
	"butler/internal/sim/world"
)

// The codes of the errors that the engine answers with.
const (
	codeNotFound      = 2
	codeInvalidParams = -32602
	codeAborted       = 15
	codeAlreadyOpen   = 1002
	codeAppNotFound   = 1003
	codeNoMethod      = -32601
	codeNoHandle      = -1
)

type rpcError struct {
	Code      int    `json:"code"`
	Parameter string `json:"parameter"`
	Message   string `json:"message"`
}

// state is what a session has opened.
type state struct {
	app      world.App
	document Document
	// handles are the open objects by handle, including the document.
	handles map[int]object
	dropped bool
}

// object is the object of a handle.
type object struct {
	// kind is Doc, GenericObject and so on; it decides which methods exist.
	kind string
	// layout, properties and tree are the answers of the methods of these names.
	layout, properties, tree any
}

// globalHandle addresses the engine itself.
const globalHandle = -1

// method executes a call.
type method func(t *session, ctx context.Context, target object, c call) (map[string]any, *rpcError)

// methods returns the methods of a kind of object, by name.
func methods(kind string) map[string]method {
	switch kind {
	case "Global":
		return map[string]method{
			"EngineVersion": (*session).engineVersion, "GetDocList": (*session).docList, "OpenDoc": (*session).openDoc,
		}
	case "Doc":
		return map[string]method{
			"GetAppProperties": (*session).appProperties, "GetScript": (*session).script, "GetLineage": (*session).lineage,
			"CreateSessionObject": (*session).createSessionObject, "GetConnections": (*session).connections,
			"GetConnection": (*session).connection, "DoReload": (*session).reload, "DoSave": (*session).save,
			"GetObject": child("GenericObject"), "GetDimension": child("GenericDimension"),
			"GetMeasure": child("GenericMeasure"), "GetBookmark": child("GenericBookmark"),
			"GetVariableById": child("GenericVariable"),
		}
	}
	return map[string]method{
		"GetLayout":           show("qLayout", func(o object) any { return o.layout }),
		"GetProperties":       show("qProp", func(o object) any { return o.properties }),
		"GetFullPropertyTree": show("qPropEntry", func(o object) any { return o.tree }),
	}
}

// invoke finds the method of a call and runs it.
func (t *session) invoke(ctx context.Context, c call) (map[string]any, *rpcError) {
	target := object{kind: "Global"}
	if c.Handle != globalHandle {
		var ok bool
		if target, ok = t.state.handles[c.Handle]; !ok {
			return nil, &rpcError{Code: codeNoHandle, Message: "Invalid handle"}
		}
	}
	run, ok := methods(target.kind)[c.Method]
	if !ok || c.Method == "GetLineage" && t.server.options.WithoutLineage {
		return nil, &rpcError{Code: codeNoMethod, Message: "Method not found"}
	}
	return run(t, ctx, target, c)
}

// grant issues a handle for an object.
func (t *session) grant(o object, id string) map[string]any {
	handle := len(t.state.handles) + 1
	t.state.handles[handle] = o
	return map[string]any{"qReturn": map[string]any{
		"qType": o.kind, "qHandle": handle, "qGenericType": o.kind, "qGenericId": id,
	}}
}

// nothing is the engine's answer for an object that does not exist.
func nothing() map[string]any {
	return map[string]any{"qReturn": map[string]any{"qType": nil, "qHandle": nil}}
}

// parameter reads the n-th parameter.
func parameter[T any](c call, n int) (T, *rpcError) {
	var value T
	if n >= len(c.Params) || json.Unmarshal(c.Params[n], &value) != nil {
		return value, &rpcError{Code: codeInvalidParams, Message: "Invalid Params"}
	}
	return value, nil
}

func (t *session) engineVersion(context.Context, object, call) (map[string]any, *rpcError) {
	return map[string]any{"qVersion": map[string]any{"qComponentVersion": "12.612.0"}}, nil
}

func (t *session) docList(context.Context, object, call) (map[string]any, *rpcError) {
	list := []any{}
	for app := range t.server.world.Apps() {
		list = append(list, map[string]any{
			"qDocId": app.ID, "qDocName": app.Name, "qTitle": app.Name, "qLastReloadTime": app.LastReloadTime,
			"qReadOnly": false, "qMeta": map[string]any{}, "qConnectedUsers": 0, "qFileSize": app.FileSize,
			"qHasSectionAccess": false,
		})
	}
	return map[string]any{"qDocList": list}, nil
}

func (t *session) openDoc(_ context.Context, _ object, c call) (map[string]any, *rpcError) {
	id, bad := parameter[string](c, 0)
	if bad != nil {
		return nil, bad
	}
	if _, bad := parameter[bool](c, 4); bad != nil {
		return nil, bad
	}
	if len(t.state.handles) > 0 {
		return nil, &rpcError{Code: codeAlreadyOpen, Parameter: id, Message: "App already open"}
	}
	app, ok := t.server.world.App(id)
	if !ok {
		return nil, &rpcError{Code: codeAppNotFound, Parameter: id, Message: "App not found"}
	}
	t.state.app, t.state.document = app, t.server.options.Document(app)
	return t.grant(object{kind: "Doc"}, id), nil
}

func (t *session) appProperties(context.Context, object, call) (map[string]any, *rpcError) {
	return map[string]any{"qProp": t.state.document.Properties}, nil
}

func (t *session) script(context.Context, object, call) (map[string]any, *rpcError) {
	return map[string]any{"qScript": t.state.document.Script}, nil
}

func (t *session) lineage(context.Context, object, call) (map[string]any, *rpcError) {
	return map[string]any{"qLineage": t.state.document.Lineage}, nil
}

// createSessionObject creates the list that the definition requests.
func (t *session) createSessionObject(_ context.Context, _ object, c call) (map[string]any, *rpcError) {
	definition, bad := parameter[listDefinition](c, 0)
	if bad != nil || definition.Info.ID == "" {
		return nil, &rpcError{Code: codeInvalidParams, Message: "Invalid Params"}
	}
	return t.grant(object{kind: "GenericObject", layout: definition.layout(t.state.document)}, definition.Info.ID), nil
}

func child(kind string) method {
	return func(t *session, _ context.Context, _ object, c call) (map[string]any, *rpcError) {
		id, bad := parameter[string](c, 0)
		if bad != nil {
			return nil, bad
		}
		for _, one := range t.state.document.objects(kind) {
			if one.ID == id {
				return t.grant(one.object(kind), id), nil
			}
		}
		return nothing(), nil
	}
}

func show(name string, of func(object) any) method {
	return func(_ *session, _ context.Context, target object, _ call) (map[string]any, *rpcError) {
		value := of(target)
		if value == nil {
			return nil, &rpcError{Code: codeNoMethod, Message: "Method not found"}
		}
		return map[string]any{name: value}, nil
	}
}

func (t *session) connections(context.Context, object, call) (map[string]any, *rpcError) {
	return map[string]any{"qConnections": t.state.document.Connections}, nil
}

func (t *session) connection(_ context.Context, _ object, c call) (map[string]any, *rpcError) {
	id, bad := parameter[string](c, 0)
	if bad != nil {
		return nil, bad
	}
	for _, one := range t.state.document.Connections {
		if one.ID == id {
			return map[string]any{"qConnection": one}, nil
		}
	}
	return nil, &rpcError{Code: codeNotFound, Parameter: id, Message: "Resource not found"}
}

func (t *session) reload(ctx context.Context, _ object, c call) (map[string]any, *rpcError) {
	mode, bad := parameter[int](c, 0)
	if bad != nil || mode < 0 || mode > 2 {
		return nil, &rpcError{Code: codeInvalidParams, Message: "Invalid Params"}
	}
	partial, bad := parameter[bool](c, 1)
	if bad != nil {
		return nil, bad
	}
	result := t.server.options.OnReload(Reload{AppID: t.state.app.ID, Mode: mode, Partial: partial})
	if !edge.Pause(ctx, result.After) || result.Drop {
		t.state.dropped = true
		return nil, nil
	}
	if result.Code != 0 {
		return nil, &rpcError{Code: result.Code, Message: "Reload ended"}
	}
	return map[string]any{"qReturn": result.Good}, nil
}

func (t *session) save(context.Context, object, call) (map[string]any, *rpcError) {
	t.server.mu.Lock()
	defer t.server.mu.Unlock()
	t.server.saved[t.state.app.ID]++
	return map[string]any{}, nil
}
