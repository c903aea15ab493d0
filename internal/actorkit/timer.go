package actorkit

import (
	"time"

	"github.com/asynkron/protoactor-go/actor"
)

// Timer is one armed timer. The zero value is disarmed.
type Timer struct{ timer *time.Timer }

// After arms a timer that sends message to the actor of ctx after d.
func After(ctx actor.Context, d time.Duration, message any) Timer {
	post := Poster(ctx)
	return Timer{time.AfterFunc(max(d, 0), func() { post(message) })}
}

// Stop disarms the timer. A message that is already in the mailbox still
// arrives: carry an attempt or a due time in it and ignore the late one.
func (t *Timer) Stop() {
	if t.timer != nil {
		t.timer.Stop()
		t.timer = nil
	}
}

// Alarm is the one timer of an actor whose machine says when it wants to be woken.
// The zero value is not set.
type Alarm struct {
	timer Timer
	at    time.Time
}

// Set has the actor of ctx woken with message at a time, and not before; the zero
// time is for not at all. An alarm that is set for that time already stays as it is.
func (a *Alarm) Set(ctx actor.Context, at time.Time, message any) {
	if at.Equal(a.at) {
		return
	}
	a.Stop()
	if a.at = at; !at.IsZero() {
		a.timer = After(ctx, time.Until(at), message)
	}
}

// At returns what the alarm is set for, the zero time for nothing.
func (a *Alarm) At() time.Time { return a.at }

// Stop takes the alarm back. It is to be called when the message arrives, too: from
// then on the alarm is not set. The message of one that was taken back or set anew
// may be in the mailbox already, and wakes the actor for nothing.
func (a *Alarm) Stop() {
	a.timer.Stop()
	a.at = time.Time{}
}
