// Package monitor owns what is watched at regular times: when a probe runs, and
// that what it found is told. There is one actor for each thing that is watched;
// the probe is a function and everything around it is here.
//
// It guarantees that at most one probe of a monitor runs, also when a probe
// ignores its deadline or the actor was restarted: times that come meanwhile are
// skipped and counted. An alert of a probe goes the way of every other: who is
// told is decided by the routing table, recorded, and told from the journal, so
// that it is repeated, suppressed and parked alike. A failed or crashed probe
// costs nothing but its reading, and the health says so until one succeeds.
//
// It must never decide anything about what was found, remember it, or wait.
package monitor

import (
	"context"
	"time"

	"butler/internal/destination"
	"butler/internal/journal"
	"butler/internal/outbox"
	"butler/messages"
)

// Report is what a probe found.
type Report struct {
	// Alerts are of monitored or measured kinds. They need no ID, key and time:
	// they get those of the probe. One that nobody wants costs nothing.
	Alerts []messages.Alert
	// Trouble is what went wrong beside that, in a few words, "" for nothing: a
	// host that did not answer among others that did. The health shows it.
	Trouble string
	// Taken, if set, is called when the alerts are on their way to the disk: from
	// then on they are not to be found again. A report whose actor has ended
	// meanwhile is not taken. It must not block.
	Taken func()
}

// Probe looks once. at is the time it counts as, which is a moment ago. It ends
// with its context. What it finds before an error is told all the same. Calls
// of one probe never overlap, so it may remember what it found the last time.
type Probe func(ctx context.Context, at time.Time) (Report, error)

// Router decides who is told; *destination.Table is the one in use.
type Router interface {
	Route(a *messages.Alert, finalState bool, now time.Time) ([]messages.NoticeHead, []destination.Verdict)
}

// Outbox is where decisions are made durable; *outbox.Outbox is the one in use.
type Outbox interface {
	Record(d outbox.Decision, more []journal.Op, done func(error))
}
