package qrssim_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"butler/internal/sim/qrssim"
	"butler/internal/sim/world"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const key = "AbCdEfGh12345678"

var noon = time.Date(2026, 5, 6, 12, 0, 0, 0, time.UTC)

// clock is a time that a test moves while the server reads it.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) advance(by time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(by)
}

// rig is a running server and a plain HTTP client.
type rig struct {
	*testing.T
	world  *world.World
	server *qrssim.Server
	clock  *clock
	client *http.Client
}

func start(t *testing.T, o qrssim.Options) *rig {
	t.Helper()
	c := &clock{at: noon}
	if o.World == nil {
		o.World = world.New(world.Options{Seed: 1, Now: c.now})
	}
	o.PlainHTTP = true
	server, err := qrssim.New(o)
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		server.Stop()
	})
	return &rig{T: t, world: o.World, server: server, clock: c, client: &http.Client{Transport: transport}}
}

// request makes a well-formed request; path may carry a query.
func (r *rig) request(method, path string, body io.Reader) *http.Request {
	r.Helper()
	separator := "?"
	if strings.Contains(path, "?") {
		separator = "&"
	}
	request, err := http.NewRequestWithContext(r.Context(), method, r.server.URL()+path+separator+"xrfkey="+key, body)
	if err != nil {
		r.Fatal(err)
	}
	request.Header.Set("X-Qlik-Xrfkey", key)
	request.Header.Set("X-Qlik-User", "UserDirectory=Internal; UserId=sa_repository")
	return request
}

func (r *rig) do(request *http.Request) (status int, body string) {
	r.Helper()
	response, err := r.client.Do(request)
	if err != nil {
		r.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		r.Fatal(err)
	}
	return response.StatusCode, string(text)
}

func (r *rig) get(path string) (status int, body string) {
	r.Helper()
	return r.do(r.request(http.MethodGet, path, nil))
}

func decode[T any](r *rig, path string) T {
	r.Helper()
	status, body := r.get(path)
	var out T
	if err := json.Unmarshal([]byte(body), &out); status != http.StatusOK || err != nil {
		r.Fatalf("GET %s: status %d, %v, body %.200s", path, status, err, body)
	}
	return out
}

func (r *rig) tasks(filter string) []world.Task {
	r.Helper()
	return decode[[]world.Task](r, "/qrs/task/full?filter="+url.QueryEscape(filter))
}

// until yields until a condition holds or the test times out.
func (r *rig) until(holds func() bool) {
	for !holds() {
		runtime.Gosched()
	}
}
