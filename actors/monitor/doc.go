// Package monitor owns the schedule of probes and the routing of what they find. Each
// monitor is an actor; its probe is a function.
//
// It guarantees that at most one probe of a monitor runs, even when a probe ignores
// its deadline or the actor is restarted: a run that is due meanwhile is skipped and
// counted. Alerts of probes are routed, recorded and delivered like those of tasks. A
// probe that fails or panics loses only its own result, and the health is degraded
// until a probe succeeds.
//
// It must never interpret or store what a probe finds, or block.
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
	// Alerts are of monitored or measured kinds. ID, key and time are set by the
	// monitor. Alerts without a destination are not recorded.
	Alerts []messages.Alert
	// Trouble describes a partial failure, such as one host of several that did not
	// answer, "" without one. It is shown in the health.
	Trouble string
	// Taken, if set, is called when the alerts have been handed to the outbox: the probe
	// must not report them again. It is not called when the actor has ended meanwhile.
	// It must not block.
	Taken func()
}

// Probe runs once and returns before its context ends. at is the time to record,
// shortly before the call. The alerts of its report are sent even when it returns an
// error. Calls of one probe never overlap, so it may keep state.
type Probe func(ctx context.Context, at time.Time) (Report, error)

// Router chooses the destinations of an alert; *destination.Table implements it.
type Router interface {
	Route(a *messages.Alert, finalState bool, now time.Time) ([]messages.NoticeHead, []destination.Omission)
}

// Outbox makes notices durable; *outbox.Outbox implements it.
type Outbox interface {
	Record(d outbox.Decision, more []journal.Op, done func(error))
}
