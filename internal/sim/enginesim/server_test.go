package enginesim_test

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"butler/internal/sim/edge"
	"butler/internal/sim/enginesim"
	"butler/internal/sim/world"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const user = "UserDirectory=Internal;UserId=sa_repository"

func start(t *testing.T, o enginesim.Options) *enginesim.Server {
	t.Helper()
	if o.World == nil {
		o.World = world.New(world.Options{Seed: 1})
	}
	server, err := enginesim.New(o)
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Stop)
	return server
}

// dial shakes hands; status is that of the answer.
func dial(t *testing.T, server *enginesim.Server, path string, header http.Header, config *tls.Config) (socket *websocket.Conn, status int, err error) {
	t.Helper()
	transport := &http.Transport{TLSClientConfig: config, DisableKeepAlives: true}
	t.Cleanup(transport.CloseIdleConnections)
	scheme := "ws://"
	if config != nil {
		scheme = "wss://"
	}
	socket, resp, err := websocket.Dial(t.Context(), scheme+server.Addr()+path, &websocket.DialOptions{
		HTTPHeader: header, HTTPClient: &http.Client{Transport: transport},
	})
	if resp != nil {
		status = resp.StatusCode
	}
	if socket != nil {
		t.Cleanup(func() { _ = socket.CloseNow() })
		socket.SetReadLimit(1 << 20)
	}
	return socket, status, err
}

func asUser() http.Header { return http.Header{"X-Qlik-User": {user}} }

// client is a plain JSON-RPC client: it sends what it is told and shows what comes.
type client struct {
	*testing.T
	socket *websocket.Conn
	id     int
}

// connect opens a session and takes the notification that begins it.
func connect(t *testing.T, server *enginesim.Server, path string) *client {
	t.Helper()
	socket, _, err := dial(t, server, path, asUser(), nil)
	if err != nil {
		t.Fatal(err)
	}
	c := &client{T: t, socket: socket}
	if got := c.read()["method"]; got != "OnConnected" {
		t.Fatalf("the session begins with %v, want OnConnected", got)
	}
	return c
}

func (c *client) send(handle int, method, params string) {
	c.Helper()
	c.id++
	text := fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"handle":%d,"method":%q,"params":%s}`, c.id, handle, method, params)
	if err := c.socket.Write(c.Context(), websocket.MessageText, []byte(text)); err != nil {
		c.Fatal(err)
	}
}

func (c *client) read() map[string]any {
	c.Helper()
	_, text, err := c.socket.Read(c.Context())
	if err != nil {
		c.Fatal(err)
	}
	var message map[string]any
	if err := json.Unmarshal(text, &message); err != nil {
		c.Fatal(err)
	}
	return message
}

// call returns the result as JSON text with sorted keys, or "error <code>".
func (c *client) call(handle int, method, params string) string {
	c.Helper()
	c.send(handle, method, params)
	answer := c.read()
	if failed, ok := answer["error"].(map[string]any); ok {
		return fmt.Sprintf("error %v", failed["code"])
	}
	text, err := json.Marshal(answer["result"])
	if err != nil {
		c.Fatal(err)
	}
	return string(text)
}

func firstApp(w *world.World) world.App {
	for app := range w.Apps() {
		return app
	}
	return world.App{}
}

func TestServer_refusesHandshakesThatAreWrong(t *testing.T) {
	server := start(t, enginesim.Options{PlainHTTP: true})
	tests := []struct {
		name, path string
		header     http.Header
		status     int
	}{
		{"without a user", "/", nil, http.StatusForbidden},
		{"at no path of the engine", "/qrs/app", asUser(), http.StatusNotFound},
		{"of an app without a name", "/app/", asUser(), http.StatusNotFound},
		{"well-formed, root", "/", asUser(), http.StatusSwitchingProtocols},
		{"well-formed, data", "/app/engineData", asUser(), http.StatusSwitchingProtocols},
		{"well-formed, app", "/app/a%2Fb", asUser(), http.StatusSwitchingProtocols},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if _, status, err := dial(t, server, test.path, test.header, nil); status != test.status {
				t.Errorf("status %d, %v; want %d", status, err, test.status)
			}
		})
	}
}

func TestServer_wantsAClientCertificate(t *testing.T) {
	server := start(t, enginesim.Options{})
	pair, err := server.Authority().Client("client")
	if err != nil {
		t.Fatal(err)
	}
	own, err := pair.TLS()
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := dial(t, server, "/", asUser(), &tls.Config{RootCAs: server.Authority().Pool(), Certificates: []tls.Certificate{own}}); err != nil {
		t.Errorf("with a certificate: %v", err)
	}
	if _, _, err := dial(t, server, "/", asUser(), &tls.Config{RootCAs: server.Authority().Pool()}); err == nil {
		t.Error("a client without a certificate is let in")
	}
}

func TestServer_answersWhatAnAppHolds(t *testing.T) {
	w := world.New(world.Options{Seed: 1})
	app := firstApp(w)
	server := start(t, enginesim.Options{World: w, PlainHTTP: true})
	c := connect(t, server, "/app/engineData")
	// In order: handles are counted from 1, the document's.
	for _, step := range []struct {
		handle               int
		method, params, want string
	}{
		{-1, "EngineVersion", `[]`, `"qComponentVersion":"12.612.0"`},
		{-1, "GetDocList", `[]`, `"qDocId":"` + app.ID + `"`},
		{-1, "OpenDoc", `["00000000-0000-4000-8000-000000000000","","","",true]`, "error 1003"},
		{-1, "OpenDoc", `[]`, "error -32602"},
		{-1, "OpenDoc", `["` + app.ID + `","","","",true]`, `"qHandle":1`},
		{-1, "OpenDoc", `["` + app.ID + `","","","",true]`, "error 1002"},
		{1, "GetAppProperties", `[]`, `"qProp":{`},
		{1, "GetScript", `[]`, `"qScript":"///$tab Main`},
		{1, "GetLineage", `[]`, `{"qLineage":[{"qDiscriminator":"lib://Data/sales.qvd","qStatement":""}`},
		{1, "CreateSessionObject", `[{"qInfo":{"qId":"sheetList","qType":"sheetList"},"qAppObjectListDef":{"qType":"sheet"}}]`, `"qHandle":2`},
		{2, "GetLayout", `[]`, `"qAppObjectList":{"qItems":[{"qData":{},"qInfo":{"qId":"sheet-1","qType":"sheet"}`},
		{1, "GetObject", `["sheet-2"]`, `"qHandle":3`},
		{3, "GetFullPropertyTree", `[]`, `"qChildren":[]`},
		{1, "GetObject", `["nothing"]`, `{"qReturn":{"qHandle":null,"qType":null}}`},
		{1, "GetBookmark", `["bookmark-1"]`, `"qHandle":4`},
		{4, "GetLayout", `[]`, `"qBookmark":{`},
		{4, "GetProperties", `[]`, `"qProp":{`},
		{1, "GetConnections", `[]`, `"qId":"c-1"`},
		{1, "GetConnection", `["c-1"]`, `"qConnection":{`},
		{1, "GetConnection", `["c-2"]`, "error 2"},
		{1, "Nonsense", `[]`, "error -32601"},
		{99, "GetLayout", `[]`, "error -1"},
		{1, "CreateSessionObject", `[{}]`, "error -32602"},
	} {
		if got := c.call(step.handle, step.method, step.params); !strings.Contains(got, step.want) {
			t.Errorf("%s%s on %d: %s, want %s in it", step.method, step.params, step.handle, got, step.want)
		}
	}
}

func TestServer_hidesFieldsAndVariablesUnlessAsked(t *testing.T) {
	w := world.New(world.Options{Seed: 1})
	server := start(t, enginesim.Options{World: w, PlainHTTP: true})
	c := connect(t, server, "/app/engineData")
	c.call(-1, "OpenDoc", `["`+firstApp(w).ID+`","","","",true]`)
	for handle, test := range []struct {
		definition string
		count      int
	}{
		{`"qFieldListDef":{}`, 1},
		{`"qFieldListDef":{"qShowSystem":true,"qShowHidden":true}`, 3},
		{`"qVariableListDef":{"qType":"variable"}`, 1},
		{`"qVariableListDef":{"qType":"variable","qShowReserved":true}`, 2},
		{`"qBookmarkListDef":{"qType":"bookmark"}`, 1},
		{`"qBookmarkListDef":{"qType":"snapshot"}`, 1},
		{`"qMediaListDef":{}`, 2},
	} {
		c.call(1, "CreateSessionObject", `[{"qInfo":{"qId":"x","qType":"x"},`+test.definition+`}]`)
		layout := c.call(handle+2, "GetLayout", `[]`)
		_, items, _ := strings.Cut(layout, `"qItems":`)
		var list []json.RawMessage
		if err := json.NewDecoder(strings.NewReader(items)).Decode(&list); err != nil || len(list) != test.count {
			t.Errorf("%s: %d items, %v; want %d", test.definition, len(list), err, test.count)
		}
	}
}

func TestServer_answersWithPatchesWhenAsked(t *testing.T) {
	server := start(t, enginesim.Options{PlainHTTP: true})
	c := connect(t, server, "/")
	call := `{"jsonrpc":"2.0","id":7,"handle":-1,"method":"EngineVersion","params":[],"delta":true}`
	if err := c.socket.Write(t.Context(), websocket.MessageText, []byte(call)); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"jsonrpc": "2.0", "id": 7.0, "delta": true, "result": map[string]any{"qVersion": []any{map[string]any{
			"op": "add", "path": "/", "value": map[string]any{"qComponentVersion": "12.612.0"},
		}}},
	}
	if diff := cmp.Diff(want, c.read()); diff != "" {
		t.Errorf("answer (-want +got):\n%s", diff)
	}
}

func TestServer_shufflesAnswersAndChatters(t *testing.T) {
	server := start(t, enginesim.Options{PlainHTTP: true, Shuffle: true, Chatter: true})
	c := connect(t, server, "/")
	// Calls are shuffled when they arrive together, which a busy machine may prevent: try again.
	var ids []float64
	for round := 0; slices.IsSorted(ids); round++ {
		if round == 100 {
			t.Fatalf("answers in the order of the calls, time and again: %v", ids)
		}
		ids = nil
		var want []float64
		for range 5 {
			c.send(-1, "EngineVersion", `[]`)
			want = append(want, float64(c.id))
		}
		notifications := 0
		for len(ids) < 5 {
			message := c.read()
			if id, ok := message["id"].(float64); ok {
				ids = append(ids, id)
				continue
			}
			notifications++
		}
		if notifications != 5 {
			t.Errorf("%d notifications, want one before every answer", notifications)
		}
		if diff := cmp.Diff(want, slices.Sorted(slices.Values(ids))); diff != "" {
			t.Errorf("answers (-want +got):\n%s", diff)
		}
	}
}

func TestServer_reloadsAsScripted(t *testing.T) {
	tests := []struct {
		name   string
		result enginesim.ReloadResult
		want   string
		lost   bool
	}{
		{"good", enginesim.ReloadResult{Good: true, After: time.Millisecond}, `{"qReturn":true}`, false},
		{"bad", enginesim.ReloadResult{}, `{"qReturn":false}`, false},
		{"error", enginesim.ReloadResult{Code: 15}, "error 15", false},
		{"drop", enginesim.ReloadResult{Drop: true}, "", true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w := world.New(world.Options{Seed: 1})
			id := firstApp(w).ID
			asked := make(chan enginesim.Reload, 1)
			server := start(t, enginesim.Options{World: w, PlainHTTP: true, OnReload: func(r enginesim.Reload) enginesim.ReloadResult {
				asked <- r
				return test.result
			}})
			c := connect(t, server, "/app/"+id)
			c.call(-1, "OpenDoc", `["`+id+`","","","",false]`)
			if got := c.call(1, "DoReload", `[3,false]`); got != "error -32602" {
				t.Errorf("mode 3: %s", got)
			}
			c.send(1, "DoReload", `[1,true]`)
			_, text, err := c.socket.Read(t.Context())
			if (err != nil) != test.lost {
				t.Fatalf("error %v, want a lost connection: %v", err, test.lost)
			}
			if got, want := <-asked, (enginesim.Reload{AppID: id, Mode: 1, Partial: true}); got != want {
				t.Errorf("asked %+v, want %+v", got, want)
			}
			if want, isError := strings.CutPrefix(test.want, "error "); isError {
				test.want = `"code":` + want
			}
			if !strings.Contains(string(text), test.want) {
				t.Errorf("answer %s, want %s", text, test.want)
			}
		})
	}
}

func TestServer_endsWhatIsAtWorkWhenTheClientLeaves(t *testing.T) {
	w := world.New(world.Options{Seed: 1})
	id, begun := firstApp(w).ID, make(chan struct{})
	server := start(t, enginesim.Options{World: w, PlainHTTP: true, OnReload: func(enginesim.Reload) enginesim.ReloadResult {
		close(begun)
		return enginesim.ReloadResult{Good: true, After: time.Hour}
	}})
	c := connect(t, server, "/app/"+id)
	c.call(-1, "OpenDoc", `["`+id+`","","","",false]`)
	c.send(1, "DoReload", `[0,false]`)
	<-begun
	_ = c.socket.Close(websocket.StatusNormalClosure, "")
	if err := server.Ended().AwaitTotal(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	if ended := server.Ended().All()[0]; ended.CloseCode != 1000 || server.Open() != 0 {
		t.Errorf("want a session that ended with its farewell, and none open, got %+v and %d", ended, server.Open())
	}
}

func TestServer_countsSaves(t *testing.T) {
	w := world.New(world.Options{Seed: 1})
	id := firstApp(w).ID
	server := start(t, enginesim.Options{World: w, PlainHTTP: true})
	c := connect(t, server, "/app/"+id)
	c.call(-1, "OpenDoc", `["`+id+`","","","",false]`)
	if got := c.call(1, "DoSave", `[]`); got != "{}" || server.Saved(id) != 1 {
		t.Errorf("DoSave: %s, saved %d times", got, server.Saved(id))
	}
}

func TestServer_recordsCallsAndSessions(t *testing.T) {
	now := time.Date(2026, 5, 6, 12, 0, 0, 0, time.UTC)
	server := start(t, enginesim.Options{
		World: world.New(world.Options{Now: func() time.Time { return now }}), PlainHTTP: true, WithoutLineage: true,
	})
	c := connect(t, server, "/")
	c.call(-1, "EngineVersion", `[]`)
	c.call(-1, "GetLineage", `[]`)
	if server.Open() != 1 {
		t.Errorf("%d sessions open, want 1", server.Open())
	}
	if err := c.socket.Close(websocket.StatusNormalClosure, ""); err != nil {
		t.Fatal(err)
	}
	if err := server.Ended().AwaitTotal(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	calls := []enginesim.Call{
		{Session: 1, Method: "EngineVersion", Handle: -1, Params: "[]", At: now},
		{Session: 1, Method: "GetLineage", Handle: -1, Params: "[]", At: now, Code: -32601},
	}
	if diff := cmp.Diff(calls, server.Calls().All()); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
	sessions := []enginesim.Session{{Number: 1, Path: "/", User: user, Calls: 2, CloseCode: 1000}}
	if diff := cmp.Diff(sessions, server.Ended().All()); diff != "" {
		t.Errorf("sessions (-want +got):\n%s", diff)
	}
	if server.Open() != 0 {
		t.Errorf("%d sessions open, want none", server.Open())
	}
}

func TestServer_faultsHitWhatTheyName(t *testing.T) {
	tests := []struct {
		name string
		rule edge.Rule
		want string
		lost bool
	}{
		{"error", edge.Rule{Kind: edge.Status, Status: 5, Body: "Access denied"}, `"code":5,"parameter":"","message":"Access denied"`, false},
		{"shape", edge.Rule{Kind: edge.WrongShape}, `"unexpected"`, false},
		{"text", edge.Rule{Kind: edge.InvalidJSON}, `{"jsonrpc":"2.0","id":`, false},
		{"slow", edge.Rule{Kind: edge.Slow, Delay: time.Millisecond}, `"qVersion"`, false},
		{"reset", edge.Rule{Kind: edge.ResetBefore}, "", true},
		{"reset afterwards", edge.Rule{Kind: edge.ResetAfter}, "", true},
		{"half", edge.Rule{Kind: edge.Truncate}, "", true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			server := start(t, enginesim.Options{PlainHTTP: true})
			test.rule.Name, test.rule.Method, test.rule.PathPrefix = "fault", "engineversion", "/app/x"
			server.Faults().Set(test.rule)
			spared := connect(t, server, "/")
			if got := spared.call(-1, "EngineVersion", `[]`); !strings.Contains(got, "12.612.0") {
				t.Errorf("another session is hit: %s", got)
			}
			c := connect(t, server, "/app/x")
			c.send(-1, "EngineVersion", `[]`)
			_, text, err := c.socket.Read(t.Context())
			if (err != nil) != test.lost || !strings.Contains(string(text), test.want) {
				t.Errorf("%s, %v; want %s, lost %v", text, err, test.want, test.lost)
			}
			if server.Faults().Hits("fault") != 1 {
				t.Errorf("%d hits, want 1", server.Faults().Hits("fault"))
			}
		})
	}
}

func TestServer_aSessionThatHangsStillHearsPings(t *testing.T) {
	server := start(t, enginesim.Options{PlainHTTP: true})
	server.Faults().Set(edge.Rule{Name: "hang", Method: "EngineVersion", Kind: edge.Hang})
	c := connect(t, server, "/")
	c.send(-1, "EngineVersion", `[]`)
	ctx := c.socket.CloseRead(t.Context())
	if err := c.socket.Ping(ctx); err != nil {
		t.Errorf("ping: %v", err)
	}
}

func TestServer_outageEndsSessions(t *testing.T) {
	server := start(t, enginesim.Options{PlainHTTP: true})
	c := connect(t, server, "/")
	if err := server.Outage(true); err != nil {
		t.Fatal(err)
	}
	if _, _, err := c.socket.Read(t.Context()); err == nil || errors.Is(err, context.Canceled) {
		t.Errorf("the session goes on: %v", err)
	}
	if err := server.Outage(false); err != nil {
		t.Fatal(err)
	}
	connect(t, server, "/")
}

func TestNew_wantsAWorld(t *testing.T) {
	if _, err := enginesim.New(enginesim.Options{}); err == nil {
		t.Error("a server without a world is made")
	}
}
