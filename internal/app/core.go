package app

import (
	"context"
	"net/netip"
	"reflect"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"butler/actors/execution"
	"butler/actors/ingest"
	"butler/actors/kv"
	"butler/actors/qrsgate"
	"butler/api/sockets"
	"butler/config"
	"butler/internal/actorkit"
	"butler/internal/destination"
	"butler/internal/journal"
	"butler/internal/journal/jetstream"
	"butler/internal/outbox"
	"butler/internal/trail"
	"butler/internal/winsvc/probe"
	"butler/messages"
	"butler/supervisors"
)

// core is what all generations share: the journal, the actor system, the sockets,
// the log and the metrics.
type core struct {
	opts Options
	// began is when Start was called, startConfig the configuration of the first
	// generation.
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
	ledger     *journal.Ledger
	queue      *journal.Queue
	outbox     *outbox.Outbox
	quarantine *ingest.LedgerQuarantine
	trail      *trail.Trail // nil when explanations are disabled
	// appended counts writes to the journal.
	appended func(took time.Duration, err error)
	// crashed reports that the previous process crashed, rather than being stopped or killed.
	crashed bool
	// kvWanted reports that a configuration has enabled the key-value store; the
	// others are zero until then. kvLedger is its ledger on disk, kvMaxRecord the
	// largest record that takes, in bytes, and kvShelf answers reads without the actor.
	kvWanted    bool
	kvLedger    *journal.Ledger
	kvMaxRecord int
	kvShelf     *kv.Shelf
	// gateShelf holds the cached tasks that executions read without a message to qrsgate.
	gateShelf *qrsgate.Shelf
	rush      rush
	services  probe.Memory

	tree  *supervisors.Tree
	pids  pids
	fatal chan error
	// foundation closes the core, after everything else.
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
	current atomic.Pointer[App]
	rules   atomic.Pointer[execution.Rules]
	reloads reloads
}

// sharedMetrics returns the metrics of type M, which it registers at the first call.
// All generations share them, so that a reload never sets a counter back.
func sharedMetrics[M any](c *core, register func(prometheus.Registerer) *M) *M {
	kind := reflect.TypeFor[M]()
	if metrics, ok := c.shared[kind].(*M); ok {
		return metrics
	}
	metrics := register(c.reg)
	c.shared[kind] = metrics
	return metrics
}

// liveRouter routes alerts by the configuration in force.
type liveRouter struct{ *core }

func (r liveRouter) table() *destination.Table { return r.current.Load().table }

// Carries reports whether any destination could get the alert.
func (r liveRouter) Carries(a *messages.Alert) bool { return r.table().Carries(a) }

// NeedsOf returns what the destinations of the alert want looked up.
func (r liveRouter) NeedsOf(a *messages.Alert) destination.Needs { return r.table().NeedsOf(a) }

// Route returns the notices of the alert, and a verdict for each destination that gets none.
func (r liveRouter) Route(a *messages.Alert, finalState bool, now time.Time) ([]messages.NoticeHead, []destination.Verdict) {
	return r.table().Route(a, finalState, now)
}
