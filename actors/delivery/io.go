package delivery

import (
	"time"

	"butler/internal/outbox"
	"butler/internal/ratelimit"
	"butler/messages"
)

// input is an input of the machine.
type input interface{ input() }

// loaded is the backlog of the instance, and the first input of a life.
type loaded struct {
	notices []queued
	windows map[string]ratelimit.Window
}

// arrived adds notices. Those that are known already are ignored.
type arrived struct{ notices []queued }

// queued is a notice in the outbox that waits for delivery.
type queued struct {
	id messages.NoticeID
	// key is its suppression key; "" exempts it from suppression.
	key              string
	queuedAt         time.Time
	attempts, panics int
	// expires is when it is outdated; zero for never.
	expires time.Time
	// unreadable says why the notice cannot be read, "" when it can.
	unreadable string
}

// sendFinished is the end of an attempt, with one result per notice, in order.
type sendFinished struct {
	serial  uint64
	results []result
}

// settled: a settlement is durable.
type settled struct{ serial uint64 }

// due: the armed time has come.
type due struct{}

// drain asks to start no more attempts.
type drain struct{}

func (loaded) input()       {}
func (arrived) input()      {}
func (sendFinished) input() {}
func (settled) input()      {}
func (due) input()          {}
func (drain) input()        {}

// resultKind is the outcome of an attempt for one notice.
type resultKind uint8

// The kinds of result. They follow destination.ErrorKind, with the failures that
// are not the destination's.
const (
	resultAccepted resultKind = iota
	resultTransient
	// resultDeferred: the destination answered, and may accept the notice later.
	resultDeferred
	resultThrottled
	resultPermanent
	resultMisconfigured
	// resultPanicked: the destination or a template crashed.
	resultPanicked
	// resultNotCalled: the destination was not called, for a reason of our own that may pass.
	resultNotCalled
	// resultUnreadable: the notice is damaged in the outbox.
	resultUnreadable
)

// result is the outcome of an attempt for one notice.
type result struct {
	kind resultKind
	// after is the delay that a throttling provider asked for; 0 when it named none.
	after time.Duration
	// err says what went wrong. It holds no secret.
	err string
}

// verdict is what the result says about the destination.
func (r result) verdict() verdict {
	switch r.kind {
	case resultAccepted, resultDeferred, resultThrottled, resultPermanent:
		return reachable
	case resultTransient:
		return unreachable
	case resultMisconfigured:
		return misconfigured
	case resultPanicked, resultNotCalled, resultUnreadable:
	}
	return inconclusive
}

// effect is an effect of the machine.
type effect interface{ effect() }

// send makes one attempt.
type send struct {
	serial  uint64
	notices []sending
}

// sending is one notice of an attempt.
type sending struct {
	id messages.NoticeID
	// attempt counts from 1.
	attempt          int
	suppressedBefore int
}

// settle commits outcomes. It is answered with settled when they are durable.
type settle struct {
	serial     uint64
	settlement outbox.Settlement
}

// arm asks for due at a time, instead of the one asked for before.
type arm struct{ at time.Time }

// disarm cancels arm.
type disarm struct{}

// retry reports that a notice failed and is tried again after delay at the earliest.
// That includes the rest of a pause or of an open breaker.
type retry struct {
	id      messages.NoticeID
	attempt int
	delay   time.Duration
	result  result
}

// breakerMoved reports that the breaker opened or closed.
type breakerMoved struct {
	open  bool
	until time.Time
	// err is the failure that opened it.
	err string
}

// paused reports that the provider asked for a pause.
type paused struct{ until time.Time }

// drained reports, after drain, that no attempt runs and every settlement is durable.
type drained struct{}

func (send) effect()         {}
func (settle) effect()       {}
func (arm) effect()          {}
func (disarm) effect()       {}
func (retry) effect()        {}
func (breakerMoved) effect() {}
func (paused) effect()       {}
func (drained) effect()      {}
