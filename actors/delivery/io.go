package delivery

import (
	"time"

	"butler/internal/outbox"
	"butler/internal/ratelimit"
	"butler/messages"
)

// Input is what a Machine can be told.
type Input interface{ input() }

// Loaded brings what the outbox holds for the instance. It is the first input of
// a life.
type Loaded struct {
	Notices []Queued
	Windows map[string]ratelimit.Window
}

// Arrived brings notices that are durable. One that is known already is ignored.
type Arrived struct{ Notices []Queued }

// Queued is a notice that is durable.
type Queued struct {
	ID messages.NoticeID
	// Key is what suppression counts by; "" exempts the notice.
	Key              string
	QueuedAt         time.Time
	Attempts, Panics int
	// Expires is when there is no use in sending it any more; zero for never.
	Expires time.Time
	// Unreadable says why the notice cannot be read, "" when it can.
	Unreadable string
}

// SendFinished tells how an attempt went, one result per notice, in order.
type SendFinished struct {
	Serial  uint64
	Results []Result
}

// Settled tells that a settlement is durable.
type Settled struct{ Serial uint64 }

// Due tells that the armed moment has come.
type Due struct{}

// Drain asks to start nothing any more.
type Drain struct{}

func (Loaded) input()       {}
func (Arrived) input()      {}
func (SendFinished) input() {}
func (Settled) input()      {}
func (Due) input()          {}
func (Drain) input()        {}

// ResultKind is how an attempt went for one notice.
type ResultKind uint8

// The kinds of result. They follow destination.ErrorKind, with the failures that
// are not the destination's.
const (
	Accepted ResultKind = iota
	Transient
	// Deferred: the destination is there, and may accept the notice later.
	Deferred
	Throttled
	Permanent
	Misconfigured
	// Panicked: the destination or a template crashed.
	Panicked
	// Unasked: the destination was not called, because of trouble of our own that may pass.
	Unasked
	// Unreadable: the notice could not be read from the outbox, and never will.
	Unreadable
)

// Result is how an attempt went for one notice.
type Result struct {
	Kind ResultKind
	// After is the delay that a throttling provider asked for; 0 when it named none.
	After time.Duration
	// Err says what went wrong. It holds no secret.
	Err string
}

// verdict is what the result says of the destination.
func (r Result) verdict() verdict {
	switch r.Kind {
	case Accepted, Deferred, Throttled, Permanent:
		return answered
	case Transient:
		return failed
	case Misconfigured:
		return hopeless
	case Panicked, Unasked, Unreadable:
	}
	return silent
}

// Effect is what a Machine wants done.
type Effect interface{ effect() }

// Send makes one attempt.
type Send struct {
	Serial  uint64
	Notices []Sending
}

// Sending is one notice of an attempt.
type Sending struct {
	ID messages.NoticeID
	// Attempt counts from 1.
	Attempt          int
	SuppressedBefore int
}

// Settle commits outcomes; Settled is expected when they are durable.
type Settle struct {
	Serial     uint64
	Settlement outbox.Settlement
}

// Arm asks for Due at a moment, instead of any asked for before.
type Arm struct{ At time.Time }

// Disarm takes back Arm.
type Disarm struct{}

// Retry says that a notice failed and is tried again after Delay at the soonest: when
// it is due, and when a pause or the breaker lets anything through.
type Retry struct {
	ID      messages.NoticeID
	Attempt int
	Delay   time.Duration
	Result  Result
}

// BreakerMoved says that the breaker opened or closed.
type BreakerMoved struct {
	Open  bool
	Until time.Time
	// Err is the failure that opened it.
	Err string
}

// Paused says that the provider asked for a pause.
type Paused struct{ Until time.Time }

// Drained says that nothing is on its way any more.
type Drained struct{}

func (Send) effect()         {}
func (Settle) effect()       {}
func (Arm) effect()          {}
func (Disarm) effect()       {}
func (Retry) effect()        {}
func (BreakerMoved) effect() {}
func (Paused) effect()       {}
func (Drained) effect()      {}
