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
}

// Options say how a target is run.
type Options struct {
	Spec Spec
	Site Site
	// Extra is the configuration of the scenario.
	Extra string
	// PID is the process of a target that somebody else starts; 0 for the one that
	// has its UDP port open.
	PID int
	// Log is told, in lines, what has to be done for a target that somebody else starts.
	Log io.Writer
}

// Usage is what a process has used.
type Usage struct {
	// CPU is user and system time.
	CPU time.Duration
	// RSS and Peak are resident memory in bytes, now and at most.
	RSS, Peak int64
}

// startTime bounds how long a target may take until it is ready, and patience
// that of one which somebody else starts.
const (
	startTime = 2 * time.Minute
	patience  = 10 * time.Minute
	stopTime  = 20 * time.Second
	// lookEvery is how often it is looked whether a target is ready.
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
		spec: o.Spec, site: o.Site, config: filepath.Join(o.Site.Dir, "butler.yaml"), pid: o.PID,
		// The page is asked for often: compressing it would be work of the target's that nobody measures.
		client: &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableCompression: true}},
	}
	if err := os.WriteFile(t.config, text, 0o600); err != nil {
		return nil, 0, fmt.Errorf("write the configuration of the target: %w", err)
	}
	if o.Spec.Command == "" {
		took, err := t.attach(ctx, o.Log)
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

// attach waits for a program that somebody else starts with the configuration.
// One that has the UDP port open before knows nothing of it.
func (t *Target) attach(ctx context.Context, log io.Writer) (time.Duration, error) {
	before := boundBy(t.site.UDPPort)
	what := "start the target"
	if before != "" {
		what = "stop what listens there already, and start the target"
	}
	fmt.Fprintf(log, "UDP port %d: %s with %s\n", t.site.UDPPort, what, t.config)
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
		fmt.Fprintf(log, "%s is ready, as process %d\n", t.spec.Name, t.pid)
	} else {
		fmt.Fprintf(log, "%s is ready; its process cannot be seen, so its CPU time and memory are not measured (--pid)\n", t.spec.Name)
	}
	return took, nil
}

// program returns where a program is: as it is named, or beside this one.
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

// lastWords returns the end of what the program wrote.
func (t *Target) lastWords() string {
	const enough = 2000
	text, err := os.ReadFile(t.logPath())
	if err != nil {
		return err.Error()
	}
	return string(bytes.TrimSpace(text[max(0, len(text)-enough):]))
}

// await waits until the target is ready.
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

// Addr returns where events are received.
func (t *Target) Addr() netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), uint16(t.site.UDPPort))
}

// REST returns host:port of the REST API; false when there is none.
func (t *Target) REST() (string, bool) {
	return t.site.place(t.spec.REST, t.config), t.spec.REST != ""
}

// Usage returns what the process has used so far; false when that is not known.
func (t *Target) Usage() (Usage, bool) { return usageOf(t.pid) }

// Drops counts the datagrams that the kernel threw away before the target read
// them, since its socket was opened; false when that is not known.
func (t *Target) Drops() (int, bool) { return dropsOf(t.site.UDPPort) }

// Kill ends the process at once, as a crash does.
func (t *Target) Kill() error { return t.end(syscall.SIGKILL) }

// Stop ends a process that was started here, and only such a one.
func (t *Target) Stop() error { return t.end(os.Interrupt) }

func (t *Target) end(by os.Signal) error {
	if t.process == nil {
		return nil
	}
	running := t.process
	t.process = nil
	if err := running.Process.Signal(by); err != nil && !errors.Is(err, os.ErrProcessDone) {
		_ = running.Process.Kill()
	}
	select {
	case err := <-t.ended:
		return exitOf(err)
	case <-time.After(stopTime):
		_ = running.Process.Kill()
		return errors.Join(fmt.Errorf("%s did not end within %s and was killed", t.spec.Name, stopTime), exitOf(<-t.ended))
	}
}

// exitOf is the error of waiting for a process. How a process ended that was
// told to end is no error.
func exitOf(err error) error {
	if _, ended := errors.AsType[*exec.ExitError](err); ended {
		return nil
	}
	return err
}
