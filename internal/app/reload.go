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

// Reloading the configuration while the service runs. Everything that depends on it is
// built as a new generation beside the current one: sockets are bound, certificates and
// templates read, connections made. If all of that succeeds the new generation replaces
// the current one; otherwise nothing changes.

// Trigger is why the configuration is read again.
type Trigger string

// The triggers.
const (
	BySignal Trigger = "signal"
	ByFile   Trigger = "file"
	ByAPI    Trigger = "api"
)

// Reloaded is what became of a reload.
type Reloaded struct {
	At      time.Time `json:"at"`
	Trigger Trigger   `json:"trigger"`
	// Applied says that the new configuration is in force.
	Applied bool `json:"applied"`
	// Reason is why it is not.
	Reason string `json:"reason,omitempty"`
	// Changed are the keys whose values differ from before.
	Changed []string `json:"changed"`
	// NeedsRestart are those that take effect with the next start only.
	NeedsRestart []string `json:"needsRestart"`
}

// inOneLine returns the reason on one line. Otherwise every problem has its own line.
func (r Reloaded) inOneLine() string { return strings.ReplaceAll(r.Reason, "\n", "; ") }

// configurationComponent is degraded while the file is not what is in force.
const configurationComponent = "configuration"

// atStartOnly are the keys and sections that are only read at the start.
var atStartOnly = []string{
	"journal", "fileLogging", "logDirectory", "systemInfo",
	"udpServerConfig.enable", "udpServerConfig.receiveBufferBytes", "udpServerConfig.maxMessageSize",
	"udpServerConfig.deduplication.enable", "execution.shards", "qrs.maxConcurrent",
}

// changes are the keys by which two configurations differ.
type changes []string

// touch reports whether one of the keys, or one in a section, differs.
func (c changes) touch(paths ...string) bool { return len(c.within(paths...)) > 0 }

func (c changes) within(paths ...string) []string {
	out := []string{}
	for _, key := range c {
		if slices.ContainsFunc(paths, func(path string) bool { return key == path || strings.HasPrefix(key, path+".") }) {
			out = append(out, key)
		}
	}
	return out
}

// reloads serialises reloads, and prevents them after the end of the service.
type reloads struct {
	mu      sync.Mutex
	stopped bool
	metrics *reloadMetrics
	// files are those that are watched, with what was read from them.
	files fileDigests
	left  leftPort // guarded by mu
}

func (r *reloads) begin(c *core) {
	r.metrics = newReloadMetrics(c.reg, time.Now())
	c.health.Set(configurationComponent, supervisors.Up, "")
}

// stop waits for a reload under way and lets none follow until the returned function is called.
func (r *reloads) stop() (release func()) {
	r.mu.Lock()
	r.stopped = true
	return r.mu.Unlock
}

// reloadTimeout bounds what a reload may wait for.
const reloadTimeout = 25 * time.Second

// Reload reads the configuration again and puts it in force, or changes nothing
// and says why. It waits for one that is under way.
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
	ctx, cancel := context.WithTimeout(a.working(), reloadTimeout)
	defer cancel()
	failure := actorkit.Guard(a.log, "the reload of the configuration", func() error {
		cfg, err := a.readAgain()
		if err != nil {
			return err
		}
		result.Changed = cfg.ChangedSince(a.current.Load().cfg)
		result.NeedsRestart = changes(cfg.ChangedSince(a.first)).within(atStartOnly...)
		return a.apply(ctx, cfg, result.Changed)
	})
	result.Applied, result.Reason = !failure.Failed(), failure.Text
	a.report(result)
	return result
}

// errNoLoader is why a service that was given its configuration ready cannot read it again.
var errNoLoader = errors.New("this service has no file that it could read again")

// readAgain loads the configuration, and notes what was read for the watch.
func (a *App) readAgain() (*config.Config, error) {
	if a.opts.Load == nil {
		return nil, errNoLoader
	}
	files := &a.reloads.files
	before := files.now()
	cfg, err := a.opts.Load()
	read := files.names()
	if problems, ok := errors.AsType[*config.Problems](err); ok {
		read = append(read, problems.Files...)
		problems.Warnings = nil // they are not why
	}
	if err == nil {
		read = cfg.SourceFiles()
	}
	files.note(read, before)
	return cfg, err
}

// whenMended says what to do about a refused configuration. The watch only notices
// changes of the files, not that a host name resolves or a certificate exists by now.
func whenMended(trigger Trigger, system string) string {
	again := "`butler reload` or SIGHUP tries again"
	if system == "windows" {
		again = "`butler reload` tries again"
	}
	if trigger == ByFile {
		return "mend and save the file; it is taken up by itself. After something else is mended, " + again
	}
	return "when that is mended, " + again
}

// report tells everybody how a reload went.
func (a *App) report(r Reloaded) {
	a.reloads.metrics.observe(r)
	trigger := zap.String("trigger", string(r.Trigger))
	if !r.Applied {
		next := whenMended(r.Trigger, runtime.GOOS)
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

// apply builds a generation and puts it in force.
func (a *App) apply(ctx context.Context, cfg *config.Config, changed changes) (err error) {
	before := a.current.Load()
	next := &App{core: a.core, cfg: cfg, before: before, changed: changed}
	ready := false
	defer func() { // after a panic, too
		if !ready {
			next.abandon()
		}
	}()
	if err := next.build(); err != nil {
		return err
	}
	intake, err := next.prepareIntake(ctx)
	if err != nil {
		return err
	}
	if err := next.announce(ctx); err != nil {
		return err
	}
	ready = true
	next.activate(ctx, intake)
	return nil
}

// abandon closes what was built of a generation that is not put in force.
func (a *App) abandon() {
	ctx, quiet := context.Background(), zap.NewNop()
	for _, m := range a.monitors {
		if !m.kept {
			_ = m.closer.close(ctx, quiet) // the reason for abandoning is reported instead
		}
	}
	_ = a.closer.close(ctx, quiet)
}

// announce gives notify the new destinations, so that it accepts notices for them. It is
// the last step that may fail.
func (a *App) announce(ctx context.Context) error {
	_, err := ask[notify.TableChangedReply](ctx, a.kit, a.pids.notify, func(to messages.Ref) any { return a.tableChanged(to) })
	if err != nil {
		a.kit.System.Root.Send(a.pids.notify, a.before.tableChanged(messages.Ref{}))
		return fmt.Errorf("hand over the destinations: %w", err)
	}
	return nil
}

func (a *App) tableChanged(replyTo messages.Ref) notify.TableChanged {
	keep, newDelivery := a.deliveries()
	return notify.TableChanged{Table: a.table, Keep: keep, NewDelivery: newDelivery, ReplyTo: replyTo}
}

// activate puts the generation in force. Only the start of an actor can fail in it, which
// ends the service, as it does at the start.
func (a *App) activate(ctx context.Context, intake ingest.Changed) {
	before, root := a.before, a.kit.System.Root
	a.current.Store(a)
	a.rules.Store(a.executionRules())
	a.watchTasks()
	if level, err := logx.LevelOf(a.cfg.Log().Level); err == nil {
		a.level.SetLevel(level)
	}
	root.Send(a.pids.gate, qrsgate.Changed{
		Port: a.port(), Host: a.cfg.QRS().Host, Rules: a.gateRules(), Elsewhere: a.changed.touch("configQRS"),
	})
	if a.pids.ingest != nil {
		var handed closer
		a.closer.moveTo(newSocket, &handed) // the actor owns it now
		if intake.Socket != nil {
			a.reloads.left = leftPort{before.cfg.UDP().Port, time.Now().Add(ingest.LingerFor + time.Second)}
		}
		root.Send(a.pids.ingest, intake)
	}
	before.unwatch()
	before.watching.Wait()
	a.replaceActors(ctx)
	a.keepConnections(ctx)
	a.removeUnwatched()
	a.logConfiguration()
	a.open()
	before.handOver(a) // who connects from now on finds the new servers
	a.before = nil     // or every generation would hold the one before it
	a.background.Go(func() { before.retire() })
}

// keeps reports whether an actor of the previous generation is kept as it is.
func (a *App) keeps(name string) bool {
	switch name {
	case valuesActor:
		return !a.changed.touch("keyValueStore") && a.pairs == a.before.pairs
	case scheduleActor:
		return !a.changed.touch("scheduler")
	case linkActor:
		return a.inbound == a.before.inbound
	case cloudActor, cloudLinkActor:
		return a.cloud == a.before.cloud
	}
	return slices.ContainsFunc(a.monitors, func(m runningMonitor) bool { return m.kept && m.actorName() == name })
}

// replaceActors stops the actors of the previous generation that are not kept, and
// starts the new ones. A replaced actor keeps its address. It has a deadline of its own,
// because an actor cannot be started before its predecessor has stopped.
func (a *App) replaceActors(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), reloadTimeout)
	defer cancel()
	running := map[string]bool{}
	for _, row := range a.before.ownChildren() {
		if a.neverStarted(row.Name) {
			continue
		}
		if running[row.Name] = a.keeps(row.Name); running[row.Name] {
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

// neverStarted reports whether an actor of the previous generation was never started.
// That can be the key-value store, whose ledger is opened before it is certain that a
// generation is put in force.
func (a *App) neverStarted(name string) bool { return name == valuesActor && a.pids.values == nil }

// keepConnections takes over the connections that are kept from the previous generation,
// and closes those that the new one replaces: a broker allows one client of a name.
func (a *App) keepConnections(ctx context.Context) {
	var old closer
	for name, kept := range map[string]bool{
		mqttConnection: a.mqtt == a.before.mqtt, cloudConnections: a.cloud == a.before.cloud,
		forwardConnection: a.cloud == a.before.cloud, engineSessions: a.apps == a.before.apps,
	} {
		switch {
		case kept:
			a.before.closer.moveTo(name, &a.closer)
		case name != engineSessions: // those end in their own time
			a.before.closer.moveTo(name, &old)
		}
	}
	_ = errors.Join(old.close(ctx, a.log), a.before.closeMonitors(ctx, a)) // both have told the log
}

// removeUnwatched removes components that are not watched any more from the health board
// and the metrics.
func (a *App) removeUnwatched() {
	forwards := a.cloud != nil && a.cloud.forwarded != nil
	gone := map[string]bool{
		mqttComponent: a.mqtt == nil, cloudComponent: a.cloud == nil, forwardComponent: !forwards, waitingComponent: !forwards,
		schedulesComponent: !a.cfg.Scheduler().Enable, startsComponent: !a.cfg.Scheduler().Enable, expectedComponent: true, keysComponent: true,
	}
	for _, m := range a.before.monitors {
		gone[m.probeComponent()] = !slices.ContainsFunc(a.monitors, func(n runningMonitor) bool { return n.component() == m.component() })
	}
	for name, is := range gone {
		if is {
			a.health.Remove(name)
		}
	}
	if a.mqtt == nil && a.before.mqtt != nil {
		once(a.core, mqttconn.NewMetrics).Gone()
	}
	a.services.Keep(serviceHosts(a.cfg.ServiceMonitor()), a.serviceGauges())
	if gone[serverLicenseMonitor(a.cfg).probeComponent()] {
		a.licenceGauges().Server(messages.License{})
	}
	if gone[accessLicenseMonitor(a.cfg).probeComponent()] {
		a.licenceGauges().Usage(qrs.AccessOverview{})
	}
	if a.tellKeys != nil {
		a.tellKeys()
	}
}

// handOver makes the servers of a generation accept no more connections, and lets the
// servers of the next one answer the calls on open ones.
func (a *App) handOver(next *App) {
	successors := next.servers()
	for kind, s := range a.servers() {
		if err := s.HandOver(successors[kind]); err != nil {
			a.log.Warn("a component was not closed cleanly", zap.String("what", s.Address()), logx.Err(err))
		}
	}
}

// servers returns the servers of the generation by their kind.
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
	// lingerFor is how long connections to a replaced server stay open, so that most
	// clients close them by themselves.
	lingerFor = 2 * time.Second
	// retireWithin bounds calls to a replaced server.
	retireWithin = 30 * time.Second
)

// retire closes a generation that has been replaced. Its servers finish their calls, and
// app reloads run to their end.
func (a *App) retire() {
	var engine closer
	a.closer.moveTo(engineSessions, &engine)
	if len(engine) > 0 {
		a.background.Go(func() {
			a.apps.client.Drain(a.working())
			_ = engine.close(context.Background(), a.log)
			a.apps.stop()
		})
	}
	wait(a.working(), lingerFor)
	ctx, cancel := context.WithTimeout(a.working(), retireWithin)
	defer cancel()
	_ = a.closer.close(ctx, a.log) // the log was told
	a.serve.Wait()
}
