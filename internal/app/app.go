// Package app owns the assembly of the service and its life cycle. It is the
// one package that may import every other.
//
// New either builds the whole service or cleans up what it built. When Start
// returns nil, task events are received. Stop ends the service in order (intake,
// decisions, deliveries, journal) and is bounded by its context; what is cut off
// is in the journal and continues after the next start. Reload either puts a
// changed configuration in force completely or changes nothing.
//
// The package must never decide anything about an event.
package app

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"sync"
	"sync/atomic"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"butler/actors/execution"
	"butler/actors/qrsgate"
	"butler/api/sockets"
	"butler/config"
	"butler/internal/actorkit"
	"butler/internal/buildinfo"
	"butler/internal/journal"
	"butler/internal/journal/jetstream"
	"butler/internal/logx"
	"butler/internal/metrics"
	"butler/internal/outbox"
	"butler/internal/quarantine"
	"butler/internal/trail"
	"butler/internal/winsvc"
	"butler/internal/winsvc/probe"
	"butler/messages"
	"butler/supervisors"
)

// Options configure an App.
type Options struct {
	Config *config.Config
	// Isolated makes no connection to Qlik Sense, even when one is configured.
	Isolated bool
	// Log is the logger; nil builds one from the configuration.
	Log *zap.Logger
	// OnSettled is called with the outcome of every notice, unless it is nil. It must
	// not block.
	OnSettled func(messages.NoticeSettled)
	// Load reads the configuration again, with the flags and environment of the
	// start; nil means that it cannot be reloaded.
	Load func() (*config.Config, error)
	// OnReload is called when a reload begins, and the function it returns when the
	// reload has ended, unless it is nil. Neither may block.
	OnReload func() (ended func(Reloaded))
	// LookEvery is the interval at which the configuration files are checked for
	// changes; 0 means 2 s.
	LookEvery time.Duration
	// KeptSocket keeps the UDP socket open while the service is restarted; nil keeps none.
	KeptSocket KeptSocket
	// Services is the service control manager to query; nil means that of Windows
	// when the process runs there.
	Services winsvc.Manager
}

// App is the running service: everything that lives as long as the process. That is
// the journal, the actor system, the sockets, the log and the metrics. Everything
// that depends on the configuration, and that a reload can replace, is in a
// generation.
type App struct {
	opts Options
	// began is when Start was called, startConfig the configuration of the first
	// generation. The keys marked "restart" in the schema are read from that one.
	began       time.Time
	startConfig *config.Config

	log    *zap.Logger
	level  zap.AtomicLevel
	reg    *prometheus.Registry
	shared map[reflect.Type]any // see sharedMetrics
	health *supervisors.Board
	kit    *actorkit.Kit

	sockets    sockets.Shared
	store      journal.Store
	disk       *jetstream.Store // store, nil when it is in memory
	filesGone  atomic.Bool      // whether the directory of disk was gone when last looked at
	ledger     *journal.Ledger
	queue      *journal.Queue
	outbox     *outbox.Outbox
	quarantine *quarantine.Quarantine
	trail      *trail.Trail // nil when explanations are disabled
	// appended counts writes to the journal.
	appended func(took time.Duration, err error)
	// crashed reports that the previous process crashed, rather than being stopped or killed.
	crashed bool
	// gateCache holds the tasks that executions read without a message to qrsgate.
	gateCache *qrsgate.ReadCache
	burst     burst
	services  probe.Memory

	tree  *supervisors.Tree
	pids  pids
	fatal chan error
	// foundation closes what the App opened, after everything else.
	foundation closer
	// logged is how many entries of foundation have to stay open for the last log line.
	logged int
	// background waits for the goroutines that run until lifetime ends.
	background sync.WaitGroup
	// lifetime returns a context that endLifetime cancels.
	lifetime    func() context.Context
	endLifetime context.CancelFunc

	// listening and listenFailed get the first result of opening the UDP socket.
	listening    chan netip.AddrPort
	listenFailed chan error
	// neverListened reports that the UDP socket could not be opened.
	neverListened bool
	address       atomic.Pointer[netip.AddrPort]

	// current is the generation in force, rules its rules for executions.
	current atomic.Pointer[generation]
	rules   atomic.Pointer[execution.Rules]
	reloads reloads
}

// pids are the actors that messages are sent to. Each is nil until it is spawned.
type pids struct{ ingest, gate, notify, values, schedules *actor.PID }

// setOnce stores the PID of an actor unless one is stored: a successor has the
// same name, so its PID is equal, and others read the variable meanwhile.
func setOnce(pid **actor.PID) func(*actor.PID) {
	return func(spawned *actor.PID) {
		if *pid == nil {
			*pid = spawned
		}
	}
}

// New builds the service and opens the journal and the listening TCP ports. No
// actor runs before Start. When it fails, everything it opened is closed.
func New(o Options) (*App, error) {
	if o.KeptSocket == nil {
		o.KeptSocket = noKeptSocket{}
	}
	lifetime, stop := context.WithCancel(context.Background())
	a := &App{
		opts: o, startConfig: o.Config, log: o.Log, level: zap.NewAtomicLevel(), health: supervisors.NewBoard(),
		reg: metrics.New(buildinfo.Read()), shared: map[reflect.Type]any{}, fatal: make(chan error, 1),
		listening: make(chan netip.AddrPort, 1), listenFailed: make(chan error, 1),
		lifetime: func() context.Context { return lifetime }, endLifetime: stop,
	}
	a.reg.MustRegister(newComponents(a.health))
	g := &generation{App: a, cfg: o.Config}
	a.current.Store(g)
	err := a.buildLog()
	if err == nil {
		g.logConfiguration() // first, as an ignored problem may be why something cannot be built
		a.kit = actorkit.New(a.log, actorkit.NewStats(a.reg))
		err = a.openJournal()
	}
	if err == nil {
		err = g.build()
	}
	if err != nil {
		stop()
		a.NoteFailure(err)
		ctx, quiet := context.Background(), zap.NewNop()
		return nil, errors.Join(err, g.discard(), a.foundation.close(ctx, quiet))
	}
	a.reloads.begin(a)
	return a, nil
}

// buildLog makes the logger that Options does not bring, and counts lines by level.
func (a *App) buildLog() error {
	count := metrics.LogLines(a.reg)
	if a.log != nil {
		a.log = a.log.WithOptions(zap.Hooks(func(line zapcore.Entry) error {
			count(line.Level.String())
			return nil
		}))
		return nil
	}
	section := a.startConfig.Log()
	options := logx.Options{Level: section.Level, Adjust: &a.level, Terminal: logx.IsTerminal(), Counter: count}
	if section.ToFiles {
		options.Directory = section.Directory
	}
	log, closeFiles, err := logx.New(options)
	if err != nil && section.ToFiles {
		return fmt.Errorf("open the log (logDirectory): %w", err)
	}
	if err != nil {
		return err
	}
	a.log = log
	a.foundation.add("log", func(context.Context) error { return closeFiles() })
	a.logged = len(a.foundation)
	return nil
}

// startTimeout bounds how long Start waits for the UDP socket.
const startTimeout = 10 * time.Second

// Start spawns the actors and returns nil when task events are received, or when
// ctx ends before that. After an error, too, the service has to be stopped.
func (a *App) Start(ctx context.Context) error {
	first := a.current.Load()
	a.began = time.Now()
	first.logStart()
	a.logHost()
	first.comeIntoForce() // before the actors, which record alerts
	tree, err := supervisors.Start(a.kit, a.log.Named("supervisor"), a.health, first.children(), a.onFatal)
	a.tree = tree
	if err != nil {
		return err
	}
	a.lookAtFiles()
	a.background.Go(func() { a.watchFiles(a.lifetime()) })
	a.background.Go(func() { a.watchConfiguration(a.lifetime()) })
	first.open()
	if !a.takesEvents() {
		a.dropSocket()
		return nil
	}
	late := time.NewTimer(startTimeout)
	defer late.Stop()
	select {
	case <-a.listening:
		return nil
	case err := <-a.listenFailed:
		a.neverListened = true
		bounded, cancel := context.WithTimeout(ctx, lastWordTimeout)
		defer cancel()
		first.listener.settle(bounded, listenerFailed)
		if sockets.InUse(err) {
			err = fmt.Errorf("%w (the port is in use; choose another udpServerConfig.portTaskFailure)", err)
		}
		return fmt.Errorf("receive task events (udpServerConfig.serverHost, portTaskFailure, allowedSources): %w", err)
	case err := <-a.fatal:
		return err
	case <-ctx.Done():
		return nil
	case <-late.C:
		return fmt.Errorf("open the UDP socket (udpServerConfig.serverHost, portTaskFailure): no success within %s, see the log", startTimeout)
	}
}

// NoteFailure logs the error that ends the service. The standard error of a
// service is often not kept, and then the log is the only place to find it.
func (a *App) NoteFailure(err error) {
	if a.log != nil {
		a.log.Error("the service ends after an error", logx.Err(err))
	}
}

// Fatal returns a channel that delivers the error after which the service cannot
// continue. The caller then has to call Stop.
func (a *App) Fatal() <-chan error { return a.fatal }

func (a *App) onFatal(component string, reason any) {
	select {
	case a.fatal <- fmt.Errorf("%s failed for good: %v", component, reason):
	default:
	}
}

// UDPAddress returns the address at which task events are received, the zero value
// before Start has returned.
func (a *App) UDPAddress() netip.AddrPort {
	if at := a.address.Load(); at != nil {
		return *at
	}
	return netip.AddrPort{}
}

// OperationsAddress returns the address of the operations server, "" when it is disabled.
func (a *App) OperationsAddress() string {
	return a.current.Load().addressOf(operationsServer)
}

// ShutdownTimeout returns how long Stop may take, by the configuration in force.
func (a *App) ShutdownTimeout() time.Duration {
	return a.current.Load().cfg.Delivery().ShutdownTimeout
}

// RESTAddress returns the address of the REST API, "" when it is disabled.
func (a *App) RESTAddress() string {
	return a.current.Load().addressOf(restServer)
}

// Backlog returns the number of events that wait for a decision and of notices
// that wait for delivery.
func (a *App) Backlog() (events, notices int) {
	return a.queue.Stats().Entries, a.outbox.Waiting()
}
