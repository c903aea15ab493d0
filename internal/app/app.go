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
	// Services is the service control manager to query; nil means that of Windows
	// when the process runs there.
	Services winsvc.Manager
}

// App is the service under one configuration: a generation. New builds the first
// one. A reload builds another that shares the same core, and replaces the one in
// force with it; core.current is the generation in force.
type App struct {
	*core
	cfg *config.Config
	// previous is the generation that this one replaces, and changed lists the keys
	// by which their configurations differ. previous is nil once this one is in force.
	previous *App
	changed  changes
	// certificates is a digest of the certificate files for Qlik Sense.
	certificates string

	table *destination.Table
	// sources is the allow-list of senders, nil when anybody may send.
	sources *udp.AllowList
	gate    gatePort
	// server is the operations server, nil when it is disabled.
	server *api.Server
	// rest is the REST API, nil when it is disabled.
	rest *api.Server
	// ownKVLedger is the ledger of the key-value store, nil when it is in memory. It is
	// core.kvLedger as it was when this generation was built: a reload may open that
	// one while calls of this generation are under way.
	ownKVLedger *journal.Ledger
	// kvServed reports that the key-value endpoints are enabled. Then a start request
	// may store key-values, too.
	kvServed bool
	// reportKeyFile sets the health of the file of API keys; nil without one.
	reportKeyFile func()
	// pages are the configuration page and the health check, where enabled.
	pages []page
	// starter starts tasks for callers, within startFilter; nil without a repository.
	starter     *starttask.Starter
	startFilter starttask.Filter
	// apps serves the endpoints that ask the engine; nil without a REST API.
	apps *apps
	// mqtt is the connection to the broker, and listener publishes there whether task
	// events can be received; both nil without a broker.
	mqtt     *mqttconn.Conn
	listener *listenerStatus
	// inbound handles messages of the broker, nil when nothing is subscribed to;
	// startTopic is the topic whose messages start tasks, "" for none.
	inbound    *inbound
	startTopic string

	monitors   []runningMonitor
	qrsMetrics *qrs.Metrics
	// cloud takes events of Qlik Cloud, nil when no tenant is configured.
	cloud *cloudIntake

	// serve waits for the goroutines of the servers.
	serve sync.WaitGroup
	// stopWatching ends the goroutines of watching.
	stopWatching context.CancelFunc
	watching     sync.WaitGroup
	// closer closes what this generation opened.
	closer closer
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
	lifetime, stop := context.WithCancel(context.Background())
	c := &core{
		opts: o, startConfig: o.Config, log: o.Log, level: zap.NewAtomicLevel(), health: supervisors.NewBoard(),
		reg: metrics.New(buildinfo.Read()), shared: map[reflect.Type]any{}, fatal: make(chan error, 1),
		listening: make(chan netip.AddrPort, 1), listenFailed: make(chan error, 1),
		lifetime: func() context.Context { return lifetime }, endLifetime: stop,
	}
	c.reg.MustRegister(newComponents(c.health))
	a := &App{core: c, cfg: o.Config}
	c.current.Store(a)
	err := a.buildLog()
	if err == nil {
		a.logConfiguration() // first, as an ignored problem may be why something cannot be built
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

// build runs the steps of the assembly. Each adds what it opens to a closer.
func (a *App) build() error {
	for _, step := range []func() error{
		a.digestCertificates, a.buildTable, a.buildSources, a.buildGate, a.openJournal, a.buildMonitors, a.openValues,
		a.buildStarter, a.buildCloud, a.buildREST, a.exposeCertificateExpiry, a.listenOperations, a.buildPages,
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
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

// startTimeout bounds how long Start waits for the UDP socket.
const startTimeout = 10 * time.Second

// Start spawns the actors and returns nil when task events are received, or when
// ctx ends before that. After an error, too, the service has to be stopped.
func (a *App) Start(ctx context.Context) error {
	a.began = time.Now()
	a.logStart()
	a.logHost()
	a.rules.Store(a.executionRules())
	a.watchTasks()
	tree, err := supervisors.Start(a.kit, a.log.Named("supervisor"), a.health, a.children(), a.onFatal)
	a.tree = tree
	if err != nil {
		return err
	}
	a.background.Go(func() { a.watchDamagedFiles(a.lifetime()) })
	a.background.Go(func() { a.watchConfiguration(a.lifetime()) })
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

// open starts what a generation does beside its actors: broker connections,
// watches and servers.
func (a *App) open() {
	a.startMQTT()
	if a.previous == nil || a.previous.cloud != a.cloud {
		a.cloud.connect()
	}
	watching, cancel := context.WithCancel(a.lifetime())
	a.stopWatching = cancel
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
	if server := a.current.Load().server; server != nil {
		return server.Address()
	}
	return ""
}

// ShutdownTimeout returns how long Stop may take, by the configuration in force.
func (a *App) ShutdownTimeout() time.Duration {
	return a.current.Load().cfg.Delivery().ShutdownTimeout
}

// RESTAddress returns the address of the REST API, "" when it is disabled.
func (a *App) RESTAddress() string {
	if server := a.current.Load().rest; server != nil {
		return server.Address()
	}
	return ""
}

// Backlog returns the number of events that wait for a decision and of notices
// that wait for delivery.
func (a *App) Backlog() (events, notices int) {
	return a.queue.Stats().Entries, a.outbox.Waiting()
}
