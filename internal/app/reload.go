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

// A changed configuration while the service runs. Everything that depends on it
// is built anew as a generation, beside the one in force: sockets are bound,
// certificates and templates read, connections made. Only when all of that has
// worked is the new one put in force; otherwise nothing changes.

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

// inOneLine returns the reason for where a line is all that there is room for: every
// problem of a file has one of its own otherwise.
func (r Reloaded) inOneLine() string { return strings.ReplaceAll(r.Reason, "\n", "; ") }

// configurationComponent is the health of the file as compared with what is in force.
const configurationComponent = "configuration"

// atStartOnly are the keys and sections that are read once.
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

// reloads keeps reloads in order: one at a time, none after the end.
type reloads struct {
	mu      sync.Mutex
	stopped bool
	metrics *reloadMetrics
	// files are those that are watched, with what was read from them.
	files filePrints
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
		return a.take(ctx, cfg, result.Changed)
	})
	result.Applied, result.Reason = !failure.Failed(), failure.Text
	a.told(result)
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

// whenMended is what to do about a refused configuration. A name that was not found
// or a certificate that was not there is no change of a file that would be seen.
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

// told tells everybody how a reload went.
func (a *App) told(r Reloaded) {
	a.reloads.metrics.observe(r)
	trigger := zap.String("trigger", string(r.Trigger))
	if !r.Applied {
		next := whenMended(r.Trigger, runtime.GOOS)
		a.health.Set(configurationComponent, supervisors.Degraded, "the changed configuration is refused, the one before is in force: "+r.inOneLine()+"; "+next)
		a.log.Error("the changed configuration is refused, the one before stays in force", trigger, logx.Reason(r.Reason), zap.String("next", next))
		return
	}
	waiting := ""
	if len(r.NeedsRestart) > 0 {
		waiting = "needs a restart: " + strings.Join(r.NeedsRestart, ", ")
		a.log.Warn("keys of the configuration take effect with the next start only", zap.Strings("keys", r.NeedsRestart))
	}
	a.health.Set(configurationComponent, supervisors.Up, waiting)
	a.log.Info("the configuration is reloaded", trigger, zap.Strings("changed", r.Changed))
}

// take builds a generation and puts it in force.
func (a *App) take(ctx context.Context, cfg *config.Config, changed changes) (err error) {
	before := a.current.Load()
	next := &App{core: a.core, cfg: cfg, before: before, changed: changed}
	ready := false
	defer func() { // a panic is no reason to leave something open
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
	next.enforce(ctx, intake)
	return nil
}

// abandon closes what was built of a generation that does not come into force.
func (a *App) abandon() {
	ctx, quiet := context.Background(), zap.NewNop()
	for _, m := range a.monitors {
		if !m.kept {
			_ = m.closer.close(ctx, quiet) // why the generation is abandoned says more
		}
	}
	_ = a.closer.close(ctx, quiet)
}

// announce tells the actor that delivers of the new destinations: from then on
// notices for them are taken for what they are. It is the last step that may fail.
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

// enforce puts the generation in force. Nothing in it can fail but the start of
// an actor, which ends the service as it would at the start.
func (a *App) enforce(ctx context.Context, intake ingest.Changed) {
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
		a.closer.take(newSocket, &handed) // it is the actor's now
		if intake.Socket != nil {
			a.reloads.left = leftPort{before.cfg.UDP().Port, time.Now().Add(ingest.LingerFor + time.Second)}
		}
		root.Send(a.pids.ingest, intake)
	}
	before.unwatch()
	before.watching.Wait()
	a.replaceActors(ctx)
	a.inherit(ctx)
	a.forget()
	a.sayConfiguration()
	a.open()
	before.leave(a) // who connects from now on finds the new servers
	a.before = nil  // or every generation would hold the one before it
	a.background.Go(func() { before.retire() })
}

// keeps reports whether an actor of the generation before goes on as it is.
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

// replaceActors stops the actors that only the generation before has, and
// starts those that are new. One that is replaced keeps its address.
// An actor that does not stop would leave the service without the one that follows
// it, so this has time of its own, whatever the reload has used up before.
func (a *App) replaceActors(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), reloadTimeout)
	defer cancel()
	running := map[string]bool{}
	for _, row := range a.before.ownChildren() {
		if a.fresh(row.Name) {
			continue
		}
		if running[row.Name] = a.keeps(row.Name); running[row.Name] {
			continue
		}
		if err := a.tree.Remove(ctx, row.Name); err != nil {
			a.log.Warn("an actor of the configuration before did not stop in time", logx.Actor(row.Name), logx.Err(err))
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

// fresh reports whether an actor has never run: the store of key-values is opened
// before it is known whether the generation comes into force.
func (a *App) fresh(name string) bool { return name == valuesActor && a.pids.values == nil }

// inherit takes over what is kept from the generation before, and closes what the
// new one opens again at the same place: a broker knows one client by one name.
func (a *App) inherit(ctx context.Context) {
	var old closer
	for name, kept := range map[string]bool{
		mqttConnection: a.mqtt == a.before.mqtt, cloudConnections: a.cloud == a.before.cloud,
		forwardConnection: a.cloud == a.before.cloud, engineSessions: a.apps == a.before.apps,
	} {
		switch {
		case kept:
			a.before.closer.take(name, &a.closer)
		case name != engineSessions: // those end in their own time
			a.before.closer.take(name, &old)
		}
	}
	_ = errors.Join(old.close(ctx, a.log), a.before.closeMonitors(ctx, a)) // both have told the log
}

// forget removes from the health board and the metrics what is not watched any more.
func (a *App) forget() {
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

// leave has the servers of a generation take no further connection, and those of
// the next one answer the calls that still come over others.
func (a *App) leave(next *App) {
	successors := next.servers()
	for kind, s := range a.servers() {
		if err := s.HandOver(successors[kind]); err != nil {
			a.log.Warn("closing was not clean", zap.String("what", s.Address()), logx.Err(err))
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
	// lingerFor is how long connections to a server that is replaced are served on,
	// so that clients that call often leave by themselves.
	lingerFor = 2 * time.Second
	// retireWithin bounds how long calls of a server that is replaced may take.
	retireWithin = 30 * time.Second
)

// retire ends a generation that is not in force any more: its servers end
// what they have begun, and app reloads run to their end.
func (a *App) retire() {
	var engine closer
	a.closer.take(engineSessions, &engine)
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
