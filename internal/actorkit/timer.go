package actorkit

import (
	"time"

	"github.com/asynkron/protoactor-go/actor"
)

// Timer is a timer that sends one message. The zero value is stopped.
type Timer struct{ timer *time.Timer }

// After returns a timer that sends message to the actor of ctx after d.
func After(ctx actor.Context, d time.Duration, message any) Timer {
	post := Poster(ctx)
	return Timer{time.AfterFunc(max(d, 0), func() { post(message) })}
}

// Stop stops the timer. A message that is already in the mailbox still arrives: the
// message has to contain an attempt or a due time by which the actor can ignore it.
func (t *Timer) Stop() {
	if t.timer != nil {
		t.timer.Stop()
		t.timer = nil
	}
}

// Alarm is the timer of an actor whose machine determines when it is to be woken. The
// zero value is not set.
type Alarm struct {
	timer Timer
	at    time.Time
}

// Set makes the alarm send message to the actor of ctx at a time, instead of the time set
// before; the zero time means never. It does nothing if the alarm is set for that time.
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

// Stop cancels the alarm. It must also be called when the message arrives, because the
// alarm does not notice that. The message of an alarm that was stopped or set again may
// already be in the mailbox, so the actor must expect to be woken without need.
func (a *Alarm) Stop() {
	a.timer.Stop()
	a.at = time.Time{}
}
