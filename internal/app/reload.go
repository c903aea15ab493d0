package app

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"

	"butler/config"
	"butler/internal/actorkit"
	"butler/internal/logx"
	"butler/supervisors"
)

// Reloading the configuration. Everything that depends on it is built as a new
// generation, beside the one in force: sockets are bound, certificates and templates
// read, clients made. The new generation replaces the old one only when all of that
// has succeeded; otherwise nothing changes.

// Trigger is what caused a reload.
type Trigger string

// The triggers.
const (
	BySignal Trigger = "signal"
	ByFile   Trigger = "file"
	ByAPI    Trigger = "api"
)

// Reloaded is the result of a reload, as the operations server returns it.
type Reloaded struct {
	At      time.Time `json:"at"`
	Trigger Trigger   `json:"trigger"`
	// Applied says that the new configuration is in force.
	Applied bool `json:"applied"`
	// Reason says why not, a problem per line; "" when it is.
	Reason string `json:"reason,omitempty"`
	// Changed are the keys whose values differ from the configuration in force before.
	Changed []string `json:"changed"`
	// NeedsRestart are the keys that differ from those at the start of the process and
	// take effect only after a restart.
	NeedsRestart []string `json:"needsRestart"`
}

// inOneLine returns Reason as a single line.
func (r Reloaded) inOneLine() string { return strings.ReplaceAll(r.Reason, "\n", "; ") }

// configurationComponent is degraded while the last configuration that was read is
// not in force.
const configurationComponent = "configuration"

// changes are the keys by which two configurations differ.
type changes []string

// touches reports whether a key of paths differs, or one in a section of paths.
func (c changes) touches(paths ...string) bool {
	return slices.ContainsFunc(c, func(key string) bool {
		return slices.ContainsFunc(paths, func(path string) bool { return key == path || strings.HasPrefix(key, path+".") })
	})
}

// reloads serialises reloads and refuses those that come after the shutdown began.
type reloads struct {
	mu      sync.Mutex
	stopped bool
	metrics *reloadMetrics
	// files are the watched files.
	files   fileDigests
	vacated vacatedPort // guarded by mu
}

func (r *reloads) begin(a *App) {
	r.metrics = newReloadMetrics(a.reg, time.Now())
	a.health.Set(configurationComponent, supervisors.Up, "")
}

// stop waits for a reload under way and refuses all later ones. It holds the lock
// until release is called.
func (r *reloads) stop() (release func()) {
	r.mu.Lock()
	r.stopped = true
	return r.mu.Unlock
}

// reloadTimeout bounds the look-ups and actor replies that a reload waits for.
const reloadTimeout = 25 * time.Second

// Reload reads the configuration again and puts it in force, or changes nothing and
// says why. Concurrent calls run one after the other.
func (a *App) Reload(trigger Trigger) Reloaded {
	r := &a.reloads
	r.mu.Lock()
	defer r.mu.Unlock()
	result := Reloaded{At: time.Now().UTC(), Trigger: trigger, Changed: []string{}, NeedsRestart: []string{}}
	if r.stopped {
		result.Reason = "the service stops"
		return result
	}
	if a.opts.OnReload != nil {
		ended := a.opts.OnReload()
		defer func() { ended(result) }()
	}
	ctx, cancel := context.WithTimeout(a.lifetime(), reloadTimeout)
	defer cancel()
	failure := actorkit.Guard(a.log, "the reload of the configuration", func() error {
		cfg, err := a.readAgain()
		if err != nil {
			return err
		}
		result.Changed = cfg.ChangedSince(a.current.Load().cfg)
		result.NeedsRestart = cfg.NeedsRestartSince(a.startConfig)
		return a.apply(ctx, cfg, result.Changed)
	})
	result.Applied, result.Reason = !failure.Failed(), failure.Text
	a.publish(result)
	return result
}

// errNoLoader is returned by a reload without Options.Load.
var errNoLoader = errors.New("this service was started without a configuration file, so there is nothing to reload")

// readAgain loads the configuration and watches the files that it was read from,
// also when it is refused.
func (a *App) readAgain() (*config.Config, error) {
	if a.opts.Load == nil {
		return nil, errNoLoader
	}
	files := &a.reloads.files
	before := files.current()
	cfg, err := a.opts.Load()
	names := files.names()
	if problems, ok := errors.AsType[*config.Problems](err); ok {
		names = append(names, problems.Files...)
		problems.Warnings = nil // warnings are not why it is refused
	}
	if err == nil {
		names = cfg.SourceFiles()
	}
	files.watch(names, before)
	return cfg, err
}

// nextStep tells the operator how to have a corrected configuration applied. A changed
// file is noticed; a host name that resolves by now or a certificate that was missing is not.
func nextStep(trigger Trigger, system string) string {
	again := "`butler reload` or SIGHUP tries again"
	if system == "windows" {
		again = "`butler reload` tries again"
	}
	if trigger == ByFile {
		return "correct and save the file; it is loaded automatically. After any other correction, " + again
	}
	return "after the correction, " + again
}

// publish records the result of a reload in the metrics, the health board and the log.
func (a *App) publish(r Reloaded) {
	a.reloads.metrics.observe(r)
	trigger := zap.String("trigger", string(r.Trigger))
	if !r.Applied {
		next := nextStep(r.Trigger, runtime.GOOS)
		a.health.Set(configurationComponent, supervisors.Degraded, "the changed configuration is refused, the one before is in force: "+r.inOneLine()+"; "+next)
		a.log.Error("the changed configuration is refused, the previous one stays in force", trigger, logx.Reason(r.Reason), zap.String("next", next))
		return
	}
	waiting := ""
	if len(r.NeedsRestart) > 0 {
		waiting = "needs a restart: " + strings.Join(r.NeedsRestart, ", ")
		a.log.Warn("changed keys of the configuration take effect only after a restart", zap.Strings("keys", r.NeedsRestart))
	}
	a.health.Set(configurationComponent, supervisors.Up, waiting)
	a.log.Info("the configuration is reloaded", trigger, zap.Strings("changed", r.Changed))
}

// apply builds a generation and puts it in force. After an error nothing has changed.
func (a *App) apply(ctx context.Context, cfg *config.Config, changed changes) (err error) {
	before := a.current.Load()
	next := &generation{App: a, cfg: cfg, previous: before, changed: changed}
	ready := false
	defer func() { // deferred, so that a panic leaves nothing open either
		if !ready {
			_ = next.discard() // the error that stopped the reload is the one to report
		}
	}()
	if err := next.build(); err != nil {
		return err
	}
	intake, err := next.prepareIntake(ctx)
	if err != nil {
		return err
	}
	if err := next.handOverDestinations(ctx); err != nil {
		return err
	}
	ready = true
	next.activate(ctx, intake)
	return nil
}
