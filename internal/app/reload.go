package app

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"

	"butler/actors/ingest"
	"butler/actors/notify"
	"butler/actors/qrsgate"
	"butler/api"
	"butler/config"
	"butler/internal/actorkit"
	"butler/internal/logx"
	"butler/internal/mqttconn"
	"butler/internal/qlik/qrs"
	"butler/messages"
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

// atStartOnly are the keys and sections that are read only at the start.
var atStartOnly = []string{
	"journal", "fileLogging", "logDirectory", "systemInfo",
	"udpServerConfig.enable", "udpServerConfig.receiveBufferBytes", "udpServerConfig.maxMessageSize",
	"udpServerConfig.deduplication.enable", "execution.shards", "qrs.maxConcurrent",
}

// changes are the keys by which two configurations differ.
type changes []string

// touches reports whether a key of paths differs, or one in a section of paths.
func (c changes) touches(paths ...string) bool { return len(c.within(paths...)) > 0 }

// within returns the changes that paths, which are keys or sections, contain.
func (c changes) within(paths ...string) []string {
	out := []string{}
	for _, key := range c {
		if slices.ContainsFunc(paths, func(path string) bool { return key == path || strings.HasPrefix(key, path+".") }) {
			out = append(out, key)
		}
	}
	return out
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

func (r *reloads) begin(c *core) {
	r.metrics = newReloadMetrics(c.reg, time.Now())
	c.health.Set(configurationComponent, supervisors.Up, "")
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
		result.NeedsRestart = changes(cfg.ChangedSince(a.startConfig)).within(atStartOnly...)
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
		return "mend and save the file; it is taken up by itself. After something else is mended, " + again
	}
	return "when that is mended, " + again
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
	next := &App{core: a.core, cfg: cfg, previous: before, changed: changed}
	ready := false
	defer func() { // deferred, so that a panic leaves nothing open either
		if !ready {
			next.discard()
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

// discard closes what was built of a generation that does not come into force.
func (a *App) discard() {
	ctx, quiet := context.Background(), zap.NewNop()
	for _, m := range a.monitors {
		if !m.kept {
			_ = m.closer.close(ctx, quiet) // the error that stopped the reload is the one to report
		}
	}
	_ = a.closer.close(ctx, quiet)
}

// handOverDestinations gives the notify actor the new routing table, before the
// generation routes anything by it. It is the last step of a reload that may fail;
// then the actor gets the previous table back.
func (a *App) handOverDestinations(ctx context.Context) error {
	_, err := ask[notify.TableChangedReply](ctx, a.kit, a.pids.notify, func(to messages.Ref) any { return a.tableChanged(to) })
	if err != nil {
		a.kit.System.Root.Send(a.pids.notify, a.previous.tableChanged(messages.Ref{}))
		return fmt.Errorf("hand over the destinations: %w", err)
	}
	return nil
}

func (a *App) tableChanged(replyTo messages.Ref) notify.TableChanged {
	keep, newDelivery := a.deliveries()
	return notify.TableChanged{Table: a.table, Keep: keep, NewDelivery: newDelivery, ReplyTo: replyTo}
}

// activate puts the generation in force. Only the start of an actor can fail in it,
// which ends the service, as it does at the start.
func (a *App) activate(ctx context.Context, intake ingest.Changed) {
	before, root := a.previous, a.kit.System.Root
	a.current.Store(a)
	a.rules.Store(a.executionRules())
	a.watchTasks()
	if level, err := logx.LevelOf(a.cfg.Log().Level); err == nil {
		a.level.SetLevel(level)
	}
	root.Send(a.pids.gate, qrsgate.Changed{
		Port: a.port(), Host: a.cfg.QRS().Host, Rules: a.gateRules(), Elsewhere: a.changed.touches("configQRS"),
	})
	if a.pids.ingest != nil {
		var handedOver closer
		a.closer.moveTo(newSocket, &handedOver) // the actor closes it from now on
		if intake.Socket != nil {
			a.reloads.vacated = vacatedPort{before.cfg.UDP().Port, time.Now().Add(ingest.LingerFor + time.Second)}
		}
		root.Send(a.pids.ingest, intake)
	}
	before.stopWatching()
	before.watching.Wait()
	a.replaceActors(ctx)
	a.inherit(ctx)
	a.removeStaleHealth()
	a.logConfiguration()
	a.open()
	before.handOverServers(a) // after open, so that new connections find the new servers
	a.previous = nil          // or every generation would keep the one before it in memory
	a.background.Go(func() { before.retire() })
}

// keepsActor reports whether an actor of the previous generation continues unchanged.
func (a *App) keepsActor(name string) bool {
	switch name {
	case valuesActor:
		return !a.changed.touches("keyValueStore") && a.ownKVLedger == a.previous.ownKVLedger
	case scheduleActor:
		return !a.changed.touches("scheduler")
	case linkActor:
		return a.inbound == a.previous.inbound
	case cloudActor, cloudLinkActor:
		return a.cloud == a.previous.cloud
	}
	return slices.ContainsFunc(a.monitors, func(m runningMonitor) bool { return m.kept && m.actorName() == name })
}

// replaceActors stops the actors of the previous generation that are not kept and
// starts the new ones. An actor that replaces another has the same address. It has a
// timeout of its own: if the reload had used up the time, an old actor could not be
// stopped, and its successor not be started.
func (a *App) replaceActors(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), reloadTimeout)
	defer cancel()
	running := map[string]bool{}
	for _, row := range a.previous.ownChildren() {
		if a.neverRan(row.Name) {
			continue
		}
		if running[row.Name] = a.keepsActor(row.Name); running[row.Name] {
			continue
		}
		if err := a.tree.Remove(ctx, row.Name); err != nil {
			a.log.Warn("an actor of the previous configuration did not stop in time", logx.Actor(row.Name), logx.Err(err))
		}
	}
	for _, row := range a.ownChildren() {
		if running[row.Name] {
			continue
		}
		if err := a.tree.Add(row); err != nil {
			a.onFatal(row.Name, err)
		}
	}
}

// neverRan reports whether an actor in previous.ownChildren has never been started.
// That is the key-value store when this reload, or a refused one before it, was the
// first to enable it: core.kvWanted is set while a generation is built.
func (a *App) neverRan(name string) bool { return name == valuesActor && a.pids.values == nil }

// inherit takes over the connections that are kept from the previous generation, and
// closes those that the new one opens again under the same client ID, as a broker
// allows a client ID only one connection.
func (a *App) inherit(ctx context.Context) {
	var old closer
	for name, kept := range map[string]bool{
		mqttConnection: a.mqtt == a.previous.mqtt, cloudConnections: a.cloud == a.previous.cloud,
		forwardConnection: a.cloud == a.previous.cloud, engineSessions: a.apps == a.previous.apps,
	} {
		switch {
		case kept:
			a.previous.closer.moveTo(name, &a.closer)
		case name != engineSessions: // retire closes those
			a.previous.closer.moveTo(name, &old)
		}
	}
	_ = errors.Join(old.close(ctx, a.log), a.previous.closeMonitors(ctx, a)) // both are logged
}

// removeStaleHealth removes from the health board and the metrics what is not
// watched any more.
func (a *App) removeStaleHealth() {
	forwards := a.cloud != nil && a.cloud.forwarded != nil
	gone := map[string]bool{
		mqttComponent: a.mqtt == nil, cloudComponent: a.cloud == nil, forwardComponent: !forwards, waitingComponent: !forwards,
		schedulesComponent: !a.cfg.Scheduler().Enable, startsComponent: !a.cfg.Scheduler().Enable, expectedComponent: true, keysComponent: true,
	}
	for _, m := range a.previous.monitors {
		gone[m.probeComponent()] = !slices.ContainsFunc(a.monitors, func(n runningMonitor) bool { return n.component() == m.component() })
	}
	for name, is := range gone {
		if is {
			a.health.Remove(name)
		}
	}
	if a.mqtt == nil && a.previous.mqtt != nil {
		sharedMetrics(a.core, mqttconn.NewMetrics).Gone()
	}
	a.services.Keep(serviceHosts(a.cfg.ServiceMonitor()), a.serviceGauges())
	if gone[serverLicenseMonitor(a.cfg).probeComponent()] {
		a.licenceGauges().Server(messages.License{})
	}
	if gone[accessLicenseMonitor(a.cfg).probeComponent()] {
		a.licenceGauges().Usage(qrs.AccessOverview{})
	}
	if a.reportKeyFile != nil {
		a.reportKeyFile()
	}
}

// handOverServers makes the servers of the generation accept no further connections.
// Requests on those that are open are answered by the servers of next.
func (a *App) handOverServers(next *App) {
	successors := next.servers()
	for kind, s := range a.servers() {
		if err := s.HandOver(successors[kind]); err != nil {
			a.log.Warn("a component was not closed cleanly", zap.String("what", s.Address()), logx.Err(err))
		}
	}
}

// servers returns the servers of the generation by name.
func (a *App) servers() map[string]*api.Server {
	out := map[string]*api.Server{}
	if a.server != nil {
		out["operations server"] = a.server
	}
	if a.rest != nil {
		out["REST API"] = a.rest
	}
	for _, p := range a.pages {
		out[p.name] = p.server
	}
	return out
}

const (
	// lingerFor is how long a replaced server still serves its open connections, so
	// that clients that call often have closed theirs before it shuts down.
	lingerFor = 2 * time.Second
	// retireWithin bounds how long requests to a replaced server may take.
	retireWithin = 30 * time.Second
)

// retire closes a generation that has been replaced: its servers finish the requests
// that have begun, and app reloads run to their end.
func (a *App) retire() {
	var engine closer
	a.closer.moveTo(engineSessions, &engine)
	if len(engine) > 0 {
		a.background.Go(func() {
			a.apps.client.Drain(a.lifetime())
			_ = engine.close(context.Background(), a.log)
			a.apps.stop()
		})
	}
	wait(a.lifetime(), lingerFor)
	ctx, cancel := context.WithTimeout(a.lifetime(), retireWithin)
	defer cancel()
	_ = a.closer.close(ctx, a.log) // errors are logged
	a.serve.Wait()
}
