package operations

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/valyala/fasthttp"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"butler/api/web"
	"butler/api/web/webtest"
	"butler/internal/trail"
	"butler/internal/udp"
	"butler/messages"
)

var oneDay = time.Date(2031, 5, 6, 14, 23, 45, 0, time.UTC)

// longestID is an ID that no datagram exceeds.
var longestID = strings.Repeat("🦊", udp.MaxCharacters)

// admin is a scripted Admin that notes what it is asked.
type admin struct {
	calls   []adminCall
	count   int
	err     error
	panic   bool
	silent  bool // no destination is enabled
	reloads int
}

type adminCall struct {
	What, Instance string
	IDs            []string
	Limit          int
	Query          trail.Query
}

func (a *admin) note(c adminCall) error {
	a.calls = append(a.calls, c)
	if a.panic {
		panic("poison")
	}
	return a.err
}

func (a *admin) Destinations(context.Context) ([]Destination, error) {
	if a.err != nil || a.silent {
		return nil, a.note(adminCall{What: "destinations"})
	}
	return []Destination{
		{Instance: "slack/reload_task_failed", Condition: messages.Delivering, LastSuccess: oneDay},
		{Instance: "webhook/reload_task_failed/1", Condition: messages.DeliveryBreakerOpen, Queued: 6, Oldest: oneDay, Parked: 3, LastError: "no <connection>"},
	}, a.note(adminCall{What: "destinations"})
}

func (a *admin) Explain(_ context.Context, execution string) (trail.Story, error) {
	return story(execution), a.note(adminCall{What: "explain", Instance: execution})
}

func (a *admin) Latest(_ context.Context, q trail.Query) ([]trail.Headline, error) {
	list := []trail.Headline{{At: oneDay, ExecutionID: "4c3b2a19 &", TaskName: "Daily <sales>", Event: "failed", State: trail.PartlyDelivered, Summary: "2 messages"}}
	return list[:min(q.Limit, len(list))], a.note(adminCall{What: "executions", Limit: q.Limit, Query: q})
}

func (a *admin) Feed() (Feed, error) {
	return Feed{Since: oneDay, Waiting: 2, Nodes: []Node{{"sense <1>", oneDay}}}, a.note(adminCall{What: "feed"})
}

func (a *admin) Parked(_ context.Context, instance string, limit int) ([]ParkedNotice, error) {
	return []ParkedNotice{{ID: "n1", ExecutionID: "4c3b2a19", TaskName: "Daily <sales>", Destination: "email/x", Reason: "550 <no>", ParkedAt: oneDay}}, a.note(adminCall{What: "parked", Instance: instance, Limit: limit})
}

func (a *admin) ReplayParked(_ context.Context, instance string, ids []string) (int, error) {
	return a.count, a.note(adminCall{What: "replay", Instance: instance, IDs: ids})
}

func (a *admin) DropParked(_ context.Context, instance string, ids []string) (int, error) {
	return a.count, a.note(adminCall{What: "drop", Instance: instance, IDs: ids})
}

func (a *admin) Reload() (answer any, applied bool) {
	a.reloads++
	return map[string]bool{"applied": a.reloads == 1}, a.reloads == 1
}

func (a *admin) Alerts(_ context.Context, execution string) (any, error) {
	return []string{"an alert"}, a.note(adminCall{What: "alerts", Instance: execution})
}

func (a *admin) Quarantine(_ context.Context, limit int) ([]messages.QuarantinedDatagram, error) {
	return []messages.QuarantinedDatagram{{Reason: "unknown_type", Detail: "what is <this>?", At: oneDay, Payload: "<nonsense>"}}, a.note(adminCall{What: "quarantine", Limit: limit})
}

// bench is a listening server with everything behind it scripted.
type bench struct {
	t      *testing.T
	admin  *admin
	server *web.Server
	logs   *observer.ObservedLogs
	ready  bool
	reason string
}

func newBench(t *testing.T) *bench {
	t.Helper()
	core, logs := observer.New(zap.DebugLevel)
	b := &bench{t: t, admin: &admin{count: 2}, logs: logs, ready: true}
	server, err := Listen(Options{
		Address: "127.0.0.1:0", Host: "monitor-1", Log: zap.New(core), Admin: b.admin, Explainer: b.admin, Feed: b.admin.Feed, Reload: b.admin.Reload,
		Configuration: "/srv/production/butler.yaml",
		Metrics:       http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "a_metric 1\n") }),
		Ready:         func() (bool, string) { return b.ready, b.reason },
		Health: func() (string, []Component) {
			since := oneDay
			return "degraded", []Component{
				{Name: "ingest", State: "up", Since: since}, {Name: "qrs", State: "degraded", Reason: "no <answer>", Since: since},
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	b.server = server
	webtest.Serve(t, server)
	return b
}

// do makes a call as the commands do; header lines replace those it would send.
func (b *bench) do(method, path, body string, header ...string) (*http.Response, string) {
	b.t.Helper()
	req := webtest.Request(b.t, method, "http://"+b.server.Address()+path, body)
	req.Header.Set(AdminHeader, "1")
	for _, line := range header {
		name, value, _ := strings.Cut(line, ": ")
		switch {
		case name == "Host":
			req.Host = value
		case value == "":
			req.Header.Del(name)
		default:
			req.Header.Set(name, value)
		}
	}
	return webtest.Answer(b.t, webtest.Client, req)
}

// code returns the code of an error answer, which must be a complete row of the table.
func (b *bench) code(resp *http.Response, body string) int {
	b.t.Helper()
	var row apiError
	if err := json.Unmarshal([]byte(body), &row); err != nil {
		b.t.Fatalf("want an error as JSON, got %q: %v", body, err)
	}
	if row.Status != resp.StatusCode || row.Error == "" || row.Remedy == "" {
		b.t.Errorf("want status %d, an error and how to fix it, got %+v", resp.StatusCode, row)
	}
	if got := resp.Header.Get("Content-Type"); !strings.HasPrefix(got, "application/json") {
		b.t.Errorf("want JSON, got %s", got)
	}
	if resp.Header.Get("X-Content-Type-Options") != "nosniff" {
		b.t.Error("want the answer protected from guesses at its type")
	}
	return row.Code
}

func TestServer_answers(t *testing.T) {
	for _, row := range []struct {
		name, method, path, body, want string
	}{
		{"it lives", "GET", "/healthz", "", "ok\n"},
		{"it is ready", "GET", "/readyz", "", "ready\n"},
		{"its state", "GET", "/health", "", `{"components":[{"name":"ingest","state":"up","since":"2031-05-06T14:23:45Z"},` +
			`{"name":"qrs","state":"degraded","reason":"no \u003canswer\u003e","since":"2031-05-06T14:23:45Z"}],"state":"degraded"}` + "\n"},
		{"metrics", "GET", "/metrics", "", "a_metric 1\n"},
		{"destinations", "GET", "/admin/destinations", "", `[{"destination":"slack/reload_task_failed","integration":"","condition":"ok","queued":0,"retrying":0,"attempts":0,"parked":0,"lastSuccess":"2031-05-06T14:23:45Z"},` +
			`{"destination":"webhook/reload_task_failed/1","integration":"","condition":"breaker_open","queued":6,"retrying":0,"attempts":0,"parked":3,"oldest":"2031-05-06T14:23:45Z","lastError":"no \u003cconnection\u003e"}]` + "\n"},
		{"what arrives", "GET", "/admin/feed", "", `{"since":"2031-05-06T14:23:45Z","waiting":2,"nodes":[{"node":"sense \u003c1\u003e","lastEvent":"2031-05-06T14:23:45Z"}]}` + "\n"},
		{"parked notices", "GET", "/admin/parked", "", `[{"id":"n1","alert":"","executionId":"4c3b2a19","taskName":"Daily \u003csales\u003e","destination":"email/x","cause":"",` +
			`"reason":"550 \u003cno\u003e","attempts":0,"queuedAt":"0001-01-01T00:00:00Z","parkedAt":"2031-05-06T14:23:45Z"}]` + "\n"},
		{"refused datagrams", "GET", "/admin/quarantine?limit=1", "", `[{"id":0,"reason":"unknown_type","detail":"what is \u003cthis\u003e?","source":"","at":"2031-05-06T14:23:45Z","size":0,"payload":"\u003cnonsense\u003e"}]` + "\n"},
		{"alerts", "GET", "/admin/alerts?execution=e1", "", `["an alert"]` + "\n"},
		{"replay", "POST", "/admin/parked/replay", `{"all": true}`, `{"count":2}` + "\n"},
		{"drop", "POST", "/admin/parked/drop", `{"ids": ["a", "b"]}`, `{"count":2}` + "\n"},
	} {
		t.Run(row.name, func(t *testing.T) {
			b := newBench(t)
			resp, body := b.do(row.method, row.path, row.body)
			if resp.StatusCode != http.StatusOK || body != row.want {
				t.Errorf("want 200 %q, got %d %q", row.want, resp.StatusCode, body)
			}
		})
	}
}

func TestServer_passesOnWhatIsMeant(t *testing.T) {
	for _, row := range []struct {
		name, method, path, body string
		want                     adminCall
	}{
		{"all", "GET", "/admin/parked", "", adminCall{What: "parked", Limit: defaultList}},
		{"of an instance", "GET", "/admin/parked?instance=webhook%2Freload_task_failed%2F1&limit=7", "", adminCall{What: "parked", Instance: "webhook/reload_task_failed/1", Limit: 7}},
		{"executions", "GET", "/admin/executions?limit=5", "", adminCall{What: "executions", Limit: 5, Query: trail.Query{Limit: 5}}},
		{
			"some executions", "GET", "/admin/executions?" + QueryValues(trail.Query{Limit: 7, Task: "R&D", Event: "failed", Before: oneDay, Seen: 3}).Encode(), "",
			adminCall{What: "executions", Limit: 7, Query: trail.Query{Limit: 7, Task: "R&D", Event: "failed", Before: oneDay, Seen: 3}},
		},
		{"an explanation", "GET", "/admin/explain?execution=a", "", adminCall{What: "explain", Instance: "a"}},
		{"quarantine", "GET", "/admin/quarantine?limit=10000", "", adminCall{What: "quarantine", Limit: 10000}},
		{"alerts of an execution", "GET", "/admin/alerts?execution=event%2F7%2F1", "", adminCall{What: "alerts", Instance: "event/7/1"}},
		{"the longest ID", "GET", "/admin/alerts?execution=" + url.QueryEscape(longestID), "", adminCall{What: "alerts", Instance: longestID}},
		{"replay by instance", "POST", "/admin/parked/replay", `{"instance": "slack/x"}`, adminCall{What: "replay", Instance: "slack/x"}},
		{"drop by ID", "POST", "/admin/parked/drop", `{"ids": ["a"], "instance": "", "all": false}`, adminCall{What: "drop", IDs: []string{"a"}}},
		{"drop all", "POST", "/admin/parked/drop", `{"all": true}`, adminCall{What: "drop"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			b := newBench(t)
			b.do(row.method, row.path, row.body)
			if diff := cmp.Diff([]adminCall{row.want}, b.admin.calls); diff != "" {
				t.Errorf("calls (-want +got):\n%s", diff)
			}
		})
	}
}

func TestServer_refuses(t *testing.T) {
	var tooMany strings.Builder
	tooMany.WriteString(`{"ids": ["x"`)
	tooMany.WriteString(strings.Repeat(`,"x"`, MaxIDs) + "]}")
	for _, row := range []struct {
		name, method, path, body string
		want                     apiError
	}{
		{"an unknown page", "GET", "/nothing", "", errNotFound},
		{"a page below another", "GET", "/admin/parked/replay/all", "", errNotFound},
		{"a path that climbs", "GET", "/admin/../../etc/passwd", "", errNotFound},
		{"another method", "DELETE", "/admin/parked", "", errMethod},
		{"a change by GET", "GET", "/admin/parked/drop", "", errMethod},
		{"a limit of zero", "GET", "/admin/parked?limit=0", "", errBadRequest},
		{"a negative limit", "GET", "/admin/parked?limit=-1", "", errBadRequest},
		{"a limit that is too high", "GET", "/admin/quarantine?limit=10001", "", errBadRequest},
		{"a limit that is no number", "GET", "/admin/quarantine?limit=1e3", "", errBadRequest},
		{"a limit beyond all numbers", "GET", "/admin/quarantine?limit=99999999999999999999", "", errBadRequest},
		{"an event that no node reports", "GET", "/admin/executions?event=lost", "", errBadRequest},
		{"a time that is none", "GET", "/admin/executions?before=yesterday", "", errBadRequest},
		{"a number that is none", "GET", "/admin/executions?seen=-1", "", errBadRequest},
		{"a profile of no time", "GET", "/admin/profile/cpu?seconds=0", "", errBadRequest},
		{"a profile that takes longer than a request may", "GET", "/admin/profile/cpu?seconds=26", "", errBadRequest},
		{"a profile of a time that is no number", "GET", "/admin/profile/cpu?seconds=10s", "", errBadRequest},
		{"a profile that is not offered", "GET", "/admin/profile/mutex", "", errNotFound},
		{"no execution", "GET", "/admin/alerts", "", errBadRequest},
		{"an execution that is too long", "GET", "/admin/alerts?execution=" + strings.Repeat("e", udp.MaxCharacters+1), "", errBadRequest},
		{"an explanation of an execution that is too long", "GET", "/admin/explain?execution=" + strings.Repeat("e", udp.MaxCharacters+1), "", errBadRequest},
		{"no body", "POST", "/admin/parked/drop", "", errBadRequest},
		{"a body that is no JSON", "POST", "/admin/parked/drop", "all", errBadRequest},
		{"a body of another form", "POST", "/admin/parked/drop", `["a"]`, errBadRequest},
		{"null", "POST", "/admin/parked/drop", `null`, errBadRequest},
		{"nothing named", "POST", "/admin/parked/drop", `{}`, errBadRequest},
		{"an empty list", "POST", "/admin/parked/drop", `{"ids": []}`, errBadRequest},
		{"a misspelt key, which must not mean all", "POST", "/admin/parked/drop", `{"id": ["a"]}`, errBadRequest},
		{"two ways at once", "POST", "/admin/parked/drop", `{"ids": ["a"], "instance": "slack/x"}`, errBadRequest},
		{"all but", "POST", "/admin/parked/replay", `{"ids": ["a"], "all": true}`, errBadRequest},
		{"two objects", "POST", "/admin/parked/drop", `{"ids": ["a"]} {"all": true}`, errBadRequest},
		{"IDs that are numbers", "POST", "/admin/parked/drop", `{"ids": [1]}`, errBadRequest},
		{"too many IDs", "POST", "/admin/parked/drop", tooMany.String(), errBadRequest},
	} {
		t.Run(row.name, func(t *testing.T) {
			b := newBench(t)
			if got := b.code(b.do(row.method, row.path, row.body)); got != row.want.Code {
				t.Errorf("want code %d, got %d", row.want.Code, got)
			}
			if len(b.admin.calls) != 0 {
				t.Errorf("want nothing done, got %v", b.admin.calls)
			}
		})
	}
}

var adminRoutes = []struct{ method, path, body string }{
	{"GET", "/admin/feed", ""},
	{"GET", "/admin/destinations", ""},
	{"GET", "/admin/parked", ""},
	{"GET", "/admin/quarantine", ""},
	{"GET", "/admin/alerts?execution=e1", ""},
	{"GET", "/admin/explain?execution=e1", ""},
	{"GET", "/admin/executions", ""},
	{"POST", "/admin/parked/replay", `{"all": true}`},
	{"POST", "/admin/parked/drop", `{"all": true}`},
}

func TestAdministration_wantsAProgramOnThisMachine(t *testing.T) {
	for _, row := range []struct {
		name, header string
		allowed      bool
	}{
		{"a command", "Accept: */*", true},
		{"as localhost", "Host: LOCALHOST:9997", true},
		{"by IPv6 address", "Host: [::1]:9997", true},
		{"a web page: no header of its own", AdminHeader + ": ", false},
		{"a web page whose name was pointed here", "Host: attacker.example.com:9997", false},
		{"a proxy on this machine", "X-Forwarded-For: 10.0.0.7", false},
		{"a proxy that says so in another way", "Forwarded: for=10.0.0.7", false},
		{"a name that only begins like an address", "Host: 127.0.0.1.example.com", false},
	} {
		t.Run(row.name, func(t *testing.T) {
			b := newBench(t)
			for _, route := range adminRoutes {
				resp, body := b.do(route.method, route.path, route.body, row.header)
				if row.allowed && resp.StatusCode != http.StatusOK {
					t.Errorf("%s: want it allowed, got %d %s", route.path, resp.StatusCode, body)
				}
				if !row.allowed && b.code(resp, body) != errForbidden.Code {
					t.Errorf("%s: want it forbidden, got %d %s", route.path, resp.StatusCode, body)
				}
			}
			if row.allowed != (len(b.admin.calls) == len(adminRoutes)) {
				t.Errorf("calls: %v", b.admin.calls)
			}
		})
	}
}

func TestAdministration_isClosedToOtherMachines(t *testing.T) {
	b := newBench(t)
	handler := b.server.Handle
	for _, row := range []struct {
		remote  string
		allowed bool
	}{
		{"10.0.0.7", false},
		{"fe80::1", false},
		{"0.0.0.0", false},
		{"127.0.0.1", true},
		{"127.8.8.8", true},
		{"::1", true},
	} {
		for _, route := range adminRoutes {
			var ctx fasthttp.RequestCtx
			var req fasthttp.Request
			req.Header.SetMethod(route.method)
			req.SetRequestURI("http://127.0.0.1:9997" + route.path)
			req.Header.Set(AdminHeader, "1")
			req.SetBodyString(route.body)
			ctx.Init(&req, &net.TCPAddr{IP: net.ParseIP(row.remote), Port: 40000}, nil)
			handler(&ctx)
			if got := ctx.Response.StatusCode() == http.StatusOK; got != row.allowed {
				t.Errorf("%s from %s: want allowed %v, got %d", route.path, row.remote, row.allowed, ctx.Response.StatusCode())
			}
		}
	}
	if want := 3 * len(adminRoutes); len(b.admin.calls) != want {
		t.Errorf("want %d calls passed on, got %d", want, len(b.admin.calls))
	}
}

func TestAdministration_isOpenToTheMachinesOwnAddress(t *testing.T) {
	for _, row := range []struct {
		name, remote, local string
		want                bool
	}{
		{"its own", "192.0.2.1", "192.0.2.1", true},
		{"its neighbour's", "192.0.2.2", "192.0.2.1", false},
	} {
		t.Run(row.name, func(t *testing.T) {
			b := newBench(t)
			var ctx fasthttp.RequestCtx
			ctx.Init2(addressed{local: row.local, remote: row.remote}, zap.NewStdLog(zap.NewNop()), true)
			ctx.Request.SetRequestURI("http://192.0.2.1:9997/admin/parked")
			ctx.Request.Header.Set(AdminHeader, "1")
			b.server.Handle(&ctx)
			if got := ctx.Response.StatusCode() == http.StatusOK; got != row.want {
				t.Errorf("want allowed %v, got %d", row.want, ctx.Response.StatusCode())
			}
		})
	}
}

// addressed is a connection between two addresses.
type addressed struct {
	net.Conn
	local, remote string
}

func (a addressed) LocalAddr() net.Addr { return &net.TCPAddr{IP: net.ParseIP(a.local), Port: 9997} }

func (a addressed) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.ParseIP(a.remote), Port: 40000} }

func TestServer_saysWhyItIsNotReady(t *testing.T) {
	b := newBench(t)
	b.ready, b.reason = false, "journal/events: no space left on device"
	resp, body := b.do("GET", "/readyz", "")
	if got := b.code(resp, body); got != errNotReady.Code || !strings.Contains(body, b.reason) {
		t.Errorf("want code %d with the reason, got %s", errNotReady.Code, body)
	}
	if resp, _ := b.do("GET", "/healthz", ""); resp.StatusCode != http.StatusOK {
		t.Errorf("want the process alive all the same, got %d", resp.StatusCode)
	}
}

func TestServer_tellsWhatWasDoneInSpiteOfAFailure(t *testing.T) {
	b := newBench(t)
	b.admin.err, b.admin.count = PartlyError{errors.New("b: no such parked notice")}, 1
	resp, body := b.do("POST", "/admin/parked/drop", `{"ids": ["a", "b"]}`)
	if got := b.code(resp, body); got != errPartly.Code {
		t.Errorf("want code %d, got %d", errPartly.Code, got)
	}
	var told struct {
		Count  int
		Detail string
	}
	if err := json.Unmarshal([]byte(body), &told); err != nil || told.Count != 1 || told.Detail != "b: no such parked notice" {
		t.Errorf("want the count and the failure, got %s", body)
	}
}

func TestServer_tellsAFailureForWhatItIsWhenNothingWasDone(t *testing.T) {
	for _, what := range []string{"replay", "drop"} {
		b := newBench(t)
		b.admin.err = errors.New("ask notify: context deadline exceeded")
		resp, body := b.do("POST", "/admin/parked/"+what, `{"all": true}`)
		if got := b.code(resp, body); got != errInternal.Code || !strings.Contains(body, "ask notify") {
			t.Errorf("%s: want code %d with the reason, got %s", what, errInternal.Code, body)
		}
	}
}

func TestServer_answersAFailureAndAPanicWithoutDying(t *testing.T) {
	b := newBench(t)
	b.admin.err = errors.New("read the quarantine: <corrupt>")
	resp, body := b.do("GET", "/admin/quarantine", "")
	if got := b.code(resp, body); got != errInternal.Code || strings.Contains(body, "<") {
		t.Errorf("want code %d and nothing that is HTML, got %s", errInternal.Code, body)
	}
	b.admin.panic = true
	for _, route := range adminRoutes {
		if got := b.code(b.do(route.method, route.path, route.body)); got != errInternal.Code {
			t.Errorf("%s: want code %d, got %d", route.path, errInternal.Code, got)
		}
	}
	if got := b.logs.FilterMessage("handler panicked").Len(); got != len(adminRoutes) {
		t.Errorf("want every panic logged, got %d", got)
	}
	if resp, _ := b.do("GET", "/healthz", ""); resp.StatusCode != http.StatusOK {
		t.Errorf("want the server alive, got %d", resp.StatusCode)
	}
}

func TestServer_refusesWhatIsTooLarge(t *testing.T) {
	b := newBench(t)
	for _, row := range []struct{ name, want, request string }{
		{"body", "413", "POST /admin/parked/drop HTTP/1.1\r\nHost: localhost\r\n" + AdminHeader + ": 1\r\nContent-Length: 1048577\r\n\r\n"},
		{"header", "431", "GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Long: " + strings.Repeat("x", 1<<20) + "\r\n\r\n"},
		{"no HTTP", "400", "hello;there\r\n\r\n"},
	} {
		t.Run(row.name, func(t *testing.T) {
			conn, err := net.Dial("tcp", b.server.Address())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if err := conn.SetDeadline(time.Now().Add(webtest.Patience)); err != nil {
				t.Fatal(err)
			}
			go io.WriteString(conn, row.request)
			answer := make([]byte, len("HTTP/1.1 400"))
			if _, err := io.ReadFull(conn, answer); err == nil && string(answer) != "HTTP/1.1 "+row.want {
				t.Errorf("want %s or the connection closed, got %q", row.want, answer)
			} else if errors.Is(err, os.ErrDeadlineExceeded) {
				t.Error("want an answer, got none")
			}
		})
	}
	if resp, _ := b.do("GET", "/healthz", ""); resp.StatusCode != http.StatusOK {
		t.Errorf("want the server alive, got %d", resp.StatusCode)
	}
	if len(b.admin.calls) != 0 {
		t.Errorf("want nothing done, got %v", b.admin.calls)
	}
}

func TestServer_canBeShutDownBeforeItServes(t *testing.T) {
	server, err := Listen(Options{Address: "127.0.0.1:0", Log: zap.NewNop(), Admin: &admin{}, Metrics: http.NotFoundHandler()})
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Shutdown(t.Context()); err != nil {
		t.Errorf("shutdown: %v", err)
	}
	if err := server.Serve(); err != nil {
		t.Errorf("want Serve to end at once, got %v", err)
	}
}

func TestListen_saysWhichSettingIsWrong(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	_, err = Listen(Options{Address: taken.Addr().String()})
	if err == nil || !strings.Contains(err.Error(), "operations.port") {
		t.Errorf("want an error that names the setting, got %v", err)
	}
}

func TestErrors_haveCodesThatTellTheStatus(t *testing.T) {
	seen := map[int]bool{}
	for _, row := range []apiError{errBadRequest, errForbidden, errNotFound, errMethod, errPartly, errProfiling, errInternal, errNotReady} {
		if row.Code/100 != row.Status || seen[row.Code] {
			t.Errorf("want a code of its own that begins with the status, got %+v", row)
		}
		if row.Error == "" || row.Remedy == "" {
			t.Errorf("want what is wrong and how to fix it, got %+v", row)
		}
		seen[row.Code] = true
	}
}

func TestAdmin_ofAnotherConfigurationIsNotChanged(t *testing.T) {
	b := newBench(t)
	for _, path := range []string{"/admin/parked/drop", "/admin/parked/replay", "/admin/config/reload"} {
		resp, body := b.do(http.MethodPost, path, `{"all": true}`, ConfigurationHeader+": "+EncodeConfiguration("/srv/tëst/butler.yaml"))
		if code := b.code(resp, body); code != errOther.Code || !strings.Contains(body, "/srv/production/butler.yaml") {
			t.Errorf("%s: want a refusal that names the configuration in force, got %d %s", path, code, body)
		}
	}
	if len(b.admin.calls) > 0 || b.admin.reloads > 0 {
		t.Errorf("want nothing changed, got %v and %d reloads", b.admin.calls, b.admin.reloads)
	}
	if resp, body := b.do(http.MethodPost, "/admin/parked/drop", `{"all": true}`, ConfigurationHeader+": "+EncodeConfiguration("/srv/production/butler.yaml")); resp.StatusCode != http.StatusOK {
		t.Errorf("want a call that is meant for this service done, got %s %s", resp.Status, body)
	}
}
