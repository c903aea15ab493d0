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

// Set makes the alarm send message to the actor of ctx at a time, instead of the one set
// before; the zero time means never. An alarm that is set for that time stays as it is.
func (a *Alarm) Set(ctx actor.Context, at time.Time, message any) {
	if at.Equal(a.at) {
		return
	}
	a.Stop()
	if a.at = at; !at.IsZero() {
		a.timer = After(ctx, time.Until(at), message)
	}
}

// At returns the time for which the alarm is set, the zero time if it is not.
func (a *Alarm) At() time.Time { return a.at }

// Stop cancels the alarm. Call it when the message arrives, too, because the alarm does
// not notice that. The message of an alarm that was stopped or set again may be in the
// mailbox already, and wakes the actor for nothing.
func (a *Alarm) Stop() {
	a.timer.Stop()
	a.at = time.Time{}
}
