package app_test

import (
	"bufio"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"butler/internal/demo"
)

// watch opens a watch of a namespace and returns how to read the next event: its
// name and its data.
func (s *site) watch(namespace string, headers ...string) func() string {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, "http://"+s.app.RESTAddress()+"/v4/keyvalues/"+namespace+"/watch", nil)
	must(s.t, err)
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	answer, err := client.Do(req)
	must(s.t, err)
	s.t.Cleanup(func() { answer.Body.Close() })
	lines := bufio.NewScanner(answer.Body)
	return func() string {
		s.t.Helper()
		name := ""
		for lines.Scan() {
			if text, ok := strings.CutPrefix(lines.Text(), "event: "); ok {
				name = text
			}
			if text, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
				return name + " " + text
			}
		}
		return fmt.Sprint("no more: ", lines.Err())
	}
}

func TestREST_watchesANamespaceUntilTheServiceStops(t *testing.T) {
	s := startSite(t, demo.Settings{InMemory: true, Off: demo.Destinations, Extra: fmt.Sprintf(restConfig, "")})
	s.wantCall("POST", "/v4/keyvalues/etl", `{"key":"run","value":"1"}`, 201, "")
	next := s.watch("etl")
	if got := next(); !strings.HasPrefix(got, `ready {"namespace":"etl"`) || !strings.Contains(got, `"resumed":false`) {
		t.Errorf("want the watch ready, got %s", got)
	}
	s.wantCall("POST", "/v4/keyvalues/etl", `{"key":"run","value":"2","ttl":200}`, 201, "")
	last := ""
	for _, want := range []string{`put {"namespace":"etl","key":"run","value":"2","ttl":200,"revision":`, `expired {"namespace":"etl","key":"run","revision":`} {
		got := next()
		if !strings.HasPrefix(got, want) {
			t.Errorf("want %s, got %s", want, got)
		}
		_, last, _ = strings.Cut(got, `"revision":`)
		last, _, _ = strings.Cut(last, ",")
	}
	again := s.watch("etl", "Last-Event-ID", last)
	if got := again(); !strings.Contains(got, `"resumed":true`) {
		t.Errorf("want nothing missed, got %s", got)
	}
	s.wantCall("DELETE", "/v4/keyvalues/etl", "", 204, "")
	if got := next(); got != `ended {"reason":"deleted"}` {
		t.Errorf("want the end of the namespace told, got %s", got)
	}
	s.wantCall("POST", "/v4/keyvalues/etl", `{"key":"run","value":"3"}`, 201, "")
	stays := s.watch("etl", "Last-Event-ID", last)
	if got := stays(); !strings.Contains(got, `"resumed":false`) {
		t.Errorf("want to be told that something was missed, got %s", got)
	}
	s.stopApp()
	if got := stays(); got != `ended {"reason":"interrupted"}` {
		t.Errorf("want the end of the service told, got %s", got)
	}
}

func TestREST_changesAValueOnlyInTheExpectedRevision(t *testing.T) {
	s := startSite(t, demo.Settings{InMemory: true, Off: demo.Destinations, Extra: fmt.Sprintf(restConfig, "")})
	const path, body = "/v4/keyvalues/etl", `{"key":"run","value":"v"}`
	s.wantCall("POST", path, body, 201, "", "If-None-Match", "*")
	s.wantCall("POST", path, body, 412, "revision", "If-None-Match", "*")
	tag := s.etag(path + "?key=run")
	s.wantCall("POST", path, body, 201, "", "If-Match", tag)
	s.wantCall("POST", path, body, 412, "revision", "If-Match", tag)
	s.wantCall("DELETE", path+"/run", "", 412, "revision", "If-Match", tag)
	s.wantCall("DELETE", path+"/run", "", 204, "", "If-Match", s.etag(path+"?key=run"))
	s.wantCall("POST", path, body, 412, "revision", "If-Match", tag)
}

func (s *site) etag(target string) string {
	s.t.Helper()
	answer, err := client.Get("http://" + s.app.RESTAddress() + target)
	must(s.t, err)
	defer answer.Body.Close()
	return answer.Header.Get("ETag")
}
