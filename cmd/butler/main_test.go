package main

import (
	"encoding/xml"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"butler/internal/porttest"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"butler": main})
}

// TestScripts runs the real command line. Each script has free ports of its own:
// $OPS for the operations server and $UDP for task events, which count for every
// butler that it starts. The commands it has beyond those of testscript are in
// commands below.
func TestScripts(t *testing.T) {
	repository, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir: filepath.Join("testdata", "script"), RequireExplicitExec: true, RequireUniqueNames: true,
		Setup: func(e *testscript.Env) error {
			var ports [2]string
			for i, network := range []string{"tcp", "udp"} {
				port, release, err := porttest.Reserve(network)
				if err != nil {
					return err
				}
				e.Defer(release)
				ports[i] = strconv.Itoa(port)
			}
			ops, udp := ports[0], ports[1]
			e.Setenv("GORACE", "atexit_sleep_ms=0") // hundreds of short processes
			e.Setenv("REPO", repository)
			e.Setenv("OPS", "127.0.0.1:"+ops)
			e.Setenv("UDP", "127.0.0.1:"+udp)
			e.Setenv("BUTLER_OPERATIONS_HOST", "127.0.0.1")
			e.Setenv("BUTLER_OPERATIONS_PORT", ops)
			e.Setenv("BUTLER_UDPSERVERCONFIG_PORTTASKFAILURE", udp)
			e.Setenv("TASK", "f1e2d3c4-b5a6-7890-1234-567890abcdef")
			e.Setenv("EXECUTION", "dcdbcace-2814-4c62-9d93-40d69f907b90")
			e.Values[sinkKey{}] = new(atomic.Int64)
			e.Values[providersKey{}] = new(providers)
			e.Values[notifyKey{}] = new(*net.UnixConn)
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"get": get, "terminate": terminate, "sink": sink, "wellformed": wellFormed, "occupy": occupy,
			"providers": startProviders, "received": received, "exitcode": exitCode,
			"notifysocket": notifySocket, "notified": notified, "unpack": unpack,
		},
	})
}

// patience bounds the wait for something that the service does on its own.
const patience = time.Minute

// client makes each call over a connection of its own: the service may be another
// one by the next call.
var client = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: patience}

// get asks the operations server until its answer matches: get /path regexp [status].
func get(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 || len(args) > 3 {
		ts.Fatalf("usage: get path regexp [status]")
	}
	status := "200"
	if len(args) == 3 {
		status = args[2]
	}
	want, err := regexp.Compile("(?m)" + args[1])
	ts.Check(err)
	last := ""
	eventually(ts, func() bool {
		resp, err := client.Get("http://" + ts.Getenv("OPS") + args[0])
		if err != nil {
			last = err.Error()
			return false
		}
		defer resp.Body.Close()
		body, _ := io.ReadAll(resp.Body)
		last = resp.Status + "\n" + string(body)
		return strconv.Itoa(resp.StatusCode) == status && want.Match(body)
	}, func() {
		ts.Fatalf("%s does not match %q with status %s; last answer: %s", args[0], args[1], status, near(last, args[1]))
	})
}

// near returns the lines of a long answer that a pattern is about.
func near(answer, pattern string) string {
	name := regexp.MustCompile(`[a-z_]{3,}`).FindString(pattern)
	var lines []string
	for line := range strings.Lines(answer) {
		if len(answer) < 1000 || name != "" && strings.Contains(line, name) {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "")
}

func eventually(ts *testscript.TestScript, done func() bool, fail func()) {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); !done(); <-tick.C {
		if time.Now().After(deadline) {
			fail()
		}
	}
}

// terminate sends SIGTERM to everything in the background.
func terminate(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) > 0 {
		ts.Fatalf("usage: terminate")
	}
	for _, c := range ts.BackgroundCmds() {
		if err := c.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
			ts.Fatalf("terminate %v: %v", c.Args, err)
		}
	}
}

// sinkKey finds the status that the sink of a script answers with.
type sinkKey struct{}

// sink runs an HTTP server at $SINK that answers every call with a status; a
// second use changes the status: sink 503.
func sink(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: sink status")
	}
	code, err := strconv.Atoi(args[0])
	ts.Check(err)
	status := ts.Value(sinkKey{}).(*atomic.Int64)
	if status.Swap(int64(code)) != 0 {
		return
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(int(status.Load()))
	}))
	ts.Defer(server.Close)
	ts.Setenv("SINK", server.URL)
}

// wellFormed checks that a file is well-formed XML.
func wellFormed(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: wellformed file")
	}
	decoder := xml.NewDecoder(strings.NewReader(ts.ReadFile(args[0])))
	for {
		if _, err := decoder.Token(); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			ts.Fatalf("%s: %v", args[0], err)
		}
	}
}

// occupy takes a port until the script ends: occupy tcp|udp host:port.
func occupy(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: occupy tcp|udp host:port")
	}
	var socket io.Closer
	var err error
	if args[0] == "tcp" {
		socket, err = net.Listen("tcp", args[1])
	} else {
		socket, err = net.ListenPacket("udp", args[1])
	}
	ts.Check(err)
	ts.Defer(func() { socket.Close() })
}
