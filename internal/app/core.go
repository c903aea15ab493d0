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

// core is what outlives a change of the configuration: the journal, the actor
// system, the sockets, the log and the metrics.
type core struct {
	opts Options
	// began is when Start was called, first the configuration at that time.
	began time.Time
	first *config.Config

	log    *zap.Logger
	level  zap.AtomicLevel
	reg    *prometheus.Registry
	known  map[reflect.Type]any // see once
	health *supervisors.Board
	kit    *actorkit.Kit

	sockets    sockets.Shared
	store      journal.Store
	disk       *jetstream.Store // store, when it is on disk
	ledger     *journal.Ledger
	queue      *journal.Queue
	outbox     *outbox.Outbox
	quarantine *ingest.LedgerQuarantine
	trail      *trail.Trail // nil when nothing is to be noted
	// appended counts what is written to the journal.
	appended func(took time.Duration, err error)
	// crashed reports that the process before this one crashed by itself.
	crashed bool
	// hasValues says whether there is a key-value store, values is what it remembers
	// on disk, maxValues the largest record of that and shelved what can be read
	// without asking; nil and 0 until it is wanted.
	hasValues bool
	values    *journal.Ledger
	maxValues int
	shelved   *kv.Shelf
	shelf     *qrsgate.Shelf
	rush      rush
	services  probe.Memory

	tree       *supervisors.Tree
	pids       pids
	fatal      chan error
	foundation closer
	// logged is how many closers at the bottom of foundation belong to the log, which
	// has to outlive the others.
	logged int
	// background is what goes on beside the actors until stopWork.
	background sync.WaitGroup
	working    func() context.Context
	stopWork   context.CancelFunc

	listening    chan netip.AddrPort
	listenFailed chan error
	// neverListened says that the UDP socket could not be opened.
	neverListened bool
	address       atomic.Pointer[netip.AddrPort]

	// current is the generation in force; rules are what it says about executions.
	current atomic.Pointer[App]
	rules   atomic.Pointer[execution.Rules]
	reloads reloads
}

// once returns the metrics of a kind. They outlive a change of the
// configuration, so that counters never go back.
func once[M any](c *core, registered func(prometheus.Registerer) *M) *M {
	kind := reflect.TypeFor[M]()
	if one, ok := c.known[kind].(*M); ok {
		return one
	}
	one := registered(c.reg)
	c.known[kind] = one
	return one
}

// liveRouter routes by the configuration in force.
type liveRouter struct{ *core }

func (r liveRouter) table() *destination.Table { return r.current.Load().table }

// Carries reports whether anybody could be told of the alert.
func (r liveRouter) Carries(a *messages.Alert) bool { return r.table().Carries(a) }

// NeedsOf returns what those who are told want looked up.
func (r liveRouter) NeedsOf(a *messages.Alert) destination.Needs { return r.table().NeedsOf(a) }

// Route returns who is told, and why others are not.
func (r liveRouter) Route(a *messages.Alert, finalState bool, now time.Time) ([]messages.NoticeHead, []destination.Verdict) {
	return r.table().Route(a, finalState, now)
}
