package execution

import (
	"fmt"
	"time"

	"butler/internal/outbox"
	"butler/internal/trail"
	"butler/internal/wire"
	"butler/messages"
)

// Sleeping between two polls of a distribute task. An execution that only waits
// needs no actor: its state, a few hundred bytes, is kept by its shard, in memory.
// Unlike the snapshot in the ledger it holds what was learnt since following began;
// after a crash only the one in the ledger is left.

// sleeping is the state of one followed task while its execution sleeps.
type sleeping struct {
	work *work
	// poll and giveUp are relative to the time at which the execution fell asleep, so
	// that a change of the wall clock does not move them.
	poll, giveUp time.Duration
	// omitted has a bit for each of the repeatedTexts that is left out.
	omitted uint8
}

// repeatedTexts are pairs of texts that are mostly equal. Then the first is left out.
func (s *sleeping) repeatedTexts() [6][2]*string {
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
	work, alert := *s.work, *s.work.alert // copies: an event may wake the machine itself
	work.alert = &alert
	short := sleeping{work: &work, poll: s.poll, giveUp: s.giveUp}
	for i, twin := range short.repeatedTexts() {
		if *twin[0] == *twin[1] {
			*twin[0] = ""
			short.omitted |= 1 << i
		}
	}
	short.lay(to)
}

func (s *sleeping) read(from *wire.Wire) {
	s.lay(from)
	for i, twin := range s.repeatedTexts() {
		if s.omitted&(1<<i) != 0 {
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
	wire.Number(w, &s.omitted)
}

// sleepIfIdle falls asleep when there is nothing to do before the next poll. Instead
// of the effects that arm timers, the shard gets the times.
func (m *Machine) sleepIfIdle(effects []Effect) []Effect {
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
	return append(left, Sleep{m.sleepMessage()})
}

// idle reports whether the machine only follows tasks and waits for the next poll.
func (m *Machine) idle() bool {
	for _, w := range m.works {
		if w.phase != phaseFollow || w.placed || len(w.waiting) > 0 {
			return false
		}
	}
	return len(m.works) > 0
}

// sleepMessage returns the state to resume, with the times of the next poll and of giving up.
func (m *Machine) sleepMessage() messages.ExecutionAsleep {
	first := m.works[0]
	out := messages.ExecutionAsleep{
		Key: m.key, Observed: m.observed, Seen: m.seen, At: m.now, Poll: first.pollAt, GiveUp: first.giveUpAt, Tasks: len(m.works),
	}
	for _, w := range m.works {
		if w.pollAt.Before(out.Poll) {
			out.Poll = w.pollAt
		}
		if w.giveUpAt.Before(out.GiveUp) {
			out.GiveUp = w.giveUpAt
		}
	}
	to := wire.Writer(nil)
	for _, w := range m.works {
		m.dropUnusedMetadata(w)
		(&sleeping{work: w, poll: w.pollAt.Sub(m.now), giveUp: w.giveUpAt.Sub(m.now)}).write(&to)
	}
	out.Snapshot = to.Bytes()
	return out
}

// dropUnusedMetadata drops the objects as the QRS writes them unless a destination
// needs them: they are larger than all the rest.
func (m *Machine) dropUnusedMetadata(w *work) {
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

// rearmTimers wakes a machine whose actor got an event before the shard ended it.
func (m *Machine) rearmTimers() []Effect {
	m.asleep = false
	var effects []Effect
	for _, w := range m.works {
		effects = append(effects, m.armPoll(w, w.pollAt), m.armGiveUp(w, w.giveUpAt))
	}
	return effects
}

// wake resumes from the state of an execution that fell asleep.
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
		effects = append(effects, m.resumeFollowing(now, s.work, r.Slept.Add(s.poll), r.Slept.Add(s.giveUp))...)
	}
	return m.sleepIfIdle(effects), nil
}

// resumeFollowing waits, polls or gives up, as the times say. A poll that is overdue
// comes before giving up: the task may have ended meanwhile.
func (m *Machine) resumeFollowing(now time.Time, w *work, poll, giveUp time.Time) []Effect {
	switch {
	case now.Before(poll) && now.Before(giveUp):
		return []Effect{m.armPoll(w, poll), m.armGiveUp(w, giveUp)}
	case !giveUp.After(poll):
		return m.abandon(now, w)
	case !now.Before(giveUp):
		giveUp = now.Add(m.rules.DegradedAfter + time.Second)
	}
	return append(m.pollNow(now, w), m.armGiveUp(w, giveUp))
}
