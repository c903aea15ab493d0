package target

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// Target is a running program.
type Target struct {
	spec    Spec
	site    Site
	config  string
	process *exec.Cmd
	ended   chan error
	pid     int
	client  *http.Client
	log     io.Writer
	ends    Ends
	// stopTime is how long a process may take to end after its signal.
	stopTime time.Duration
}

// Options say how a target is run.
type Options struct {
	Spec Spec
	Site Site
	// Extra is the configuration of the scenario.
	Extra string
	// PID is the process of a target that is started externally; 0 means the process
	// that has its UDP port open.
	PID int
	// Log receives lines: how the target ended, if badly, and instructions for a target
	// that is started externally.
	Log io.Writer
}

// Usage is what a process has used.
type Usage struct {
	// CPU is user and system time.
	CPU time.Duration
	// RSS and Peak are resident memory in bytes, now and at most.
	RSS, Peak int64
}

// startTime bounds how long a target may take to be ready, and patience how long one that
// is started externally may.
const (
	startTime = 2 * time.Minute
	patience  = 10 * time.Minute
	stopTime  = 20 * time.Second
	// lookEvery is the interval at which a target is checked for readiness.
	lookEvery = 2 * time.Millisecond
)

// Start writes the configuration, starts the program if it has a command, and
// waits until it is ready. It returns how long that took.
func Start(ctx context.Context, o Options) (*Target, time.Duration, error) {
	text, err := o.Spec.Configuration(o.Site, o.Extra)
	if err != nil {
		return nil, 0, err
	}
	t := &Target{
		spec: o.Spec, site: o.Site, config: filepath.Join(o.Site.Dir, "butler.yaml"), pid: o.PID, log: o.Log, stopTime: stopTime,
		// The metrics page is read often: compressing it would only burden the target.
		client: &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableCompression: true}},
	}
	if err := os.WriteFile(t.config, text, 0o600); err != nil {
		return nil, 0, fmt.Errorf("write the configuration of the target: %w", err)
	}
	if o.Spec.Command == "" {
		took, err := t.attach(ctx)
		return t, took, err
	}
	took, err := t.Launch(ctx)
	return t, took, err
}

// Launch starts the program, which must not be running, and waits until it is ready.
func (t *Target) Launch(ctx context.Context) (time.Duration, error) {
	words := strings.Fields(t.spec.Command)
	for i, word := range words {
		words[i] = t.site.place(word, t.config)
	}
	output, err := os.OpenFile(t.logPath(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return 0, err
	}
	defer output.Close()
	process := exec.Command(program(words[0]), words[1:]...) //nolint:noctx // it outlives the call, and ends with Stop
	process.Stdout, process.Stderr = output, output
	if err := process.Start(); err != nil {
		return 0, fmt.Errorf("start %s: %w (make build builds this service; --command starts another)", words[0], err)
	}
	t.process, t.pid, t.ended = process, process.Process.Pid, make(chan error, 1)
	go func(p *exec.Cmd, ended chan<- error) { ended <- p.Wait() }(t.process, t.ended)
	took, err := t.await(ctx, startTime)
	if err != nil {
		err = fmt.Errorf("%w; it wrote:\n%s", errors.Join(err, t.Kill()), t.lastWords())
	}
	return took, err
}

// attach waits for a program that is started externally with the configuration. A program
// that already has the UDP port open does not have it, and must end first.
func (t *Target) attach(ctx context.Context) (time.Duration, error) {
	before := boundBy(t.site.UDPPort)
	what := "start the target"
	if before != "" {
		what = "stop what listens there already, and start the target"
	}
	fmt.Fprintf(t.log, "UDP port %d: %s with %s\n", t.site.UDPPort, what, t.config)
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for before != "" && boundBy(t.site.UDPPort) == before {
		select {
		case <-ctx.Done():
			return 0, fmt.Errorf("%s was not started anew: %w", t.spec.Name, ctx.Err())
		case <-time.After(lookEvery):
		}
	}
	took, err := t.await(ctx, patience)
	if err != nil {
		return took, err
	}
	if t.pid == 0 {
		t.pid = processAt(t.site.UDPPort)
	}
	if _, known := t.Usage(); known {
		fmt.Fprintf(t.log, "%s is ready, as process %d\n", t.spec.Name, t.pid)
	} else {
		fmt.Fprintf(t.log, "%s is ready; its process cannot be seen, so its CPU time and memory are not measured (--pid)\n", t.spec.Name)
	}
	return took, nil
}

// program returns the path of a program: as named, or else next to this executable.
func program(name string) string {
	if _, err := exec.LookPath(name); err == nil {
		return name
	}
	if self, err := os.Executable(); err == nil {
		if beside, err := exec.LookPath(filepath.Join(filepath.Dir(self), filepath.Base(name))); err == nil {
			return beside
		}
	}
	return name
}

func (t *Target) logPath() string { return filepath.Join(t.site.Dir, "target.log") }

// lastWords returns the end of the output of the program.
func (t *Target) lastWords() string {
	const enough = 2000
	text, err := os.ReadFile(t.logPath())
	if err != nil {
		return err.Error()
	}
	return string(bytes.TrimSpace(text[max(0, len(text)-enough):]))
}

// await waits until the target is ready, and returns how long that took.
func (t *Target) await(ctx context.Context, most time.Duration) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	began, tick := time.Now(), time.NewTicker(lookEvery)
	defer tick.Stop()
	for !t.ready(ctx) {
		select {
		case <-ctx.Done():
			return 0, fmt.Errorf("%s was not ready after %s", t.spec.Name, time.Since(began).Round(time.Second))
		case err := <-t.ended:
			t.ended <- err
			return 0, fmt.Errorf("%s ended before it was ready: %w", t.spec.Name, err)
		case <-tick.C:
		}
	}
	return time.Since(began), nil
}

func (t *Target) ready(ctx context.Context) bool {
	if t.spec.Ready == "" {
		return Bound(t.site.UDPPort)
	}
	_, err := t.get(ctx, t.spec.Ready)
	return err == nil
}

// Addr returns the address at which the target receives events.
func (t *Target) Addr() netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), uint16(t.site.UDPPort))
}

// REST returns host:port of the REST API; false when there is none.
func (t *Target) REST() (string, bool) {
	return t.site.place(t.spec.REST, t.config), t.spec.REST != ""
}

// Usage returns what the process has used so far; false when that is not known.
func (t *Target) Usage() (Usage, bool) { return usageOf(t.pid) }

// Drops returns how many datagrams the kernel has dropped at the socket of the target
// since that was opened; false when that is not known.
func (t *Target) Drops() (int, bool) { return dropsOf(t.site.UDPPort) }

// Ends counts how the processes that were started here ended.
type Ends struct {
	// Failed counts processes that ended with an error of their own, Killed those that did
	// not end when told to.
	Failed, Killed int
}

// Ends returns how the processes of the target ended so far.
func (t *Target) Ends() Ends { return t.ends }

// Kill ends the process at once, as a crash does.
func (t *Target) Kill() error { return t.end(syscall.SIGKILL) }

// Stop ends the process if it was started here.
func (t *Target) Stop() error { return t.end(syscall.SIGINT) }

func (t *Target) end(by syscall.Signal) error {
	if t.process == nil {
		return nil
	}
	running := t.process
	t.process = nil
	err := running.Process.Signal(by)
	gone := errors.Is(err, os.ErrProcessDone)
	if err != nil && !gone { // Windows has no such signal
		by = syscall.SIGKILL
		_ = running.Process.Kill()
	}
	select {
	case err = <-t.ended:
	case <-time.After(t.stopTime):
		_ = running.Process.Kill()
		t.ends.Killed++
		fmt.Fprintf(t.log, "%s did not end within %s and was killed\n", t.spec.Name, t.stopTime)
		by, err = syscall.SIGKILL, <-t.ended
	}
	exit, failed := errors.AsType[*exec.ExitError](err)
	if !failed {
		return err
	}
	if gone || !endedBy(exit, by) {
		t.ends.Failed++
		fmt.Fprintf(t.log, "%s ended with an error: %v; it wrote:\n%s\n", t.spec.Name, exit, t.lastWords())
	}
	return nil
}

// endedBy reports whether a signal ended the process. On Windows, which does not tell, it
// assumes so for one that was killed.
func endedBy(exit *exec.ExitError, by syscall.Signal) bool {
	status, ok := exit.Sys().(syscall.WaitStatus)
	return ok && status.Signal() == by || runtime.GOOS == "windows" && by == syscall.SIGKILL
}
