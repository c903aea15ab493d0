// Package app owns the assembly of the service and its life cycle. It is the
// one package that sees everything else.
//
// It guarantees that New either builds the whole service or cleans up what it
// built, that events are received once Start has returned, and that Stop ends the
// service in order: the intake, the decisions, the deliveries, the journal. Stop is
// bounded by its context; what is not finished by then is in the journal, and goes on
// after the next start. The package must never decide anything about an event.
package app

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"sync"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"butler/api"
	"butler/api/sockets"
	"butler/config"
	"butler/internal/actorkit"
	"butler/internal/buildinfo"
	"butler/internal/destination"
	"butler/internal/journal"
	"butler/internal/logx"
	"butler/internal/metrics"
	"butler/internal/mqttconn"
	"butler/internal/qlik/qrs"
	"butler/internal/starttask"
	"butler/internal/udp"
	"butler/internal/winsvc"
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
	// Load reads the configuration again, with everything that was said of it at the
	// start; nil means that it cannot be reloaded.
	Load func() (*config.Config, error)
	// OnReload, if set, is called when a reload begins, and the function that it returns
	// when the reload ends. Neither may block.
	OnReload func() (ended func(Reloaded))
	// LookEvery is how often the files of the configuration are looked at; 0 means 2 s.
	LookEvery time.Duration
	// Services answers for Windows services; nil means those of Windows, where the
	// process runs on it.
	Services winsvc.Manager
}

// App is the service under one version of the configuration: a generation. New builds
// the first one; a reload builds another one with the same core. Exported methods work
// on the current generation, whichever they are called on.
type App struct {
	*core
	cfg *config.Config
	// before is the generation that this one replaces, and changed the keys by which
	// their configurations differ. Both are only set during the reload.
	before  *App
	changed changes
	// certificates are the digests of the certificates for Qlik Sense.
	certificates string

	table *destination.Table
	// sources are who may send events, nil when anybody may.
	sources *udp.AllowList
	gate    gatePort
	server  *api.Server
	// rest is the REST API, nil without one.
	rest *api.Server
	// pairs is the ledger of the key-value store, nil when it keeps nothing on disk: that
	// of the core may be opened by a reload while calls of this generation are under way.
	// storesPairs says that its endpoints are on: then who starts a task may store
	// pairs, too.
	pairs       *journal.Ledger
	storesPairs bool
	// tellKeys reports the health of the file of API keys; nil without one.
	tellKeys func()
	// pages are further servers, for people and for container engines.
	pages []page
	// starter starts tasks on somebody's behalf; nil without a repository.
	// startFilter is what it may start.
	starter     *starttask.Starter
	startFilter starttask.Filter
	// apps are those of the engine; nil without a REST API.
	apps *apps
	// mqtt is the connection to the broker, listener publishes the state of the intake
	// there; both nil without a broker.
	mqtt     *mqttconn.Conn
	listener *listenerNews
	// inbound handles what the broker sends, nil when nothing is subscribed to;
	// startTopic is the topic whose messages start tasks, "" for none.
	inbound    *inbound
	startTopic string

	// monitors are what is watched.
	monitors   []runningMonitor
	qrsMetrics *qrs.Metrics
	// cloud takes events of Qlik Cloud, nil when no tenant is watched.
	cloud *cloudIntake

	serve sync.WaitGroup
	// unwatch ends the goroutines of watching.
	unwatch  context.CancelFunc
	watching sync.WaitGroup
	closer   closer
}

// pids are the actors that are used outside of the tree.
type pids struct{ ingest, gate, notify, values, schedules *actor.PID }

// first stores the PID of an actor. A successor has the same one.
func first(pid **actor.PID) func(*actor.PID) {
	return func(spawned *actor.PID) {
		if *pid == nil {
			*pid = spawned
		}
	}
}

// New builds the service. Nothing runs yet but the journal.
func New(o Options) (*App, error) {
	working, stop := context.WithCancel(context.Background())
	c := &core{
		opts: o, first: o.Config, log: o.Log, level: zap.NewAtomicLevel(), health: supervisors.NewBoard(),
		reg: metrics.New(buildinfo.Read()), known: map[reflect.Type]any{}, fatal: make(chan error, 1),
		listening: make(chan netip.AddrPort, 1), listenFailed: make(chan error, 1),
		working: func() context.Context { return working }, stopWork: stop,
	}
	c.reg.MustRegister(newComponents(c.health))
	a := &App{core: c, cfg: o.Config}
	c.current.Store(a)
	err := a.buildLog()
	if err == nil {
		a.logConfiguration() // problems that are ignored may be why the build fails
		c.kit = actorkit.New(c.log, actorkit.NewStats(c.reg))
		err = a.build()
	}
	if err != nil {
		stop()
		a.NoteFailure(err)
		ctx, quiet := context.Background(), zap.NewNop()
		return nil, errors.Join(err, a.closer.close(ctx, quiet), c.foundation.close(ctx, quiet))
	}
	c.reloads.begin(c)
	return a, nil
}

// build runs the steps of the assembly, each of which adds its own end to a closer.
func (a *App) build() error {
	for _, step := range []func() error{
		a.readCertificates, a.buildTable, a.buildSources, a.buildGate, a.openJournal, a.buildMonitors, a.openValues,
		a.buildStarter, a.buildCloud, a.buildREST, a.noteCertificates, a.listenOperations, a.buildPages,
	} {
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

// startTimeout bounds how long the intake may take to open its socket.
const startTimeout = 10 * time.Second

// Start spawns the actors and returns when events are received, or at the end of ctx.
// The caller has to Stop the service in either case.
func (a *App) Start(ctx context.Context) error {
	a.began = time.Now()
	a.logStart()
	a.sayHost()
	a.rules.Store(a.executionRules())
	a.watchTasks()
	tree, err := supervisors.Start(a.kit, a.log.Named("supervisor"), a.health, a.children(), a.onFatal)
	a.tree = tree
	if err != nil {
		return err
	}
	a.background.Go(func() { a.watchFiles(a.working()) })
	a.background.Go(func() { a.watchConfiguration(a.working()) })
	a.open()
	if !a.cfg.UDP().Enable {
		return nil
	}
	late := time.NewTimer(startTimeout)
	defer late.Stop()
	select {
	case <-a.listening:
		return nil
	case err := <-a.listenFailed:
		a.neverListened = true
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

// open starts what a generation does beside its actors: connections, watches, servers.
func (a *App) open() {
	a.startMQTT()
	if a.before == nil || a.before.cloud != a.cloud {
		a.cloud.connect()
	}
	watching, cancel := context.WithCancel(a.working())
	a.unwatch = cancel
	a.watching.Go(func() { a.watchExpected(watching) })
	if a.rest != nil {
		a.serve.Go(func() {
			if err := a.rest.Serve(); err != nil {
				a.onFatal("REST API", err)
			}
		})
	}
	a.servePages()
	if a.server != nil {
		a.serve.Go(func() {
			if err := a.server.Serve(); err != nil {
				a.onFatal("operations server", err)
			}
		})
	}
}

// NoteFailure logs why the service ends, for installations in which nobody sees the
// standard error of the process.
func (a *App) NoteFailure(err error) {
	if a.log != nil {
		a.log.Error("the service ends, because something has failed", logx.Err(err))
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
func (a *App) UDPAddress() netip.AddrPort {
	if at := a.address.Load(); at != nil {
		return *at
	}
	return netip.AddrPort{}
}

// OperationsAddress returns where metrics and health are served, "" when they are not.
func (a *App) OperationsAddress() string {
	if server := a.current.Load().server; server != nil {
		return server.Address()
	}
	return ""
}

// ShutdownTimeout returns how long an orderly end may take.
func (a *App) ShutdownTimeout() time.Duration {
	return a.current.Load().cfg.Delivery().ShutdownTimeout
}

// RESTAddress returns where the REST API is served, "" when it is not.
func (a *App) RESTAddress() string {
	if server := a.current.Load().rest; server != nil {
		return server.Address()
	}
	return ""
}

// Backlog returns how many events wait for a decision and how many notices for
// their delivery.
func (a *App) Backlog() (events, notices int) {
	return a.queue.Stats().Entries, a.outbox.Waiting()
}
