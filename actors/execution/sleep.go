package execution

import (
	"fmt"
	"time"

	"butler/internal/outbox"
	"butler/internal/trail"
	"butler/internal/wire"
	"butler/messages"
)

// Sleeping between two looks at a distribute task. An execution that only waits
// needs no actor: what it remembers is a few hundred bytes, and goes to its shard.
// After a crash the snapshot in the ledger is what is left; this one knows what
// was learnt since, and is of this process alone.

// sleeping is what a followed task goes on from.
type sleeping struct {
	work *work
	// poll and giveUp are counted from when the execution fell asleep, so that a
	// clock that is set meanwhile moves neither.
	poll, giveUp time.Duration
	// same says which of the twins say the same, and are left out, bit by index.
	same uint8
}

// twins are texts that mostly say what another one says.
func (s *sleeping) twins() [6][2]*string {
	a := s.work.alert
	return [...][2]*string{
		{&a.Event.ExecutionID, (*string)(&a.Key)},
		{&a.Task.ID, &a.Event.TaskID},
		{&a.Task.Name, &a.Event.TaskName},
		{&a.Task.AppID, &a.Event.AppID},
		{&a.Task.AppName, &a.Event.AppName},
		{&a.Task.LastResultID, &s.work.follow.ResultID},
	}
}

func (s *sleeping) write(to *wire.Wire) {
	work, alert := *s.work, *s.work.alert // it may be woken with what it knows
	work.alert = &alert
	short := sleeping{work: &work, poll: s.poll, giveUp: s.giveUp}
	for i, twin := range short.twins() {
		if *twin[0] == *twin[1] {
			*twin[0] = ""
			short.same |= 1 << i
		}
	}
	short.lay(to)
}

func (s *sleeping) read(from *wire.Wire) {
	s.lay(from)
	for i, twin := range s.twins() {
		if s.same&(1<<i) != 0 {
			*twin[0] = *twin[1]
		}
	}
}

func (s *sleeping) lay(w *wire.Wire) {
	outbox.LaySubject(w, s.work.alert)
	trail.LayPlace(w, &s.work.at)
	wire.Items(w, &s.work.looked, trail.LayLookup)
	wire.Items(w, &s.work.missing, wire.Text)
	wire.Moment(w, &s.work.follow.Since)
	wire.Texts(w, &s.work.follow.ResultID)
	wire.Number(w, &s.work.follow.Status)
	wire.Number(w, &s.poll)
	wire.Number(w, &s.giveUp)
	wire.Number(w, &s.same)
}

// rest falls asleep when nothing is left to do before the next poll. The timers
// that effects arm are the shard's then.
func (m *Machine) rest(effects []Effect) []Effect {
	if !m.idle() {
		return effects
	}
	m.asleep = true
	left := effects[:0]
	for _, effect := range effects {
		if arm, ok := effect.(Arm); ok && (arm.Timer == timerPoll || arm.Timer == timerGiveUp) {
			continue
		}
		left = append(left, effect)
	}
	return append(left, Sleep{m.asleepNow()})
}

// idle reports that tasks are followed, and that this is all.
func (m *Machine) idle() bool {
	for _, w := range m.cases {
		if w.phase != phaseFollow || w.placed || len(w.waiting) > 0 {
			return false
		}
	}
	return len(m.cases) > 0
}

// asleepNow says when there is something to do again, and what from.
func (m *Machine) asleepNow() messages.ExecutionAsleep {
	first := m.cases[0]
	out := messages.ExecutionAsleep{
		Key: m.key, Observed: m.observed, Seen: m.seen, At: m.now, Poll: first.pollAt, GiveUp: first.giveUpAt, Tasks: len(m.cases),
	}
	for _, w := range m.cases {
		if w.pollAt.Before(out.Poll) {
			out.Poll = w.pollAt
		}
		if w.giveUpAt.Before(out.GiveUp) {
			out.GiveUp = w.giveUpAt
		}
	}
	to := wire.Writer(nil)
	for _, w := range m.cases {
		m.trim(w)
		(&sleeping{work: w, poll: w.pollAt.Sub(m.now), giveUp: w.giveUpAt.Sub(m.now)}).write(&to)
	}
	out.Snapshot = to.Bytes()
	return out
}

// trim leaves out what nobody is told of: the objects as the QRS writes them are
// larger than all the rest.
func (m *Machine) trim(w *work) {
	if w.alert.Task.Metadata == "" && w.alert.App.Metadata == "" {
		return
	}
	for _, kind := range []messages.AlertKind{messages.DistributeTaskSucceeded, messages.DistributeTaskFailed} {
		alert := *w.alert
		alert.Kind = kind
		if m.rules.Router.Carries(&alert) && m.rules.Router.NeedsOf(&alert).Metadata {
			return
		}
	}
	w.alert.Task.Metadata, w.alert.App.Metadata = "", ""
}

// stir wakes a machine up whose actor has not ended: an event came in between.
func (m *Machine) stir() []Effect {
	m.asleep = false
	var effects []Effect
	for _, w := range m.cases {
		effects = append(effects, m.armPoll(w, w.pollAt), m.armGiveUp(w, w.giveUpAt))
	}
	return effects
}

// wake takes up what an execution left when it fell asleep.
func (m *Machine) wake(now time.Time, r messages.ResumeExecution) ([]Effect, error) {
	from := wire.Reader(r.Snapshot)
	var all []sleeping
	for from.More() {
		s := sleeping{work: m.open(messages.EventPosition{}, &messages.TaskEvent{})}
		s.read(&from)
		s.work.phase = phaseFollow
		all = append(all, s)
	}
	if err := from.Finish(); err != nil {
		return nil, fmt.Errorf("read what execution %s left when it fell asleep: %w", m.key, err)
	}
	var effects []Effect
	for _, s := range all {
		effects = append(effects, m.goOn(now, s.work, r.Slept.Add(s.poll), r.Slept.Add(s.giveUp))...)
	}
	return m.rest(effects), nil
}

// goOn does with a followed task what it is time for. A look that is overdue comes
// before giving up: the task may have ended while nobody looked.
func (m *Machine) goOn(now time.Time, w *work, poll, giveUp time.Time) []Effect {
	switch {
	case now.Before(poll) && now.Before(giveUp):
		return []Effect{m.armPoll(w, poll), m.armGiveUp(w, giveUp)}
	case !giveUp.After(poll):
		return m.abandon(now, w)
	case !now.Before(giveUp):
		giveUp = now.Add(m.rules.DegradedAfter + time.Second)
	}
	return append(m.look(now, w), m.armGiveUp(w, giveUp))
}
