package app_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"butler/internal/demo"
	"butler/internal/porttest"
	"butler/internal/sim"
)

// programDir is the directory with the program under test, "" before it is built.
var programDir string

func TestMain(m *testing.M) {
	code := m.Run()
	if programDir != "" {
		_ = os.RemoveAll(programDir)
	}
	os.Exit(code)
}

// program builds the program once, as users get it, and returns its path.
var program = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "butler-")
	if err != nil {
		return "", err
	}
	programDir = dir
	path := filepath.Join(dir, programName)
	out, err := exec.Command("go", "build", "-o", path, "butler/cmd/butler").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build the program: %w\n%s", err, out)
	}
	return path, nil
})

// life is one process of the service, from its start to its end.
type life struct {
	began time.Time
	// ready is when it was seen to accept events; zero when it was not checked or never did.
	ready time.Time
	// ending is when it was told to end or killed; ended is when it had ended.
	ending, ended time.Time
	killed        bool
}

// service is the real program with a simulated site, started and killed at will.
type service struct {
	t      *testing.T
	sim    *sim.Sim
	dir    string
	binary string
	config string
	udp    string
	ops    string
	log    *os.File
	lives  []life

	// journal is the directory of its journal; env is added to its environment, flags
	// to its command line.
	journal    string
	env, flags []string
	// launch starts a process; nil starts it as it is. keptSocket says that it keeps the
	// UDP socket open between two processes.
	launch     func(*exec.Cmd) error
	keptSocket bool
	// freezes are the spans in which the process was stopped and then continued.
	freezes []span
	// stalled returns the spans in which the machine stood still, for an oracle.
	stalled func() []span
	// pid is the running process, for onlookers.
	pid atomic.Int64

	process *exec.Cmd
	exited  chan error
	// told reports whether the end of its log was shown.
	told bool
	// failures are the errors of the test so far.
	failures []string
}

// newService writes a configuration for a started simulation. Both ports are fixed, so
// that every process of the service has the same addresses.
func newService(t *testing.T, s *sim.Sim, o demo.Settings) *service {
	t.Helper()
	path, err := program()
	must(t, err)
	v := &service{t: t, sim: s, dir: t.TempDir(), binary: path}
	o.Directory, v.journal = v.dir, filepath.Join(v.dir, "journal")
	o.UDPPort, o.OperationsPort = porttest.Of(t, "udp"), porttest.Of(t, "tcp")
	v.udp = net.JoinHostPort("127.0.0.1", strconv.Itoa(o.UDPPort))
	v.ops = net.JoinHostPort("127.0.0.1", strconv.Itoa(o.OperationsPort))
	v.config, err = demo.WriteConfig(s, o)
	must(t, err)
	v.log, err = os.Create(filepath.Join(t.ArtifactDir(), "service.log"))
	must(t, err)
	t.Cleanup(func() {
		v.kill()
		_ = v.log.Close()
		if t.Failed() {
			v.tell()
			for _, p := range v.failures {
				t.Log("failed: ", p)
			}
		}
	})
	return v
}

// start runs the program.
func (v *service) start() {
	v.t.Helper()
	cmd := exec.Command(v.binary, append([]string{"run", "-c", v.config}, v.flags...)...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = v.dir, v.log, v.log
	cmd.Env = slices.DeleteFunc(os.Environ(), func(s string) bool { return strings.HasPrefix(s, "BUTLER_") })
	cmd.Env = append(cmd.Env, v.env...)
	apart(cmd)
	if v.launch == nil {
		v.launch = (*exec.Cmd).Start
	}
	must(v.t, v.launch(cmd))
	v.pid.Store(int64(cmd.Process.Pid))
	exited := make(chan error, 1)
	go func() { exited <- cmd.Wait() }()
	v.process, v.exited = cmd, exited
	v.lives = append(v.lives, life{began: time.Now()})
}

func (v *service) now() *life { return &v.lives[len(v.lives)-1] }

// ready waits until the process accepts events.
func (v *service) ready() {
	v.t.Helper()
	v.until("the service is ready", func() bool {
		status, _, err := v.get("/readyz")
		return err == nil && status == http.StatusOK
	})
	if v.now().ready.IsZero() {
		v.now().ready = time.Now()
	}
}

// kill ends the process like a power cut, and waits for its end.
func (v *service) kill() {
	v.t.Helper()
	if v.process == nil {
		return
	}
	v.now().ending, v.now().killed = time.Now(), true
	_ = v.process.Process.Kill()
	v.gone(<-v.exited)
}

// terminate asks the process to end and returns its exit code.
func (v *service) terminate(within time.Duration) int {
	v.t.Helper()
	v.now().ending = time.Now()
	must(v.t, askToEnd(v.process.Process))
	select {
	case err := <-v.exited:
		return v.gone(err)
	case <-time.After(within):
		v.errorf("want the service to end within %s of SIGTERM", within)
		v.kill()
		return -1
	}
}

// gone records the end of a process and returns its exit code. A killed process that had
// already ended by itself is a failure.
func (v *service) gone(err error) int {
	v.t.Helper()
	v.now().ended = time.Now()
	v.process = nil
	exit, failed := errors.AsType[*exec.ExitError](err)
	if v.now().killed && (!failed || !wasKilled(exit)) {
		v.errorf("want the service alive until it was killed, it ended by itself: %v", err)
	}
	if !failed {
		return 0
	}
	return exit.ExitCode()
}

// until waits for a condition, and fails when the process ends meanwhile.
func (v *service) until(what string, done func() bool) {
	v.t.Helper()
	deadline := time.NewTimer(drainTime)
	defer deadline.Stop()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-deadline.C:
			v.tell()
			v.t.Fatalf("want %s within %s; metrics:\n%s", what, drainTime, v.metrics())
		case err := <-v.exited:
			v.gone(err)
			v.tell()
			v.t.Fatalf("want %s, but the service ended: %v", what, err)
		case <-tick.C:
		}
	}
}

// get makes a request to the operations server.
func (v *service) get(path string) (status int, body string, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+v.ops+path, nil)
	if err != nil {
		return 0, "", err
	}
	resp, err := client.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(text), err
}

// readings are metrics by name, summed over their labels, and by name with labels.
type readings map[string]float64

// String returns the metrics that are not zero, without the labels of destinations and actors.
func (r readings) String() string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(r)) {
		if r[name] != 0 && (!strings.Contains(name, "{") || strings.Contains(name, "_udp_")) {
			out = append(out, fmt.Sprintf("%s %g", name, r[name]))
		}
	}
	return strings.Join(out, "\n")
}

// liveHeap returns the heap in use at the last garbage collection, in bytes, computed
// from the size at which the next one starts. It is 0 without metrics.
func (r readings) liveHeap() int64 {
	return int64(r["go_memstats_next_gc_bytes"] / (1 + r["go_gc_gogc_percent"]/100))
}

// metrics reads the metrics page; nil when there is none.
func (v *service) metrics() readings {
	status, page, err := v.get("/metrics")
	if err != nil || status != http.StatusOK {
		return nil
	}
	out := readings{}
	lines := bufio.NewScanner(strings.NewReader(page))
	for lines.Scan() {
		series, text, ok := strings.Cut(lines.Text(), " ")
		value, err := strconv.ParseFloat(text, 64)
		if !ok || err != nil || !strings.HasPrefix(series, "butler_") && !strings.HasPrefix(series, "go_gc_gogc") && series != "go_memstats_next_gc_bytes" || strings.Contains(series, "_bucket{") {
			continue
		}
		name, labels, _ := strings.Cut(series, "{")
		out[name] += value
		if labels != "" {
			out[series] += value
		}
	}
	return out
}

// quietTime is how long nothing must be waiting before the service counts as idle: an
// event that was just read counts as waiting only when it is on disk.
const quietTime = 300 * time.Millisecond

// idle waits until no event waits for its decision, no notice for its delivery, and no
// distribute task for its end.
func (v *service) idle() {
	v.t.Helper()
	busy := time.Now()
	v.until("everything that was accepted has come to its end", func() bool {
		m := v.metrics()
		if m == nil || m["butler_journal_unprocessed_records"]+m["butler_notification_queue_length"]+m["butler_distribute_tasks_pending"] > 0 {
			busy = time.Now()
		}
		return time.Since(busy) > quietTime
	})
}

// errorf fails the test, and repeats the message at its very end: a run of minutes logs
// much in between, and output is cut.
func (v *service) errorf(format string, args ...any) {
	v.t.Helper()
	what := fmt.Sprintf(format, args...)
	v.failures = append(v.failures, what)
	v.t.Error(what)
}

// tell shows the end of the service's log, once. Call it before a fatal failure, so that
// the failure comes last and is not lost where output is cut.
func (v *service) tell() {
	v.t.Helper()
	if !v.told {
		v.told = true
		v.t.Logf("the end of the service's log:\n%s", v.tail(40))
	}
}

// tail returns the last lines of the service's log.
func (v *service) tail(lines int) string {
	text, err := os.ReadFile(v.log.Name())
	if err != nil {
		return err.Error()
	}
	all := bytes.Split(bytes.TrimSpace(text), []byte{'\n'})
	return string(bytes.Join(all[max(0, len(all)-lines):], []byte{'\n'}))
}

// wantsNoBug fails if the last process has had a bug, given up an event, or found damage
// on disk.
func (v *service) wantsNoBug() {
	v.t.Helper()
	m := v.metrics()
	if m == nil {
		v.t.Fatal("want metrics, got none")
	}
	for _, name := range []string{
		"butler_actor_bugs_total", "butler_executions_given_up_total", "butler_journal_corrupt_records_total",
	} {
		if value, ok := m[name]; !ok || value != 0 {
			v.errorf("want %s = 0, got %v (%v)", name, value, ok)
		}
	}
}
