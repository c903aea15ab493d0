// Package cloud owns the way of a failed app reload in Qlik Cloud, from the
// event that tells of it until everything that was decided about it is on disk.
//
// It guarantees that
//   - an event is answered as accepted when it is on disk, and not before;
//   - a reload is alerted once, however often its event comes, across restarts;
//   - an alert waits for the tenant no longer than configured, and goes out with
//     what is known then, marked so;
//   - a decision, its notices, the mark that it was made and the end of the event
//     become durable as one;
//   - the tenant gets few calls at a time, and none while it has asked for a pause;
//   - an event that crashes the actor again and again is first handled without any
//     look-up and in the end kept in the quarantine, where it stops nobody.
//
// Calls run on goroutines of actorkit.Effects, bounded by a pool; their answers
// are dropped when the actor ends. The machine decides and does nothing; the
// actor does and decides nothing. It must never block, and never talk to a destination.
package cloud

import (
	"context"
	"time"

	"butler/internal/destination"
	"butler/internal/journal"
	"butler/internal/outbox"
	"butler/messages"
)

// Tenant is asked for what an event does not say. An error that has a method
// Failure says with it what it means, and one with a method RetryAfter how long
// the tenant wants to be left alone; any other means that it is out of reach.
type Tenant interface {
	ScriptLog(ctx context.Context, appID, reloadID string) (messages.CloudScriptLog, error)
	Record(ctx context.Context, reloadID string) (messages.CloudRecord, error)
	App(ctx context.Context, appID string) (messages.CloudApp, error)
	Item(ctx context.Context, appID string) (messages.CloudItem, error)
	User(ctx context.Context, userID string) (messages.CloudUser, error)
}

// Ledger is the durable memory; *journal.Ledger is the one in use.
type Ledger interface {
	Commit(ops []journal.Op, done func(error))
	Range(b journal.Bucket, visit func(key string, value []byte) bool) error
	Healthy() error
}

// Outbox is where decisions are made durable; *outbox.Outbox is the one in use.
type Outbox interface {
	Record(d outbox.Decision, more []journal.Op, done func(error))
}

// Quarantine keeps for an operator what ended without a decision.
type Quarantine interface {
	Keep(messages.QuarantinedDatagram)
}

// Router answers who is told of an alert, and what they want looked up.
// *destination.Table is the one used in production.
type Router interface {
	Carries(a *messages.Alert) bool
	NeedsOf(a *messages.Alert) destination.Needs
	Route(a *messages.Alert, finalState bool, now time.Time) ([]messages.NoticeHead, []destination.Verdict)
}

// Rules are the limits the machine works within. Those of the second part may be
// 0, for what is said there.
type Rules struct {
	Router Router
	// Configured holds what alerts show of the configuration: tenant comment and
	// address, and links.
	Configured messages.CloudReload
	// DegradedAfter is how long look-ups may take before the alert goes out with what is known.
	DegradedAfter time.Duration

	// RetryEvery is the pause before a failed look-up is repeated; 0 means 2 s.
	RetryEvery time.Duration
	// CallTimeout bounds one look-up; 0 means 30 s.
	CallTimeout time.Duration
	// MaxCalls is how many look-ups run at once; 0 means 4.
	MaxCalls int
	// MaxOpen is how many events may wait for a decision; 0 means 10,000.
	MaxOpen int
	// RememberFor is how long a reload is known after its decision; 0 means a day.
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
