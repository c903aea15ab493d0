package app

import (
	"context"
	"sync"
	"time"

	"butler/config"
	"butler/internal/destination"
	"butler/internal/journal"
	"butler/internal/mqttconn"
	"butler/internal/qlik/qrs"
	"butler/internal/starttask"
	"butler/internal/udp"
	"butler/messages"
)

// generation is everything that is built from one configuration. New builds the first
// one. A reload builds another, beside the one in force, and replaces that with it;
// App.current is the generation in force.
type generation struct {
	*App
	cfg *config.Config
	// previous is the generation that this one replaces, and changed lists the keys
	// by which their configurations differ. previous is nil once this one is in force.
	previous *generation
	changed  changes
	// certificates is a digest of the certificate files for Qlik Sense.
	certificates string

	table *destination.Table
	// numbers are those of the entries of lists, which the names in table end in.
	numbers *destination.Numbers
	// sources is the allow-list of senders, nil when anybody may send.
	sources *udp.AllowList
	gate    gatePort
	// parts are the features that a reload may keep.
	parts []*part
	// servers are the listening servers, which no reload keeps.
	servers []server
	values  valueStore
	// valuesLedger is values.ledger, nil when the store is in memory.
	valuesLedger *journal.Ledger
	// kvServed reports that the key-value endpoints are enabled. Then a start request
	// may store key-values, too.
	kvServed bool
	// starter starts tasks for callers, within startFilter; nil without a repository.
	starter     *starttask.Starter
	startFilter starttask.Filter
	// apps serves the endpoints that ask the engine; nil without a REST API.
	apps *apps
	// mqtt is the connection to the broker, and listener publishes there whether task
	// events can be received; both nil without a broker.
	mqtt     *mqttconn.Conn
	listener *listenerStatus
	// startTopic is the topic of the broker whose messages start tasks, "" for none.
	startTopic string

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

// build runs the steps of the assembly. Each adds what it opens to a closer. They
// write to this generation only, as it may never come into force; what it then changes
// of the process is in comeIntoForce and activate.
func (g *generation) build() error {
	for _, step := range []func() error{
		g.digestCertificates, g.buildSources, g.buildTable, g.buildGate, g.openValues, g.buildStarter,
		g.buildCloud, g.buildMonitors, g.buildREST, g.buildScheduler, g.listenOperations, g.buildPages,
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// comeIntoForce makes this the generation in force.
func (g *generation) comeIntoForce() {
	g.recordNumbers() // first, as alerts are recorded under new names from now on
	g.current.Store(g)
	g.rules.Store(g.executionRules())
	g.watchTasks()
	g.keepValues()
	g.exposeCertificateExpiry()
}

// open starts what a generation does beside its actors: broker connections,
// watches and servers.
func (g *generation) open() {
	for _, p := range g.partsNotIn(g.previous) {
		if p.open != nil {
			p.open()
		}
	}
	watching, cancel := context.WithCancel(g.lifetime())
	g.stopWatching = cancel
	g.watching.Go(func() { g.watchExpected(watching) })
	g.serveAll()
}

// liveRouter routes alerts by the configuration in force.
type liveRouter struct{ *App }

func (r liveRouter) table() *destination.Table { return r.current.Load().table }

// Carries reports whether any destination could get the alert.
func (r liveRouter) Carries(a *messages.Alert) bool { return r.table().Carries(a) }

// NeedsOf returns what the destinations of the alert want looked up.
func (r liveRouter) NeedsOf(a *messages.Alert) destination.Needs { return r.table().NeedsOf(a) }

// Route returns the notices of the alert, and an omission for each destination that gets none.
func (r liveRouter) Route(a *messages.Alert, finalState bool, now time.Time) ([]messages.NoticeHead, []destination.Omission) {
	return r.table().Route(a, finalState, now)
}
