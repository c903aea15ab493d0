// Package cloud owns the handling of a failed app reload in Qlik Cloud, from its event
// until the decision about it is on disk.
//
// It guarantees that
//   - an event is answered as accepted only once it is on disk;
//   - a reload is alerted once, however often its event comes, across restarts;
//   - an alert waits for the tenant no longer than configured, and then goes out with
//     what is known, marked as degraded;
//   - a decision, its notices, the mark that the reload is decided and the end of the
//     event are committed together;
//   - the tenant gets few calls at a time, and none while it has asked for a pause;
//   - an event that crashes the actor repeatedly is first handled without look-ups, and
//     finally moved to the quarantine, where it does no harm.
//
// Calls run on goroutines of actorkit.Effects, bounded by a pool; their answers are
// dropped when the actor ends. The machine makes all decisions; the actor carries them
// out. It must never block, and never talk to a destination.
package cloud

import (
	"context"
	"time"

	"butler/internal/destination"
	"butler/internal/journal"
	"butler/internal/outbox"
	"butler/messages"
)

// Tenant looks up what is missing in an event. An error may have a method Failure, which
// classifies it, and a method RetryAfter, which returns the pause that the tenant
// requests. Any other error means that the tenant cannot be reached.
type Tenant interface {
	ScriptLog(ctx context.Context, appID, reloadID string) (messages.CloudScriptLog, error)
	Record(ctx context.Context, reloadID string) (messages.CloudRecord, error)
	App(ctx context.Context, appID string) (messages.CloudApp, error)
	Item(ctx context.Context, appID string) (messages.CloudItem, error)
	User(ctx context.Context, userID string) (messages.CloudUser, error)
}

// Ledger is the durable storage; *journal.Ledger implements it.
type Ledger interface {
	Commit(ops []journal.Op, done func(error))
	Range(b journal.Bucket, visit func(key string, value []byte) bool) error
	Writable() error
}

// Outbox makes decisions durable; *outbox.Outbox implements it.
type Outbox interface {
	Record(d outbox.Decision, more []journal.Op, done func(error))
}

// Quarantine keeps events without a decision, for an operator.
type Quarantine interface {
	Keep(messages.QuarantinedDatagram)
}

// Router returns which destinations receive an alert, and what they want looked up.
// *destination.Table implements it.
type Router interface {
	Carries(a *messages.Alert) bool
	NeedsOf(a *messages.Alert) destination.Needs
	Route(a *messages.Alert, finalState bool, now time.Time) ([]messages.NoticeHead, []destination.Omission)
}

// Rules configure the machine. In the second part, 0 means the default.
type Rules struct {
	Router Router
	// Configured holds the parts of the configuration that alerts show: tenant comment
	// and address, and links.
	Configured messages.CloudReload
	// DegradedAfter is how long look-ups may take before the alert is sent without the rest.
	DegradedAfter time.Duration

	// RetryEvery is the pause before a failed look-up is repeated; 0 means 2 s.
	RetryEvery time.Duration
	// CallTimeout bounds one look-up; 0 means 30 s.
	CallTimeout time.Duration
	// MaxCalls is the maximum number of concurrent look-ups; 0 means 4.
	MaxCalls int
	// MaxOpen is the maximum number of events without a decision; 0 means 10,000.
	MaxOpen int
	// RememberFor is how long a decided reload is remembered; 0 means a day.
	RememberFor time.Duration
}

func (r Rules) withDefaults() Rules {
	if r.RetryEvery <= 0 {
		r.RetryEvery = 2 * time.Second
	}
	if r.CallTimeout <= 0 {
		r.CallTimeout = 30 * time.Second
	}
	if r.MaxCalls <= 0 {
		r.MaxCalls = 4
	}
	if r.MaxOpen <= 0 {
		r.MaxOpen = 10_000
	}
	if r.RememberFor <= 0 {
		r.RememberFor = 24 * time.Hour
	}
	return r
}
