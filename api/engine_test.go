package api

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"butler/api/web"
	"butler/internal/apikey"
	"butler/internal/starttask"
)

// stage is an engine with one app, and what it was asked to reload.
type stage struct {
	dump    string
	closed  chan struct{}
	reloads []AppReload
	err     error
}

const (
	theApp   = "a1b2c3d4-e5f6-7890-abcd-ef1234567890"
	noApp    = "d3adbeef-0000-4000-8000-000000000009"
	aDump    = `{"appId":"` + theApp + `","properties":{},"loadScript":"LOAD 1;","lineage":{"qLineage":[]},` + theLists
	theLists = `"sheets":[],"stories":[],"masterobjects":[],"appprops":[],"dimensions":[{"qInfo":{}}],"measures":[],"bookmarks":[],"embeddedmedia":[],"snapshots":[],"fields":[],"dataconnections":[],"variables":[]}` + "\n"
)

func (s *stage) trouble(appID string) error {
	if appID == noApp {
		return fmt.Errorf("%w: %w", NewProblem(422, "there is no app "+noApp), errors.New("engine secret.internal says so"))
	}
	return s.err
}

func (s *stage) List(context.Context) ([]App, error) {
	return []App{{theApp, "Sales"}, {"x", "Ä/ö"}}, s.err
}

func (s *stage) Dump(_ context.Context, appID string) (Document, error) {
	if err := s.trouble(appID); err != nil {
		return Document{}, err
	}
	return Document{ReadCloser: closing{strings.NewReader(s.dump), s.closed}, Size: int64(len(s.dump))}, nil
}

func (s *stage) Reload(_ context.Context, r AppReload) error {
	if err := s.trouble(r.AppID); err != nil {
		return err
	}
	s.reloads = append(s.reloads, r)
	return nil
}

// closing tells when it is closed.
type closing struct {
	io.Reader
	closed chan struct{}
}

func (c closing) Close() error {
	if c.closed != nil {
		c.closed <- struct{}{}
	}
	return nil
}

func serveApps(t *testing.T, s *stage, access Access) *contract {
	t.Helper()
	return newContract(t, func(o *Options) { o.Apps, o.Access = s, access })
}

func TestContract_apps(t *testing.T) {
	const list, oldList = "/v4/apps/list", "/v4/senselistapps"
	const dump, oldDump, reload = "/v4/app/{appId}/dump", "/v4/senseappdump/{appId}", "/v4/app/{appId}/reload"
	const apps = `[{"id":"` + theApp + `","name":"Sales"},{"id":"x","name":"Ä/ö"}]`
	const begun = `{"appId":"` + theApp + `"}`
	asPut := http.Header{"X-Http-Method-Override": {"PUT"}}
	down, busy := errors.New("the Qlik engine cannot be reached"), NewProblem(503, "too much")
	tasks := func(ids ...string) string { return `{"startQSEoWTaskOnFailure":["` + strings.Join(ids, `","`) + `"]}` }
	for _, row := range []struct {
		path   string
		err    error
		access Access
		request
	}{
		{list, nil, nil, request{name: "list", method: "GET", target: "/v4/apps/list", want: 200, answer: apps}},
		{oldList, nil, nil, request{name: "list at its old place", method: "GET", target: "/v4/senselistapps", want: 200, answer: apps}},
		{oldList, nil, nil, request{name: "list by a client that only posts", method: "POST", target: "/v4/senselistapps", body: "{}", header: http.Header{"X-Http-Method-Override": {"GET"}}, want: 200}},
		{list, down, nil, request{name: "list without an engine", method: "GET", target: "/v4/apps/list", want: 500}},
		{oldList, busy, nil, request{name: "list of a busy engine", method: "GET", target: "/v4/senselistapps", want: 503}},
		{list, nil, known, request{name: "list without a key", method: "GET", target: "/v4/apps/list", want: 401}},
		{list, nil, known, request{name: "list with another scope", method: "GET", target: "/v4/apps/list", header: withKey("writer"), want: 403}},
		{list, nil, known, request{name: "list with the scope", method: "GET", target: "/v4/apps/list", header: withKey("reader"), want: 200}},

		{dump, nil, nil, request{name: "dump", method: "GET", target: "/v4/app/" + theApp + "/dump", want: 200, answer: aDump}},
		{oldDump, nil, nil, request{name: "dump at its old place", method: "GET", target: "/v4/senseappdump/" + theApp, want: 200, answer: aDump}},
		{dump, nil, nil, request{name: "dump of an unknown app", method: "GET", target: "/v4/app/" + noApp + "/dump", want: 422}},
		{oldDump, nil, nil, request{name: "dump of an unknown app at its old place", method: "GET", target: "/v4/senseappdump/" + noApp, want: 422}},
		{dump, down, nil, request{name: "dump without an engine", method: "GET", target: "/v4/app/" + theApp + "/dump", want: 500}},
		{dump, busy, nil, request{name: "dump of a busy engine", method: "GET", target: "/v4/app/" + theApp + "/dump", want: 503}},
		{dump, NewProblem(400, "no app ID"), nil, request{name: "dump of no ID", method: "GET", target: "/v4/app//dump", want: 400}},
		{oldDump, nil, known, request{name: "dump without a key", method: "GET", target: "/v4/senseappdump/" + theApp, want: 401}},
		{dump, nil, known, request{name: "dump with another scope", method: "GET", target: "/v4/app/" + theApp + "/dump", header: withKey("writer"), want: 403}},

		{reload, nil, nil, request{name: "reload", method: "PUT", target: "/v4/app/" + theApp + "/reload", want: 201, answer: begun}},
		{reload, nil, nil, request{name: "reload as load scripts do", method: "POST", target: "/v4/app/" + theApp + "/reload", header: asPut, body: `{"partialReload":"true","reloadMode":0,"startQSEoWTaskOnSuccess":["` + hrTask + `"],"startQSEoWTaskOnFailure":[]}`, want: 201, answer: begun}},
		{reload, nil, nil, request{name: "reload of an unknown app", method: "PUT", target: "/v4/app/" + noApp + "/reload", body: "{}", want: 422}},
		{reload, down, nil, request{name: "reload without an engine", method: "PUT", target: "/v4/app/" + theApp + "/reload", want: 500}},
		{reload, busy, nil, request{name: "reload of a busy engine", method: "PUT", target: "/v4/app/" + theApp + "/reload", want: 503}},
		{reload, nil, nil, request{name: "a task that is none", method: "PUT", target: "/v4/app/" + theApp + "/reload", body: tasks(hrTask, "abc"), want: 400}},
		{reload, nil, nil, request{name: "an empty task", method: "PUT", target: "/v4/app/" + theApp + "/reload", body: tasks(""), want: 400}},
		{reload, nil, nil, request{name: "tasks in an object", method: "PUT", target: "/v4/app/" + theApp + "/reload", body: `{"startQSEoWTaskOnSuccess":{}}`, want: 400}},
		{reload, nil, nil, request{name: "too many tasks", method: "PUT", target: "/v4/app/" + theApp + "/reload", body: tasks(hrTask + strings.Repeat(`","`+hrTask, starttask.MaxSelectors)), want: 400}},
		{reload, nil, nil, request{name: "a list for a body", method: "PUT", target: "/v4/app/" + theApp + "/reload", body: "[]", want: 400}},
		{reload, nil, nil, request{name: "no JSON", method: "PUT", target: "/v4/app/" + theApp + "/reload", body: "{", want: 400}},
		{reload, nil, nil, request{name: "a form", method: "PUT", target: "/v4/app/" + theApp + "/reload", body: "a=b", header: http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}, want: 415}},
		{reload, nil, startKeys, request{name: "reload without a key", method: "PUT", target: "/v4/app/" + theApp + "/reload", want: 401}},
		{reload, nil, startKeys, request{name: "reload with another scope", method: "PUT", target: "/v4/app/" + theApp + "/reload", header: withKey("reader"), want: 403}},
		{reload, nil, startKeys, request{name: "reload with a key for tagged tasks alone", method: "PUT", target: "/v4/app/" + theApp + "/reload", header: withKey("hr"), want: 403}},
		{reload, nil, startKeys, request{name: "reload with the scope", method: "PUT", target: "/v4/app/" + theApp + "/reload", header: withKey("starter"), want: 201}},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := &stage{dump: aDump, err: row.err}
			c := serveApps(t, s, row.access)
			if body := c.call(row.path, row.request); strings.Contains(string(body), "secret.internal") {
				t.Errorf("the answer tells what the engine said: %s", body)
			}
			if began := len(s.reloads) == 1; began != (row.want == 201) {
				t.Errorf("status %d, and asked to reload: %+v", row.want, s.reloads)
			}
			if reload := strings.HasSuffix(row.target, "/reload"); reload && row.want == 201 && c.logs.FilterLoggerName("audit").Len() != 1 {
				t.Error("the audit log does not know of the reload")
			}
		})
	}
}

func TestReload_readsWhatLoadScriptsSend(t *testing.T) {
	const both = `"startQSEoWTaskOnSuccess":["` + hrTask + `","` + salesTask + `"],"startQSEoWTaskOnFailure":"` + salesTask + `"`
	everybody := starttask.Caller{Principal: apikey.Principal{Scopes: []apikey.Scope{apikey.Start, apikey.KV}}, Way: starttask.ByReload, From: "127.0.0.1"}
	for body, want := range map[string]AppReload{
		"":                                      {},
		"{}":                                    {},
		`{"reloadMode":2,"partialReload":true}`: {Mode: 2, Partial: true},
		`{"reloadMode":"1","partialReload":"true"}`:                   {Mode: 1, Partial: true},
		`{"reloadMode":3,"partialReload":"false"}`:                    {},
		`{"reloadMode":1.5,"partialReload":"yes"}`:                    {},
		`{"reloadMode":{},"partialReload":[]}`:                        {},
		`{"reloadMode":null,"startQSEoWTaskOnSuccess":null}`:          {},
		`{` + both + `,"more":1}`:                                     {OnSuccess: []string{hrTask, salesTask}, OnFailure: []string{salesTask}},
		`{"startQSEoWTaskOnSuccess":[],"startQSEoWTaskOnFailure":[]}`: {OnSuccess: []string{}, OnFailure: []string{}},
	} {
		s := &stage{}
		serveApps(t, s, nil).call("", request{name: body, method: "PUT", target: "/v4/app/a%2Fb/reload", body: body, want: 201, answer: `{"appId":"a/b"}`})
		want.AppID, want.Caller = "a/b", everybody
		if diff := cmp.Diff([]AppReload{want}, s.reloads); diff != "" {
			t.Errorf("%s: reload (-want +got):\n%s", body, diff)
		}
	}
}

func TestReload_isOnBehalfOfItsCaller(t *testing.T) {
	s := &stage{}
	serveApps(t, s, startKeys).call("", request{name: "reload", method: "PUT", target: "/v4/app/" + theApp + "/reload", header: withKey("starter"), want: 201})
	if len(s.reloads) != 1 || s.reloads[0].Caller.Name != "etl" || s.reloads[0].Caller.Way != starttask.ByReload {
		t.Errorf("want a reload on behalf of etl, got %+v", s.reloads)
	}
}

func TestReload_refusesABodyThatIsTooLarge(t *testing.T) {
	s := &stage{}
	c := serveApps(t, s, nil)
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", strings.TrimPrefix(c.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "PUT /v4/app/%s/reload HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n", theApp, web.MaxBody+1)
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusRequestEntityTooLarge || len(s.reloads) > 0 {
		t.Errorf("want status 413 and no reload, got %d and %v", answer.StatusCode, s.reloads)
	}
}

func TestDump_isSentWholeAndClosed(t *testing.T) {
	s := &stage{closed: make(chan struct{}, 2), dump: `{"loadScript":"` + strings.Repeat("x", 5<<20) + `"}`}
	c := serveApps(t, s, nil)
	got := c.call("", request{name: "dump", method: "GET", target: "/v4/app/" + theApp + "/dump", want: 200})
	if string(got) != s.dump {
		t.Errorf("want %d bytes, got %d", len(s.dump), len(got))
	}
	c.call("", request{name: "head", method: "HEAD", target: "/v4/app/" + theApp + "/dump", want: 200})
	for range 2 {
		select {
		case <-s.closed:
		case <-time.After(time.Minute):
			t.Fatal("want both documents closed")
		}
	}
}

// patient is a connection that notes until when it may write.
type patient struct {
	net.Conn
	deadlines []time.Time
	err       error
}

func (p *patient) SetWriteDeadline(at time.Time) error {
	p.deadlines = append(p.deadlines, at)
	return p.err
}

func TestPaced_givesEveryPieceTimeButNotForEver(t *testing.T) {
	conn, now := &patient{}, time.Now()
	p := &paced{ReadCloser: io.NopCloser(strings.NewReader("data")), conn: conn, until: now.Add(time.Hour)}
	if n, err := p.Read(make([]byte, 2)); n != 2 || err != nil {
		t.Fatalf("want two bytes, got %d, %v", n, err)
	}
	if left := conn.deadlines[0].Sub(now); left < web.RequestTimeout || left > 2*web.RequestTimeout {
		t.Errorf("want the time of a request for a piece, got %s", left)
	}
	p.until = now
	if _, err := p.Read(make([]byte, 2)); err != nil || !conn.deadlines[1].Equal(now) {
		t.Errorf("want no more time than there is for all, got %v, %v", conn.deadlines[1], err)
	}
	conn.err = net.ErrClosed
	if _, err := p.Read(make([]byte, 2)); !errors.Is(err, net.ErrClosed) {
		t.Errorf("want nothing read for a connection that is gone, got %v", err)
	}
}
