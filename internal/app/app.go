// Package app owns the assembly of the service and its life cycle. It is the
// one package that sees everything else.
//
// It guarantees that New either builds the whole service or cleans up what it
// built, that Start is followed by events being taken, and that Stop ends in
// order: intake first, then what is decided, then what is being told, then the
// journal - bounded by its context, and losing nothing either way because the
// journal has it. It must never decide anything about an event.
package app

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"butler/actors/ingest"
	"butler/actors/qrsgate"
	"butler/api"
	"butler/config"
	"butler/internal/actorkit"
	"butler/internal/buildinfo"
	"butler/internal/destination"
	"butler/internal/journal"
	"butler/internal/journal/jetstream"
	"butler/internal/logx"
	"butler/internal/metrics"
	"butler/internal/mqttconn"
	"butler/internal/outbox"
	"butler/internal/udp"
	"butler/messages"
	"butler/supervisors"
)

// Options are what the process gives the service.
type Options struct {
	Config *config.Config
	// Isolated leaves the QRS alone even when it is configured.
	Isolated bool
	// Log is the logger; nil builds one from the configuration.
	Log *zap.Logger
	// OnSettled is told the end of every notice; it must not block. Nil is fine.
	OnSettled func(messages.NoticeSettled)
	// CallsPerMinute is how many calls of the REST API one client may make; 0 means no limit.
	CallsPerMinute int
}

// App is the service. Build it with New.
type App struct {
	opts   Options
	cfg    *config.Config
	log    *zap.Logger
	reg    *prometheus.Registry
	health *supervisors.Board
	kit    *actorkit.Kit

	store      journal.Store
	disk       *jetstream.Store // store, when it is on disk
	ledger     *journal.Ledger
	queue      *journal.Queue
	outbox     *outbox.Outbox
	quarantine *ingest.LedgerQuarantine
	// appended counts what is written to the journal.
	appended func(took time.Duration, err error)
	// crashed reports that the process before this one crashed by itself.
	crashed bool
	table   *destination.Table
	// sources are who may send events, nil when anybody may.
	sources *udp.AllowList
	gate    gatePort
	shelf   *qrsgate.Shelf
	server  *api.Server
	// rest is the REST API, values what its key-value store remembers and maxValues
	// the largest record of that; nil and 0 without one.
	rest      *api.Server
	values    *journal.Ledger
	maxValues int
	// mqtt is the connection to the broker, and listener what it is told of the
	// intake; both nil without one.
	mqtt     *mqttconn.Conn
	listener *listenerNews

	tree  *supervisors.Tree
	pids  pids
	fatal chan error
	serve sync.WaitGroup
	// unwatch ends what goes on beside the actors.
	unwatch context.CancelFunc
	closer  closer

	listening chan netip.AddrPort
	deaf      chan error
	address   netip.AddrPort
}

// pids are the actors others talk to.
type pids struct{ ingest, gate, notify, values *actor.PID }

// New builds the service. Nothing runs yet but the journal.
func New(o Options) (*App, error) {
	a := &App{
		opts: o, cfg: o.Config, log: o.Log, health: supervisors.NewBoard(),
		reg: metrics.New(buildinfo.Read()), fatal: make(chan error, 1),
		listening: make(chan netip.AddrPort, 1), deaf: make(chan error, 1),
	}
	a.reg.MustRegister(newComponents(a.health))
	if err := a.build(); err != nil {
		return nil, errors.Join(err, a.closer.close(context.Background(), zap.NewNop()))
	}
	return a, nil
}

// build runs the steps of the assembly, each of which adds its own end to closer.
func (a *App) build() error {
	if err := a.buildLog(); err != nil {
		return err
	}
	a.kit = actorkit.New(a.log, actorkit.NewStats(a.reg))
	for _, step := range []func() error{a.buildTable, a.buildSources, a.buildGate, a.openJournal, a.buildREST, a.listenOperations} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

func (a *App) buildLog() error {
	count := metrics.LogLines(a.reg)
	if a.log != nil {
		a.log = a.log.WithOptions(zap.Hooks(func(line zapcore.Entry) error {
			count(line.Level.String())
			return nil
		}))
		return nil
	}
	section := a.cfg.Log()
	options := logx.Options{Level: section.Level, Terminal: logx.IsTerminal(), Counter: count}
	if section.ToFiles {
		options.Directory = section.Directory
	}
	log, closeFiles, err := logx.New(options)
	if err != nil {
		return err
	}
	a.log = log
	a.closer.add("log", func(context.Context) error { return closeFiles() })
	return nil
}

// startTimeout bounds how long the intake may take to open its socket.
const startTimeout = 10 * time.Second

// Start spawns the actors and returns when events are taken, or when ctx ends:
// then the service wants to be stopped like any other.
func (a *App) Start(ctx context.Context) error {
	a.say()
	a.startMQTT()
	tree, err := supervisors.Start(a.kit, a.log.Named("supervisor"), a.health, a.children(), a.onFatal)
	a.tree = tree
	if err != nil {
		return err
	}
	watching, cancel := context.WithCancel(context.WithoutCancel(ctx))
	a.unwatch = cancel
	a.serve.Go(func() { a.watchProperties(watching) })
	a.serve.Go(func() { a.watchFiles(watching) })
	a.serve.Go(func() { a.listener.run(watching) })
	if a.rest != nil {
		a.serve.Go(func() {
			if err := a.rest.Serve(); err != nil {
				a.onFatal("REST API", err)
			}
		})
	}
	if a.server != nil {
		a.serve.Go(func() {
			if err := a.server.Serve(); err != nil {
				a.onFatal("operations server", err)
			}
		})
	}
	if !a.cfg.UDP().Enable {
		return nil
	}
	late := time.NewTimer(startTimeout)
	defer late.Stop()
	select {
	case a.address = <-a.listening:
		return nil
	case err := <-a.deaf:
		a.pids.ingest = nil // there is nothing to close
		return fmt.Errorf("receive task events (udpServerConfig.serverHost, portTaskFailure, allowedSources): %w", err)
	case err := <-a.fatal:
		return err
	case <-ctx.Done():
		return nil
	case <-late.C:
		return fmt.Errorf("open the UDP socket (udpServerConfig.serverHost, portTaskFailure): no success within %s, see the log", startTimeout)
	}
}

// Fatal delivers the error after which the service cannot go on.
func (a *App) Fatal() <-chan error { return a.fatal }

func (a *App) onFatal(who string, reason any) {
	select {
	case a.fatal <- fmt.Errorf("%s is beyond rescue: %v", who, reason):
	default:
	}
}

// UDPAddress returns where events are received, once Start has returned.
func (a *App) UDPAddress() netip.AddrPort { return a.address }

// OperationsAddress returns where metrics and health are served, "" when they are not.
func (a *App) OperationsAddress() string {
	if a.server == nil {
		return ""
	}
	return a.server.Address()
}

// RESTAddress returns where the REST API is served, "" when it is not.
func (a *App) RESTAddress() string {
	if a.rest == nil {
		return ""
	}
	return a.rest.Address()
}

// Backlog returns how many events wait for a decision and how many notices for
// their delivery.
func (a *App) Backlog() (events, notices int) {
	return a.queue.Stats().Entries, a.outbox.Waiting()
}

// closeTime is what stopping the actors and closing the rest gets at the least, even
// where draining has used up the time: an orderly end is worth it.
const closeTime = 3 * time.Second

// Stop ends the service in order. What is not told by the end of ctx is told
// after the next start, which is no error.
func (a *App) Stop(ctx context.Context) error {
	a.health.Stopping()
	if a.unwatch != nil {
		a.unwatch()
	}
	a.log.Info("stopping: the intake closes, what is on its way is finished")
	for _, step := range []func(context.Context){a.closeREST, a.closeIntake, a.drainQueue, a.drainDelivery} {
		a.halfOf(ctx, step)
	}
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), max(remaining(ctx), closeTime))
	defer cancel()
	if a.tree != nil {
		a.halfOf(closing, a.tree.Stop)
	}
	stats := a.queue.Stats()
	err := a.closer.close(closing, a.log)
	a.serve.Wait()
	a.log.Info("stopped", zap.Int("events_left", stats.Entries), zap.Error(err))
	return err
}

// halfOf gives a step of the shutdown half of the time that is left, so that no
// step takes the time of all that follow.
func (a *App) halfOf(ctx context.Context, step func(context.Context)) {
	bounded, cancel := context.WithTimeout(ctx, remaining(ctx)/2)
	defer cancel()
	step(bounded)
}

// remaining returns the time until the deadline of ctx; a minute where it has none.
func remaining(ctx context.Context) time.Duration {
	if deadline, ok := ctx.Deadline(); ok {
		return time.Until(deadline)
	}
	return time.Minute
}

// drainQueue waits until every journalled event is decided. An event whose
// look-ups are slow may outlast the deadline; it is decided after the next start.
func (a *App) drainQueue(ctx context.Context) {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for a.queue.Stats().Pending > 0 && a.queue.Healthy() == nil {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// closer is the stack of what has to be closed, the last opened first.
type closer []struct {
	name string
	end  func(context.Context) error
}

func (c *closer) add(name string, end func(context.Context) error) {
	*c = append(*c, struct {
		name string
		end  func(context.Context) error
	}{name, end})
}

func (c *closer) close(ctx context.Context, log *zap.Logger) error {
	var all error
	for i := len(*c) - 1; i >= 0; i-- {
		if err := (*c)[i].end(ctx); err != nil {
			log.Warn("closing was not clean", zap.String("what", (*c)[i].name), logx.Err(err))
			all = errors.Join(all, fmt.Errorf("close %s: %w", (*c)[i].name, err))
		}
	}
	*c = nil
	return all
}
