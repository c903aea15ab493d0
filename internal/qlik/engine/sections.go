package engine

import (
	"context"
	"encoding/json"
	"strings"
)

// pipelined is how many items of a list are asked for before the first answer is read.
const pipelined = 8

// section is one list of a dump.
type section struct {
	key string
	// definition is the session object whose layout holds the list, at path
	// below qLayout; without one the list is asked of connections.
	definition map[string]any
	path       []string
	// open is the method that opens an item by its ID; "" writes the item of the list as it is.
	open string
	// get is the method asked of an opened item, member what is written of its answer.
	get, member string
	// keep, if set, chooses items; finish, if set, completes what is written of one.
	keep   func(item) bool
	finish func(ctx context.Context, d *dump, o opened) (json.RawMessage, error)
}

// item is an element of a list.
type item struct {
	raw json.RawMessage
	id  string
	url string
	// flags are those of a variable that are true.
	flags []string
}

// opened is an item that has a handle, and what the engine says of it.
type opened struct {
	item
	handle int
	value  json.RawMessage
}

// sections lists every list of a dump, as the engine's interface describes it.
func sections() []section {
	const (
		properties = "GetProperties"
		prop       = "qProp"
	)
	dimensionData := map[string]any{"info": "/qDimInfos"}
	return []section{
		appObjects("sheets", "sheet"),
		appObjects("stories", "story"),
		appObjects("masterobjects", "masterobject"),
		appObjects("appprops", "appprops"),
		{
			key: "dimensions", path: []string{"qDimensionList"}, open: "GetDimension", get: properties, member: prop,
			definition: listDefinition("DimensionList", "DimensionList", "qDimensionListDef", typed("dimension", dimensionData)),
		},
		{
			key: "measures", path: []string{"qMeasureList"}, open: "GetMeasure", get: properties, member: prop,
			definition: listDefinition("MeasureList", "MeasureList", "qMeasureListDef", typed("measure", dimensionData)),
		},
		{
			key: "bookmarks", path: []string{"qBookmarkList"}, open: "GetBookmark", get: properties, member: prop,
			definition: listDefinition("BookmarkList", "BookmarkList", "qBookmarkListDef", typed("bookmark", dimensionData)),
			finish:     withSelections,
		},
		{
			key: "embeddedmedia", path: []string{"qMediaList"},
			definition: listDefinition("mediaList", "MediaList", "qMediaListDef", map[string]any{}),
			keep:       func(i item) bool { return strings.HasPrefix(i.url, "/media/") },
		},
		{
			// The ID differs from that of the bookmarks: it is the same session.
			key: "snapshots", path: []string{"qBookmarkList"}, open: "GetBookmark", get: properties, member: prop,
			definition: listDefinition("SnapshotList", "BookmarkList", "qBookmarkListDef", typed("snapshot", dimensionData)),
		},
		{
			key: "fields", path: []string{"qFieldList"},
			definition: listDefinition("FieldList", "FieldList", "qFieldListDef", map[string]any{
				"qShowSystem": true, "qShowHidden": true, "qShowSrcTables": true, "qShowSemantic": true,
			}),
		},
		{key: "dataconnections", open: "GetConnection", member: "qConnection"},
		{
			key: "variables", path: []string{"qVariableList"}, open: "GetVariableById", get: properties, member: prop,
			definition: listDefinition("VariableList", "VariableList", "qVariableListDef", map[string]any{
				"qType": "variable", "qShowReserved": true, "qShowConfig": true,
				"qData": dimensionData, "qMeta": map[string]any{},
			}),
			finish: withFlags,
		},
	}
}

func appObjects(key, kind string) section {
	definition := listDefinition(kind+"List", kind+"List", "qAppObjectListDef", map[string]any{
		"qType": kind, "qData": map[string]any{"id": "/qInfo/qId"},
	})
	definition["qMetaDef"], definition["qExtendsId"] = map[string]any{}, ""
	return section{
		key: key, definition: definition, path: []string{"qAppObjectList"},
		open: "GetObject", get: "GetFullPropertyTree", member: "qPropEntry",
	}
}

func listDefinition(id, kind, name string, definition map[string]any) map[string]any {
	return map[string]any{"qInfo": map[string]any{"qId": id, "qType": kind}, name: definition}
}

func typed(kind string, data map[string]any) map[string]any {
	return map[string]any{"qType": kind, "qData": data, "qMeta": map[string]any{}}
}

// items asks for the list of a section.
func (c section) items(ctx context.Context, d *dump) ([]item, error) {
	if c.definition == nil {
		const method = "GetConnections"
		result, err := d.session.call(ctx, d.doc, method)
		if err != nil {
			return nil, err
		}
		return c.read(d.session, method, result, "qConnections")
	}
	created, err := d.session.call(ctx, d.doc, "CreateSessionObject", c.definition)
	if err != nil {
		return nil, err
	}
	handle, err := d.session.handleOf("CreateSessionObject", created)
	if err != nil {
		return nil, err
	}
	layout, err := d.session.call(ctx, handle, "GetLayout")
	if err != nil {
		return nil, err
	}
	return c.read(d.session, "GetLayout", layout, append([]string{"qLayout"}, append(c.path, "qItems")...)...)
}

// read takes the items out of an answer; null is an empty list.
func (c section) read(s *session, method string, result json.RawMessage, path ...string) ([]item, error) {
	last := len(path) - 1
	for _, name := range path[:last] {
		var err error
		if result, err = s.member(method, result, name); err != nil {
			return nil, err
		}
	}
	members, err := s.object(method, result)
	if err != nil {
		return nil, err
	}
	list, ok := members[path[last]]
	if !ok {
		return nil, s.invalid(method, errMissing(path[last]))
	}
	raws, err := elements[json.RawMessage](s, method, list)
	if err != nil {
		return nil, err
	}
	items := make([]item, 0, len(raws))
	for _, raw := range raws {
		read, err := c.readItem(s, method, raw)
		if err != nil {
			return nil, err
		}
		if c.keep == nil || c.keep(read) {
			items = append(items, read)
		}
	}
	return items, nil
}

func (c section) readItem(s *session, method string, raw json.RawMessage) (item, error) {
	var known struct {
		Info struct {
			ID string `json:"qId"`
		} `json:"qInfo"`
		ID            string `json:"qId"`
		URL           string `json:"qUrlDef"`
		ScriptCreated bool   `json:"qIsScriptCreated"`
		Reserved      bool   `json:"qIsReserved"`
		Config        bool   `json:"qIsConfig"`
	}
	if c.open == "" && c.keep == nil {
		return item{raw: raw}, nil
	}
	if err := json.Unmarshal(raw, &known); err != nil {
		return item{}, s.invalid(method, err)
	}
	read := item{raw: raw, id: known.Info.ID, url: known.URL}
	if c.definition == nil {
		read.id = known.ID
	}
	if c.open != "" && read.id == "" {
		return item{}, s.invalid(method, errMissing("qId of an item of "+c.key))
	}
	for _, flag := range []struct {
		name string
		set  bool
	}{{"qIsScriptCreated", known.ScriptCreated}, {"qIsReserved", known.Reserved}, {"qIsConfig", known.Config}} {
		if flag.set {
			read.flags = append(read.flags, flag.name)
		}
	}
	return read, nil
}

// write writes a few items: each call is sent for all of them before the first
// answer is read, and what is read is written before the next.
func (c section) write(ctx context.Context, d *dump, batch []item, element func(json.RawMessage)) error {
	if c.open == "" {
		for _, i := range batch {
			element(i.raw)
		}
		return nil
	}
	ids, err := d.sendAll(ctx, batch, c.open, func(i int) (int, []any) { return d.doc, []any{batch[i].id} })
	if err != nil {
		return err
	}
	if c.get == "" {
		return c.writeValues(ctx, d, batch, nil, ids, element)
	}
	handles := make([]int, len(batch))
	for i, id := range ids {
		result, err := d.session.next(ctx, id)
		if err != nil {
			return err
		}
		if handles[i], err = d.session.handleOf(c.open, result); err != nil {
			return err
		}
	}
	ids, err = d.sendAll(ctx, batch, c.get, func(i int) (int, []any) { return handles[i], nil })
	if err != nil {
		return err
	}
	return c.writeValues(ctx, d, batch, handles, ids, element)
}

// sendAll sends one call for every item and returns their numbers.
func (d *dump) sendAll(ctx context.Context, batch []item, method string, call func(i int) (handle int, params []any)) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, d.session.client.options.CallTimeout)
	defer cancel()
	ids := make([]string, len(batch))
	for i := range batch {
		handle, params := call(i)
		id, err := d.session.send(ctx, handle, method, params...)
		if err != nil {
			return nil, err
		}
		ids[i] = id
	}
	return ids, nil
}

func (c section) writeValues(ctx context.Context, d *dump, batch []item, handles []int, ids []string, element func(json.RawMessage)) error {
	method := c.get
	if method == "" {
		method = c.open
	}
	for i, id := range ids {
		result, err := d.session.next(ctx, id)
		if err != nil {
			return err
		}
		o := opened{item: batch[i]}
		if o.value, err = d.session.member(method, result, c.member); err != nil {
			return err
		}
		if c.finish != nil {
			o.handle = handles[i]
			if o.value, err = c.finish(ctx, d, o); err != nil {
				return err
			}
		}
		element(o.value)
	}
	return nil
}

// withSelections puts what a bookmark selects into its properties.
func withSelections(ctx context.Context, d *dump, o opened) (json.RawMessage, error) {
	const method = "GetLayout"
	result, err := d.session.call(ctx, o.handle, method)
	if err != nil {
		return nil, err
	}
	layout, err := d.session.member(method, result, "qLayout")
	if err != nil {
		return nil, err
	}
	bookmark, err := d.session.optional(method, layout, "qBookmark")
	if err != nil {
		return nil, err
	}
	data, err := d.session.optional("GetProperties", o.value, "qData")
	if err != nil {
		return nil, err
	}
	if data == nil {
		data = json.RawMessage("{}")
	}
	if bookmark != nil {
		if data, err = d.session.with(data, map[string]json.RawMessage{"qBookMark": bookmark}); err != nil {
			return nil, err
		}
	}
	return d.session.with(o.value, map[string]json.RawMessage{"qData": data})
}

// withFlags puts what the list says of a variable into its properties.
func withFlags(_ context.Context, d *dump, o opened) (json.RawMessage, error) {
	if len(o.flags) == 0 {
		return o.value, nil
	}
	flags := make(map[string]json.RawMessage, len(o.flags))
	for _, flag := range o.flags {
		flags[flag] = json.RawMessage("true")
	}
	return d.session.with(o.value, flags)
}
