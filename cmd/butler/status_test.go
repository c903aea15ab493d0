package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"butler/api/operations"
)

// operationsServer is an operations server that answers with what it holds by path.
func operationsServer(t *testing.T, answers map[string]string) (address string) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get(operations.AdminHeader) == "" {
			t.Errorf("want the header of the commands at %s", r.URL.Path)
		}
		_, _ = io.WriteString(w, answers[r.URL.Path])
	}))
	t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}

func statusOf(t *testing.T, health, destinations, refused string, args ...string) string {
	t.Helper()
	cmd := newStatus()
	var out strings.Builder
	cmd.SetOut(&out)
	cmd.SetArgs(append([]string{"--address", operationsServer(t, map[string]string{
		"/health": health, "/admin/feed": `{"since":"2026-11-21T09:00:00Z","nodes":[]}`, "/admin/destinations": destinations, "/admin/quarantine": refused,
	})}, args...))
	if err := cmd.Execute(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestStatus_showsWhatIsNotWellAndWhatWaits(t *testing.T) {
	at := func(text string) string {
		parsed, err := time.Parse(time.RFC3339, text)
		if err != nil {
			t.Fatal(err)
		}
		return moment(parsed)
	}
	got := statusOf(t,
		`{"state":"degraded","components":[{"name":"ingest","state":"up","since":"2026-11-21T09:00:00Z"},
			{"name":"qrs","state":"degraded","reason":"no\u001b[31m answer","since":"2026-11-21T09:39:11Z"}]}`,
		`[{"destination":"email/reload_task_failed","condition":"ok","key":"emailNotification.reloadTaskFailure","lastSuccess":"2026-11-21T09:38:00Z"},
			{"destination":"slack/reload_task_failed","condition":"breaker_open","key":"slackNotification.reloadTaskFailure","until":"2026-11-21T09:39:42Z","queued":6,"parked":2,"oldest":"2026-11-21T09:39:12Z","lastError":"refused"}]`,
		`[{"reason":"source","source":"10.0.0.9:50000","at":"2026-11-21T09:31:00Z"}]`)
	for _, line := range [][]string{
		{"degraded: 1 of 2 components are up"},
		{"degraded", at("2026-11-21T09:39:11Z"), "qrs"},
		{"no?[31m answer"},
		{"email/reload_task_failed", "ok", "0", "-", "0", at("2026-11-21T09:38:00Z")},
		{"slack/reload_task_failed", "keeps failing, next try " + at("2026-11-21T09:39:42Z"), "6", at("2026-11-21T09:39:12Z"), "2", "-"},
		{"slackNotification.reloadTaskFailure: refused"},
		{"a datagram was refused at " + at("2026-11-21T09:31:00Z") + ", from 10.0.0.9:50000: source; see butler quarantine list"},
	} {
		if !strings.Contains(squeezed(got), strings.Join(line, " ")+"\n") {
			t.Errorf("want the line %q in:\n%s", line, got)
		}
	}
	if strings.Contains(got, "ingest") {
		t.Errorf("a component that is well is shown:\n%s", got)
	}
}

func TestStatus_ofAServiceThatIsWell(t *testing.T) {
	got := statusOf(t, `{"state":"up","components":[{"name":"ingest","state":"up"}]}`, `[]`, `[]`)
	if want := "up: 1 of 1 components are up\nNo event since the start of the service, "; !strings.HasPrefix(got, want) || !strings.HasSuffix(got, "\n\nnobody is notified: no destination is enabled\n") {
		t.Errorf("want %q, got %q", want, got)
	}
	if got := statusOf(t, `{"state":"up","components":[{"name":"ingest","state":"up"}]}`, `[]`, `[]`, "--json"); !strings.Contains(got, `"name": "ingest"`) {
		t.Errorf("want every component in JSON, got %s", got)
	}
}

// What is known is shown, though one question has no answer.
func TestStatus_showsTheRestWhenRefusalsCannotBeListed(t *testing.T) {
	for _, args := range [][]string{nil, {"--json"}} {
		cmd := newStatus()
		var out strings.Builder
		cmd.SetOut(&out)
		cmd.SetErr(io.Discard)
		cmd.SetArgs(append([]string{"--address", operationsServer(t, map[string]string{
			"/health": `{"state":"up","components":[{"name":"ingest","state":"up"}]}`, "/admin/feed": `{}`, "/admin/destinations": `[]`, "/admin/quarantine": `no JSON`,
		})}, args...))
		if err := cmd.Execute(); err == nil || !strings.Contains(out.String(), "up") {
			t.Errorf("%q: want the state and an error, got %v and:\n%s", args, err, out.String())
		}
	}
}

// squeezed leaves one space between the columns of a table.
func squeezed(table string) string {
	var out strings.Builder
	for line := range strings.Lines(table) {
		out.WriteString(strings.Join(strings.Fields(line), " ") + "\n")
	}
	return out.String()
}
