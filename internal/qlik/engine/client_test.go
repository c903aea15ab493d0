package engine_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"butler/internal/qlik/engine"
	"butler/internal/sim/edge"
	"butler/internal/sim/enginesim"
	"butler/internal/sim/world"
	"butler/messages"
)

func TestClient_listsApps(t *testing.T) {
	r := start(t, nil, nil)
	got, err := r.client.ListApps(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var want []engine.App
	for app := range r.world.Apps() {
		want = append(want, engine.App{ID: app.ID, Name: app.Name})
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("apps (-want +got):\n%s", diff)
	}
	sessions := []enginesim.Session{{Number: 1, Path: "/", User: user, Calls: 1, CloseCode: 1000}}
	if diff := cmp.Diff(sessions, r.ended(1)); diff != "" {
		t.Errorf("sessions (-want +got):\n%s", diff)
	}
}

// dump returns the document of the demo app.
func (r *rig) dump() (map[string]json.RawMessage, engine.DumpSummary) {
	r.Helper()
	var out bytes.Buffer
	summary, err := r.client.Dump(r.Context(), r.appID(), &out)
	if err != nil {
		r.Fatal(err)
	}
	if int64(out.Len()) != summary.Bytes {
		r.Errorf("summary says %d bytes, written are %d", summary.Bytes, out.Len())
	}
	var document map[string]json.RawMessage
	if err := json.Unmarshal(out.Bytes(), &document); err != nil {
		r.Fatalf("%v in %s", err, out.Bytes())
	}
	return document, summary
}

// decoded is a JSON text without its layout.
func decoded(t *testing.T, raw []byte) any {
	t.Helper()
	var value any
	if err := json.Unmarshal(raw, &value); err != nil {
		t.Fatalf("%v in %s", err, raw)
	}
	return value
}

// encoded is how a value looks after its way through JSON.
func encoded(t *testing.T, value any) any {
	t.Helper()
	raw, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return decoded(t, raw)
}

// wantedDump is the document that the specification asks for.
func wantedDump(appID string, d enginesim.Document) map[string]any {
	trees := func(list []enginesim.Object) []any {
		out := []any{}
		for _, one := range list {
			out = append(out, map[string]any{"qProperty": one.Properties, "qChildren": []any{}, "qEmbeddedSnapshotRef": nil})
		}
		return out
	}
	properties := func(list []enginesim.Object) []any {
		out := []any{}
		for _, one := range list {
			out = append(out, one.Properties)
		}
		return out
	}
	bookmark := map[string]any{"qData": map[string]any{"qBookMark": d.Bookmarks[0].Selections}}
	for name, value := range d.Bookmarks[0].Properties {
		bookmark[name] = value
	}
	reserved := map[string]any{"qIsReserved": true, "qIsScriptCreated": true}
	for name, value := range d.Variables[1].Properties {
		reserved[name] = value
	}
	return map[string]any{
		"appId": appID, "properties": d.Properties, "loadScript": d.Script, "lineage": map[string]any{"qLineage": d.Lineage},
		"sheets": trees(d.Objects["sheet"]), "stories": trees(d.Objects["story"]),
		"masterobjects": trees(d.Objects["masterobject"]), "appprops": trees(d.Objects["appprops"]),
		"dimensions": properties(d.Dimensions), "measures": properties(d.Measures),
		"bookmarks": []any{bookmark}, "snapshots": properties(d.Snapshots),
		"embeddedmedia": d.Media[:1], "fields": d.Fields, "dataconnections": d.Connections,
		"variables": []any{d.Variables[0].Properties, reserved},
	}
}

func TestClient_dumpsAnApp(t *testing.T) {
	tests := []struct {
		name string
		sim  func(*enginesim.Options)
	}{
		{"answers in order", nil},
		{"answers in another order, with notifications between", func(o *enginesim.Options) { o.Shuffle, o.Chatter = true, true }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := start(t, test.sim, nil)
			app, _ := r.world.App(r.appID())
			document, summary := r.dump()
			got := make(map[string]any, len(document))
			for key, raw := range document {
				got[key] = decoded(t, raw)
			}
			want := encoded(t, wantedDump(app.ID, enginesim.DemoDocument(app)))
			if diff := cmp.Diff(want, any(got)); diff != "" {
				t.Errorf("dump (-want +got):\n%s", diff)
			}
			if len(summary.Omitted) != 0 {
				t.Errorf("omitted %v, want nothing", summary.Omitted)
			}
			if s := r.ended(1)[0]; s.Path != "/app/engineData" || s.CloseCode != 1000 {
				t.Errorf("session %+v, want /app/engineData ended with 1000", s)
			}
		})
	}
}

func TestClient_dumpKeepsTheOrderOfLongLists(t *testing.T) {
	const many = 37
	r := start(t, func(o *enginesim.Options) {
		o.Shuffle = true
		o.Document = func(app world.App) enginesim.Document {
			d := enginesim.DemoDocument(app)
			d.Objects["sheet"] = nil
			for i := range many {
				d.Objects["sheet"] = append(d.Objects["sheet"], enginesim.Object{
					ID: strings.Repeat("x", i+1), Properties: map[string]any{"n": i},
				})
			}
			return d
		}
	}, nil)
	document, _ := r.dump()
	var sheets []struct {
		Property struct {
			N int `json:"n"`
		} `json:"qProperty"`
	}
	if err := json.Unmarshal(document["sheets"], &sheets); err != nil || len(sheets) != many {
		t.Fatalf("%d sheets, %v; want %d", len(sheets), err, many)
	}
	for i, sheet := range sheets {
		if sheet.Property.N != i {
			t.Errorf("sheet %d is number %d", i, sheet.Property.N)
		}
	}
}

func TestClient_dumpOfAnEmptyAppHasEveryList(t *testing.T) {
	r := start(t, func(o *enginesim.Options) {
		o.Document = func(world.App) enginesim.Document {
			return enginesim.Document{Properties: map[string]any{}, Script: ""}
		}
	}, nil)
	document, _ := r.dump()
	for _, key := range []string{
		"sheets", "stories", "masterobjects", "appprops", "dimensions", "measures", "bookmarks",
		"embeddedmedia", "snapshots", "fields", "dataconnections", "variables",
	} {
		if string(document[key]) != "[]" {
			t.Errorf("%s = %s, want []", key, document[key])
		}
	}
}

func TestClient_dumpOmitsLineageThatTheEngineDoesNotTell(t *testing.T) {
	tests := []struct {
		name  string
		sim   func(*enginesim.Options)
		fault edge.Rule
	}{
		{"method unknown", func(o *enginesim.Options) { o.WithoutLineage = true }, edge.Rule{}},
		{"refused", nil, edge.Rule{Kind: edge.Status, Status: 5, Body: "Access denied"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := start(t, test.sim, nil)
			test.fault.Name, test.fault.Method = "lineage", "GetLineage"
			r.server.Faults().Set(test.fault)
			document, summary := r.dump()
			if _, there := document["lineage"]; there {
				t.Errorf("the document has a lineage: %s", document["lineage"])
			}
			if diff := cmp.Diff([]string{"lineage"}, summary.Omitted); diff != "" {
				t.Errorf("omitted (-want +got):\n%s", diff)
			}
			if len(document) != 15 {
				t.Errorf("%d members, want the other 15", len(document))
			}
		})
	}
}

func TestClient_writesNothingOfAnAppThatDoesNotExist(t *testing.T) {
	r := start(t, nil, nil)
	const unknown = "00000000-0000-4000-8000-000000000000"
	var out bytes.Buffer
	_, err := r.client.Dump(t.Context(), unknown, &out)
	if kind := kindOf(t, err); kind != messages.FailureNotFound || out.Len() != 0 {
		t.Errorf("kind %v and %d bytes, want not found and nothing", kind, out.Len())
	}
	_, err = r.reload(engine.Reload{AppID: unknown})
	if kind := kindOf(t, err); kind != messages.FailureNotFound || !strings.Contains(err.Error(), "1003") {
		t.Errorf("reload: %v, want not found with the engine's code", err)
	}
	r.ended(2)
}

func TestClient_refusesAnAppIDThatIsNone(t *testing.T) {
	r := start(t, nil, nil)
	for _, id := range []string{"", ".", "..", strings.Repeat("a", 1025)} {
		_, dumped := r.client.Dump(t.Context(), id, &bytes.Buffer{})
		_, reloaded := r.reload(engine.Reload{AppID: id})
		for _, err := range []error{dumped, reloaded} {
			if kind := kindOf(t, err); kind != messages.FailureRejected {
				t.Errorf("ID %.10q: kind %v, want rejected", id, kind)
			}
		}
	}
	if r.server.Load().Connections != 0 {
		t.Error("the engine was asked")
	}
}

func TestClient_dumpEndsWhereTheLimitOrTheWriterEnds(t *testing.T) {
	r := start(t, nil, func(o *engine.Options) { o.MaxDump = 500 })
	_, err := r.client.Dump(t.Context(), r.appID(), &bytes.Buffer{})
	if kind := kindOf(t, err); kind != messages.FailureInvalid {
		t.Errorf("too long a dump: %v, want invalid", err)
	}
	r.ended(1)
	full := errors.New("disk full")
	r = start(t, nil, nil)
	_, err = r.client.Dump(t.Context(), r.appID(), writerFunc(func([]byte) (int, error) { return 0, full }))
	if !errors.Is(err, full) {
		t.Errorf("error %v, want that of the writer", err)
	}
	r.ended(1)
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

func TestClient_limitsItsSessions(t *testing.T) {
	r := start(t, nil, func(o *engine.Options) { o.MaxSessions, o.ConnectTimeout = 1, 500*time.Millisecond })
	r.server.Faults().Set(edge.Rule{Name: "hang", Kind: edge.Hang, Method: "GetDocList", Times: 1})
	ctx, cancel := context.WithCancel(t.Context())
	first := make(chan error, 1)
	go func() {
		_, err := r.client.ListApps(ctx)
		first <- err
	}()
	if err := r.server.Calls().AwaitTotal(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	_, err := r.client.ListApps(t.Context())
	if kind := kindOf(t, err); kind != messages.FailureBusy {
		t.Errorf("second session: %v, want busy", err)
	}
	cancel()
	if err := <-first; !errors.Is(err, context.Canceled) {
		t.Errorf("first session: %v, want cancelled", err)
	}
	r.ended(1)
	if _, err := r.client.ListApps(t.Context()); err != nil {
		t.Errorf("after the first has ended: %v", err)
	}
}
