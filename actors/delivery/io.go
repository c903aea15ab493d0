package delivery

import (
	"time"

	"butler/internal/outbox"
	"butler/internal/ratelimit"
	"butler/messages"
)

// input is what a machine can be told.
type input interface{ input() }

// loaded brings what the outbox holds for the instance. It is the first input of
// a life.
type loaded struct {
	notices []queued
	windows map[string]ratelimit.Window
}

// arrived brings notices that are durable. One that is known already is ignored.
type arrived struct{ notices []queued }

// queued is a notice that is durable.
type queued struct {
	id messages.NoticeID
	// key is what suppression counts by; "" exempts the notice.
	key              string
	queuedAt         time.Time
	attempts, panics int
	// expires is when there is no use in sending it any more; zero for never.
	expires time.Time
	// unreadable says why the notice cannot be read, "" when it can.
	unreadable string
}

// sendFinished tells how an attempt went, one result per notice, in order.
type sendFinished struct {
	serial  uint64
	results []result
}

// settled tells that a settlement is durable.
type settled struct{ serial uint64 }

// due tells that the armed moment has come.
type due struct{}

// drain asks to start nothing any more.
type drain struct{}

func (loaded) input()       {}
func (arrived) input()      {}
func (sendFinished) input() {}
func (settled) input()      {}
func (due) input()          {}
func (drain) input()        {}

// resultKind is how an attempt went for one notice.
type resultKind uint8

// The kinds of result. They follow destination.ErrorKind, with the failures that
// are not the destination's.
const (
	resultAccepted resultKind = iota
	resultTransient
	// resultDeferred: the destination is there, and may accept the notice later.
	resultDeferred
	resultThrottled
	resultPermanent
	resultMisconfigured
	// resultPanicked: the destination or a template crashed.
	resultPanicked
	// resultUnasked: the destination was not called, because of trouble of our own that may pass.
	resultUnasked
	// resultUnreadable: the notice could not be read from the outbox, and never will.
	resultUnreadable
)

// result is how an attempt went for one notice.
type result struct {
	kind resultKind
	// after is the delay that a throttling provider asked for; 0 when it named none.
	after time.Duration
	// err says what went wrong. It holds no secret.
	err string
}

// verdict is what the result says of the destination.
func (r result) verdict() verdict {
	switch r.kind {
	case resultAccepted, resultDeferred, resultThrottled, resultPermanent:
		return answered
	case resultTransient:
		return failed
	case resultMisconfigured:
		return hopeless
	case resultPanicked, resultUnasked, resultUnreadable:
	}
	return silent
}

// effect is what a machine wants done.
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

// settle commits outcomes; settled is expected when they are durable.
type settle struct {
	serial     uint64
	settlement outbox.Settlement
}

// arm asks for due at a moment, instead of any asked for before.
type arm struct{ at time.Time }

// disarm takes back arm.
type disarm struct{}

// retry says that a notice failed and is tried again after delay at the soonest: when
// it is due, and when a pause or the breaker lets anything through.
type retry struct {
	id      messages.NoticeID
	attempt int
	delay   time.Duration
	result  result
}

// breakerMoved says that the breaker opened or closed.
type breakerMoved struct {
	open  bool
	until time.Time
	// err is the failure that opened it.
	err string
}

// paused says that the provider asked for a pause.
type paused struct{ until time.Time }

// drained says that nothing is on its way any more.
type drained struct{}

func (send) effect()         {}
func (settle) effect()       {}
func (arm) effect()          {}
func (disarm) effect()       {}
func (retry) effect()        {}
func (breakerMoved) effect() {}
func (paused) effect()       {}
func (drained) effect()      {}
