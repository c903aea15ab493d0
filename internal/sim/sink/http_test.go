package sink_test

import (
	"crypto/tls"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"butler/internal/sim/cert"
	"butler/internal/sim/edge"
	"butler/internal/sim/sink"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const marker = "e9f8a7b6-c5d4-3210-fedc-ba0987654321"

type part interface {
	Start() error
	Stop()
}

// run starts a sink for the length of a test.
func run[T part](t *testing.T, s T) T {
	t.Helper()
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	return s
}

// serverTLS returns the configuration of a server and of a client that trusts it.
func serverTLS(t *testing.T) (server, client *tls.Config) {
	t.Helper()
	authority, err := cert.NewAuthority("test")
	if err != nil {
		t.Fatal(err)
	}
	server, err = authority.ServerTLS()
	if err != nil {
		t.Fatal(err)
	}
	return server, &tls.Config{RootCAs: authority.Pool(), ServerName: "localhost"}
}

// send makes one request on a connection of its own.
func send(t *testing.T, config *tls.Config, method, url, body string, header ...string) (status int, text string, err error) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	response, err := (&http.Transport{DisableKeepAlives: true, TLSClientConfig: config}).RoundTrip(request)
	if err != nil {
		return 0, "", err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	return response.StatusCode, string(answer), err
}

func TestHTTP_recordsWhatArrives(t *testing.T) {
	s := run(t, sink.NewHTTP(sink.HTTPOptions{}))
	status, body, err := send(t, nil, http.MethodPut, s.URL()+"/hook/a%20b?q=1&q=2", `{"executionId":"`+marker+`"}`, "X-Test", "yes")
	if err != nil || status != http.StatusOK || body != "ok" {
		t.Fatalf("answer %d %q, %v", status, body, err)
	}
	got, err := s.History().Await(t.Context(), func(r sink.HTTPRequest) bool { return r.Mentions(marker) })
	if err != nil {
		t.Fatal(err)
	}
	if got.Method != http.MethodPut || got.Path != "/hook/a b" || got.Header.Get("X-Test") != "yes" || !got.Delivered() {
		t.Errorf("recorded %+v", got)
	}
	if diff := cmp.Diff([]string{"1", "2"}, got.Query["q"]); diff != "" {
		t.Errorf("query (-want +got):\n%s", diff)
	}
}

func TestHTTP_findsMarkersInTheQuery(t *testing.T) {
	s := run(t, sink.NewHTTP(sink.HTTPOptions{Status: http.StatusAccepted, Body: "queued"}))
	status, body, err := send(t, nil, http.MethodGet, s.URL()+"/?executionId="+marker, "")
	if err != nil || status != http.StatusAccepted || body != "queued" {
		t.Fatalf("answer %d %q, %v", status, body, err)
	}
	if _, err := s.History().Await(t.Context(), func(r sink.HTTPRequest) bool { return r.Mentions(marker) }); err != nil {
		t.Error(err)
	}
}

func TestHTTP_recordsWhatItRefuses(t *testing.T) {
	s := run(t, sink.NewHTTP(sink.HTTPOptions{}))
	s.Faults().Set(edge.Rule{Kind: edge.Status, Status: http.StatusTooManyRequests, Times: 1})
	s.Faults().Set(edge.Rule{Name: "second", Kind: edge.ResetAfter, Times: 1})
	for n := range 3 {
		_, _, _ = send(t, nil, http.MethodPost, s.URL()+"/", marker)
		// A request is recorded after its answer, so the next one may overtake it.
		if err := s.History().AwaitTotal(t.Context(), n+1); err != nil {
			t.Fatal(err)
		}
	}
	var got []bool
	for _, r := range s.History().All() {
		got = append(got, r.Delivered())
	}
	if diff := cmp.Diff([]bool{false, false, true}, got); diff != "" {
		t.Errorf("delivered (-want +got):\n%s", diff)
	}
}

func TestHTTP_overTLS(t *testing.T) {
	server, client := serverTLS(t)
	s := run(t, sink.NewHTTP(sink.HTTPOptions{TLS: server}))
	if status, _, err := send(t, client, http.MethodPost, s.URL()+"/", "x"); err != nil || status != http.StatusOK {
		t.Errorf("answer %d, %v", status, err)
	}
	if _, _, err := send(t, nil, http.MethodPost, s.URL()+"/", "x"); err == nil {
		t.Error("a client that does not know the authority trusts the server")
	}
}
