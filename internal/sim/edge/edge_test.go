package edge_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"butler/internal/oserr"
	"butler/internal/sim/edge"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func greet(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	_, _ = io.WriteString(w, "["+strings.Repeat(" ", 4000)+string(body)+"]")
}

type rig struct {
	*edge.HTTP
	seen   *edge.History[edge.Exchange]
	client *http.Client
}

func start(t *testing.T) *rig {
	t.Helper()
	r := &rig{seen: edge.NewHistory[edge.Exchange](100)}
	r.HTTP = edge.NewHTTP(edge.HTTPOptions{Handler: http.HandlerFunc(greet), Observe: r.seen.Add})
	if err := r.Start(); err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		r.Stop()
	})
	r.client = &http.Client{Transport: transport}
	return r
}

func (r *rig) post(ctx context.Context, path string) (*http.Response, string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, r.URL()+path, strings.NewReader("7"))
	if err != nil {
		return nil, "", err
	}
	response, err := r.client.Do(request)
	if err != nil {
		return nil, "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return response, string(body), err
}

// until yields until a condition holds or the test times out.
func until(holds func() bool) {
	for !holds() {
		runtime.Gosched()
	}
}

func TestHTTP_faultsLookLikeTheRealThing(t *testing.T) {
	const whole = 4003
	tests := []struct {
		name       string
		rule       edge.Rule
		reset      bool // the client sees a connection reset
		broken     bool // the client sees an incomplete body
		status     int
		retryAfter string
		bytes      int
	}{
		{name: "reset before", rule: edge.Rule{Kind: edge.ResetBefore}, reset: true},
		{name: "reset after", rule: edge.Rule{Kind: edge.ResetAfter}, reset: true},
		{
			name: "status", rule: edge.Rule{Kind: edge.Status, Status: http.StatusTooManyRequests, RetryAfter: 1500 * time.Millisecond, Body: "later"},
			status: http.StatusTooManyRequests, retryAfter: "2", bytes: len("later"),
		},
		{name: "status by default", rule: edge.Rule{Kind: edge.Status}, status: http.StatusInternalServerError, bytes: len(`{"message":"simulated fault"}`)},
		{name: "truncated", rule: edge.Rule{Kind: edge.Truncate}, broken: true, status: http.StatusOK, bytes: whole / 2},
		{
			name: "slow", rule: edge.Rule{Kind: edge.Slow, Delay: time.Millisecond, Jitter: time.Millisecond},
			status: http.StatusOK, bytes: whole,
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := start(t)
			r.Faults().Set(test.rule)
			response, body, err := r.post(t.Context(), "/x")
			switch {
			case test.reset && !oserr.Is(err, syscall.ECONNRESET):
				t.Errorf("error = %v, want a connection reset", err)
			case !test.reset && (err != nil) != test.broken:
				t.Errorf("error = %v, want one: %v", err, test.broken)
			}
			if response != nil && (response.StatusCode != test.status || response.Header.Get("Retry-After") != test.retryAfter) {
				t.Errorf("answer %s, Retry-After %q", response.Status, response.Header.Get("Retry-After"))
			}
			if len(body) != test.bytes && !test.broken || len(body) > test.bytes {
				t.Errorf("%d bytes of body, want %d", len(body), test.bytes)
			}
			seen, err := r.seen.Await(t.Context(), func(e edge.Exchange) bool { return e.Path == "/x" })
			if err != nil || seen.Status != test.status || string(seen.Body) != "7" || seen.Fault != test.rule.Kind {
				t.Errorf("recorded %+v, %v", seen, err)
			}
		})
	}
}

func TestHTTP_resetAfterHasHandledTheRequest(t *testing.T) {
	handled := make(chan struct{}, 1)
	h := edge.NewHTTP(edge.HTTPOptions{Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) { handled <- struct{}{} })})
	if err := h.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.Stop)
	h.Faults().Set(edge.Rule{Kind: edge.ResetAfter})
	r := &rig{HTTP: h, client: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}}
	if _, _, err := r.post(t.Context(), "/"); err == nil {
		t.Error("the client got an answer")
	}
	<-handled
}

func TestHTTP_stopEndsWhatHangs(t *testing.T) {
	r := start(t)
	r.Faults().Set(edge.Rule{Kind: edge.Hang})
	failed := make(chan error)
	go func() {
		_, _, err := r.post(t.Context(), "/")
		failed <- err
	}()
	until(func() bool { return r.Load().InFlight > 0 })
	r.Stop()
	if err := <-failed; err == nil {
		t.Error("a hanging request was answered")
	}
	if err := r.Start(); !errors.Is(err, edge.ErrStopped) {
		t.Errorf("start after stop: %v", err)
	}
	if err := r.Refuse(false); !errors.Is(err, edge.ErrStopped) {
		t.Errorf("refuse after stop: %v", err)
	}
}

func TestHTTP_refusesAndComesBackAtTheSameAddress(t *testing.T) {
	r := start(t)
	address := r.Addr()
	for range 3 {
		if _, _, err := r.post(t.Context(), "/"); err != nil {
			t.Fatal(err)
		}
		if err := r.Refuse(true); err != nil {
			t.Fatal(err)
		}
		if _, err := net.Dial("tcp", address); !oserr.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("dial: %v, want refused", err)
		}
		if err := r.Refuse(false); err != nil {
			t.Fatal(err)
		}
	}
	if r.Addr() != address {
		t.Errorf("address moved from %s to %s", address, r.Addr())
	}
}

func TestHTTP_measuresItsLoad(t *testing.T) {
	r := start(t)
	r.Faults().Set(edge.Rule{Kind: edge.Hang, Times: 3})
	ctx, cancel := context.WithCancel(t.Context())
	var clients sync.WaitGroup
	for range 3 {
		clients.Go(func() { _, _, _ = r.post(ctx, "/hang") })
	}
	until(func() bool { return r.Load().InFlight == 3 })
	cancel()
	clients.Wait()
	if err := r.seen.AwaitTotal(t.Context(), 3); err != nil {
		t.Fatal(err)
	}
	if load := r.Load(); load.MaxInFlight != 3 || load.Requests != 3 || load.Connections != 3 {
		t.Errorf("load %+v", load)
	}
}

func TestHTTP_survivesGarbage(t *testing.T) {
	r := start(t)
	for _, text := range []string{"\x16\x03\x01\x02\x00", "GET\r\n\r\n", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\nx"} {
		conn, err := net.Dial("tcp", r.Addr())
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(conn, text)
		_ = conn.(*net.TCPConn).CloseWrite()
		_, _ = io.Copy(io.Discard, bufio.NewReader(conn))
		conn.Close()
	}
	if _, _, err := r.post(t.Context(), "/"); err != nil {
		t.Errorf("after the garbage: %v", err)
	}
}

func TestFaults_chooseByMethodPathCountAndPercentage(t *testing.T) {
	type request struct{ method, path string }
	tests := []struct {
		name string
		rule edge.Rule
		want map[request]bool
	}{
		{"anything", edge.Rule{}, map[request]bool{{"GET", "/"}: true, {"PUT", ""}: true}},
		{"method", edge.Rule{Method: "post"}, map[request]bool{{"POST", "/"}: true, {"GET", "/"}: false}},
		{"prefix", edge.Rule{PathPrefix: "/QRS/task"}, map[request]bool{
			{"GET", "/qrs/TASK/full"}: true, {"GET", "/qrs/app"}: false, {"GET", "/q"}: false,
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			test.rule.Kind = edge.Hang
			faults := edge.NewFaults(1)
			faults.Set(test.rule)
			for request, want := range test.want {
				if got := faults.Judge(request.method, request.path).Fault.Kind == edge.Hang; got != want {
					t.Errorf("%+v: hit %v, want %v", request, got, want)
				}
			}
		})
	}
}

func TestFaults_addDelaysAndStopAtTheFirstFault(t *testing.T) {
	faults := edge.NewFaults(1)
	faults.Set(edge.Rule{Name: "a", Delay: time.Second})
	faults.Set(edge.Rule{Name: "b", Kind: edge.Status, Delay: time.Minute, Times: 1})
	faults.Set(edge.Rule{Name: "c", Kind: edge.Hang, Delay: time.Hour})
	var got []edge.Verdict
	for range 2 {
		v := faults.Judge("GET", "/")
		got = append(got, edge.Verdict{Delay: v.Delay, Fault: edge.Rule{Name: v.Fault.Name}})
	}
	want := []edge.Verdict{
		{Delay: time.Minute + time.Second, Fault: edge.Rule{Name: "b"}},
		{Delay: time.Hour + time.Second, Fault: edge.Rule{Name: "c"}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("verdicts (-want +got):\n%s", diff)
	}
	faults.Remove("c")
	if v := faults.Judge("GET", "/"); v.Fault.Kind != edge.Slow || faults.Hits("a") != 3 || faults.Hits("b") != 1 {
		t.Errorf("verdict %+v, hits %d and %d", v, faults.Hits("a"), faults.Hits("b"))
	}
}

func TestFaults_percentageIsDrawnFromTheSeed(t *testing.T) {
	draw := func(seed uint64) (out []bool) {
		faults := edge.NewFaults(seed)
		faults.Set(edge.Rule{Kind: edge.ResetBefore, Percent: 30})
		for range 1000 {
			out = append(out, faults.Judge("GET", "/").Fault.Kind == edge.ResetBefore)
		}
		return out
	}
	if !cmp.Equal(draw(1), draw(1)) || cmp.Equal(draw(1), draw(2)) {
		t.Error("the draw does not follow the seed")
	}
	hits := 0
	for _, hit := range draw(3) {
		if hit {
			hits++
		}
	}
	if hits < 250 || hits > 350 {
		t.Errorf("%d of 1000 are hit, want about 300", hits)
	}
}

func TestHistory_keepsTheNewest(t *testing.T) {
	h := edge.NewHistory[int](3)
	for i := range 5 {
		h.Add(i)
	}
	if diff := cmp.Diff([]int{2, 3, 4}, h.All()); diff != "" || h.Total() != 5 {
		t.Errorf("total %d, entries (-want +got):\n%s", h.Total(), diff)
	}
	h.Clear()
	h.Add(9)
	if diff := cmp.Diff([]int{9}, h.All()); diff != "" || h.Total() != 1 {
		t.Errorf("after Clear: total %d, entries (-want +got):\n%s", h.Total(), diff)
	}
}

func TestHistory_awaitsWhatComes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := edge.NewHistory[int](10)
		go func() {
			for i := range 10 {
				time.Sleep(time.Second)
				h.Add(i)
			}
		}()
		got, err := h.Await(t.Context(), func(i int) bool { return i > 3 })
		if got != 4 || err != nil {
			t.Errorf("got %d, %v", got, err)
		}
		if err := h.AwaitTotal(t.Context(), 10); err != nil || h.Total() != 10 {
			t.Errorf("total %d, %v", h.Total(), err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := h.Await(ctx, func(int) bool { return false }); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error = %v", err)
		}
	})
}
