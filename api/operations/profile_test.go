package operations

import (
	"compress/gzip"
	"io"
	"net"
	"net/http"
	"runtime/pprof"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/valyala/fasthttp"
	"go.uber.org/zap"

	"butler/api/web"
)

func TestProfile_isAFileForTheTool(t *testing.T) {
	b := newBench(t)
	resp, body := b.do("GET", "/admin/profile/heap", "")
	if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != "application/octet-stream" ||
		resp.Header.Get("Content-Disposition") != `attachment; filename="butler-heap.pprof"` {
		t.Fatalf("want a file to save, got %d %v", resp.StatusCode, resp.Header)
	}
	unpack(t, body)
}

func TestProfile_showsEveryGoroutineAsText(t *testing.T) {
	b := newBench(t)
	resp, body := b.do("GET", "/admin/profile/goroutine", "")
	if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Disposition") != `attachment; filename="butler-goroutines.txt"` ||
		resp.Header.Get("X-Content-Type-Options") != "nosniff" {
		t.Fatalf("want a file to save, got %d %v", resp.StatusCode, resp.Header)
	}
	for _, want := range []string{"[running]:\n", "profileGoroutines", t.Name()} {
		if !strings.Contains(body, want) {
			t.Errorf("want %q in the stacks, got\n%s", want, body)
		}
	}
}

func TestProfile_ofTheCPUTakesTheTimeThatIsWanted(t *testing.T) {
	for query, want := range map[string]time.Duration{"": 10 * time.Second, "seconds=1": time.Second, "seconds=25": web.RequestTimeout - 5*time.Second} {
		var ctx fasthttp.RequestCtx
		ctx.Request.SetRequestURI("/admin/profile/cpu?" + query)
		if got, ok := profileTime(&ctx); !ok || got != want {
			t.Errorf("%q: want %v, got %v, %v", query, want, got, ok)
		}
	}
}

func TestProfile_pausesForItsTimeOrUntilTheServerStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stopped, begun := make(chan struct{}), time.Now()
		s := &operations{stopped: stopped}
		s.pause(3 * time.Second)
		if got := time.Since(begun); got != 3*time.Second {
			t.Errorf("want 3 s, got %v", got)
		}
		close(stopped)
		s.pause(3 * time.Second)
		if got := time.Since(begun); got != 3*time.Second {
			t.Errorf("want no pause after the stop, got %v", got)
		}
	})
}

func TestProfile_ofTheCPUIsOneAtATime(t *testing.T) {
	b := newBench(t)
	if err := pprof.StartCPUProfile(io.Discard); err != nil {
		t.Skip("the tests themselves are being profiled:", err)
	}
	defer pprof.StopCPUProfile()
	if got := b.code(b.do("GET", "/admin/profile/cpu?seconds=1", "")); got != errProfiling.Code {
		t.Errorf("want code %d, got %d", errProfiling.Code, got)
	}
}

func TestProfile_ofTheCPUIsWholeWhenTheServerStops(t *testing.T) {
	server := quietServer(t)
	if err := server.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	answer := profileOnce(server, "?seconds=25")
	if answer.StatusCode() != http.StatusOK {
		t.Fatalf("want a profile, got %d %s", answer.StatusCode(), answer.Body())
	}
	unpack(t, string(answer.Body()))
}

func TestProfile_isForProgramsOnThisMachine(t *testing.T) {
	b := newBench(t)
	for _, path := range []string{"/admin/profile/cpu?seconds=1", "/admin/profile/heap", "/admin/profile/goroutine"} {
		if got := b.code(b.do("GET", path, "", AdminHeader+": ")); got != errForbidden.Code {
			t.Errorf("%s: want code %d, got %d", path, errForbidden.Code, got)
		}
	}
}

// quietServer returns a server that nobody connects to.
func quietServer(t *testing.T) *web.Server {
	t.Helper()
	server, err := Listen(Options{Address: "127.0.0.1:0", Log: zap.NewNop(), Admin: &admin{}, Metrics: http.NotFoundHandler()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Shutdown(t.Context()) })
	return server
}

// profileOnce makes a call for a CPU profile that needs no connection.
func profileOnce(server *web.Server, query string) *fasthttp.Response {
	var req fasthttp.Request
	req.SetRequestURI("http://127.0.0.1:9997/admin/profile/cpu" + query)
	req.Header.Set(AdminHeader, "1")
	var ctx fasthttp.RequestCtx
	ctx.Init(&req, &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 40000}, nil)
	server.Handle(&ctx)
	return &ctx.Response
}

// unpack fails the test unless a profile is one that the tool can read as a whole.
func unpack(t *testing.T, profile string) {
	t.Helper()
	packed, err := gzip.NewReader(strings.NewReader(profile))
	if err != nil {
		t.Fatalf("want a profile, got %.40q: %v", profile, err)
	}
	if content, err := io.ReadAll(packed); err != nil || len(content) == 0 {
		t.Errorf("want a whole profile, got %d bytes and %v", len(content), err)
	}
}
