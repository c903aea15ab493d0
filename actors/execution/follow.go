package execution

import (
	"encoding/json"
	"errors"
	"fmt"
	"sort"
	"time"

	"butler/internal/outbox"
	"butler/internal/qlik"
	"butler/messages"
)

// Following a distribute task until its state is terminal. The snapshot holds what
// is needed to go on after a crash; timers are derived from it.

// startFollowing records a snapshot. When that is durable the event is handled, and
// the snapshot alone resumes the execution after a crash.
func (m *Machine) startFollowing(now time.Time, w *work) []Effect {
	if m.distributeAlerted() {
		return m.endWithoutAlert(now, w, OutcomeAlreadyAlerted)
	}
	w.phase = phaseFollow
	w.token++
	looked := w.lookups()
	w.waiting = w.waiting[:0]
	w.failed = nil
	w.follow = following{Since: now, ResultID: w.alert.Task.LastResultID, Status: w.alert.Task.LastStatus}
	m.remember(now, w.alert.Event.Family)
	return []Effect{
		&Report{At: now, Alert: w.alert, Outcome: OutcomeFollowing, Place: w.at, Lookups: looked},
		new(m.newRecord(w, outbox.Decision{})),
		m.armPoll(w, now.Add(m.rules.PollEvery)),
		m.armGiveUp(w, w.follow.Since.Add(m.rules.FollowFor)),
	}
}

// armPoll sets the time of the next poll, instead of the one set before.
func (m *Machine) armPoll(w *work, at time.Time) Effect {
	w.poll++
	w.pollAt = at
	return Arm{Work: w.id, Timer: timerPoll, At: at, Message: messages.PollDue{Work: w.id, Token: w.poll}}
}

func (m *Machine) armGiveUp(w *work, at time.Time) Effect {
	w.giveUpAt = at
	return Arm{Work: w.id, Timer: timerGiveUp, At: at, Message: messages.GiveUpDue{Work: w.id, Token: w.token}}
}

// poll asks for the present state of the task. The answer sets the time of the next
// poll. An answer that does not come, because the gate was restarted, counts as a
// failed one and is ignored if it comes after all.
func (m *Machine) poll(now time.Time, in messages.PollDue) []Effect {
	w, ok := m.find(in.Work)
	if !ok || w.phase != phaseFollow || w.poll != in.Token {
		return nil
	}
	return m.pollNow(now, w)
}

func (m *Machine) pollNow(now time.Time, w *work) []Effect {
	w.waiting = w.waiting[:0]
	w.deadline = now.Add(m.rules.DegradedAfter)
	return []Effect{m.ask(w, askTask), m.armPoll(w, w.deadline.Add(m.rules.PollEvery))}
}

// followed handles the answer to a poll.
func (m *Machine) followed(now time.Time, w *work, in *messages.LookupTaskReply) []Effect {
	switch {
	case in.Failure.Kind == messages.FailureNotFound:
		return m.endWithoutAlert(now, w, OutcomeTaskNotFound)
	case in.Failure.Failed(), in.Stale, saysNothing(in.Task):
		return []Effect{m.armPoll(w, now.Add(m.rules.PollEvery))}
	}
	w.learn(in)
	w.missing = nil // it was the task, if anything
	if in.Task.Type != qlik.TaskDistribute {
		return m.endWithoutAlert(now, w, OutcomeNotDistribute)
	}
	if w.follow.ResultID == "" {
		w.follow.ResultID = in.Task.LastResultID
	}
	if in.Task.LastResultID != "" && w.follow.ResultID != in.Task.LastResultID {
		if m.hasSucceeded() {
			return m.endWithoutAlert(now, w, OutcomeAlreadyAlerted)
		}
		w.addMissing("a newer execution of the task started before the outcome of this one was seen")
		return m.endFollowing(now, w, messages.DistributeTaskFailed)
	}
	if in.Task.LastStatus.Valid() {
		w.follow.Status = in.Task.LastStatus
	}
	switch in.Task.LastStatus.Phase() {
	case qlik.PhaseSucceeded:
		return m.endFollowing(now, w, messages.DistributeTaskSucceeded)
	case qlik.PhaseFailed:
		return m.endFollowing(now, w, messages.DistributeTaskFailed)
	default:
		return []Effect{m.armPoll(w, now.Add(m.rules.PollEvery))}
	}
}

// saysNothing reports whether an answer lacks the type of the task, or everything
// about its last execution, so that nothing can be concluded from it.
func saysNothing(t messages.Task) bool {
	return t.TypeMissing || t.LastResultID == "" && !t.LastStatus.Valid()
}

func (m *Machine) endFollowing(now time.Time, w *work, kind messages.AlertKind) []Effect {
	w.token++
	w.waiting = w.waiting[:0]
	if m.distributeAlerted() { // the process ended between that alert and the end of following
		return m.endWithoutAlert(now, w, OutcomeAlreadyAlerted)
	}
	return append([]Effect{m.armDegrade(now, w)}, m.enrich(now, w, kind)...)
}

// hasSucceeded reports whether another event has said that the execution succeeded.
// Then it is not worth an alert that its outcome was not seen in the repository.
func (m *Machine) hasSucceeded() bool { return m.seen.HasFamily(messages.FamilySucceeded) }

// giveUp stops following a task that did not end in time, with an alert.
func (m *Machine) giveUp(now time.Time, in messages.GiveUpDue) []Effect {
	w, ok := m.find(in.Work)
	if !ok || w.phase != phaseFollow || w.token != in.Token {
		return nil
	}
	return m.abandon(now, w)
}

func (m *Machine) abandon(now time.Time, w *work) []Effect {
	known := w.follow.Status.Valid()
	// A failure event was alerted as that of a reload, because the repository was out of
	// reach. Only a known status shows that it was not one; then the destinations of
	// distribute tasks have to be told, too.
	if m.hasSucceeded() || !known && m.seen.HasFamily(messages.FamilyFailed) {
		return m.endWithoutAlert(now, w, OutcomeAlreadyAlerted)
	}
	state := "unknown, because the Qlik Repository Service did not tell it"
	if known {
		state = w.follow.Status.String()
	}
	w.addMissing(fmt.Sprintf("the distribute task did not reach a final state within %s; its last known state is %s", m.rules.FollowFor, state))
	return append([]Effect{&Report{At: now, Alert: w.alert, Outcome: OutcomeAbandoned, Place: w.at, Lookups: w.lookups()}}, m.endFollowing(now, w, messages.DistributeTaskFailed)...)
}

// Snapshot is the durable state of an execution: the distribute tasks it follows.
type Snapshot struct {
	Version int             `json:"v"`
	Follows []FollowedEvent `json:"follows"`
}

// FollowedEvent is one distribute completion whose task has not ended yet.
type FollowedEvent struct {
	Event  messages.TaskEvent `json:"event"`
	Follow following          `json:"follow"`
}

const snapshotVersion = 1

// follows reports whether the end of a followed task is not decided yet.
func (w *work) follows() bool { return !w.follow.Since.IsZero() && w.phase != phaseRecord }

// snapshot returns the encoded Snapshot, nil when nothing is followed.
func (m *Machine) snapshot() []byte {
	var s Snapshot
	for _, w := range m.works {
		if w.follows() {
			s.Follows = append(s.Follows, FollowedEvent{Event: w.alert.Event, Follow: w.follow})
		}
	}
	if len(s.Follows) == 0 {
		return nil
	}
	sort.Slice(s.Follows, func(i, j int) bool { return s.Follows[i].Follow.Since.Before(s.Follows[j].Follow.Since) })
	s.Version = snapshotVersion
	out, err := json.Marshal(s)
	if err != nil {
		panic(fmt.Sprintf("BUG: snapshot of %s does not marshal: %v", m.key, err))
	}
	return out
}

// Resume continues from a snapshot. The first poll comes within one interval, spread
// by jitter in [0,1) so that a restart does not flood the QRS. A task whose time is
// over is polled once more before it is given up: it may have ended meanwhile.
func (m *Machine) Resume(now time.Time, r messages.ResumeExecution, jitter float64) ([]Effect, error) {
	m.key, m.seen, m.hasState, m.now = r.Key, r.Seen, true, now
	if !r.Slept.IsZero() {
		return m.wake(now, r)
	}
	if r.Bare {
		return m.resumeBare(now, r.Snapshot)
	}
	var s Snapshot
	if err := json.Unmarshal(r.Snapshot, &s); err != nil {
		return nil, fmt.Errorf("read snapshot of execution %s: %w", m.key, err)
	}
	if s.Version != snapshotVersion {
		return nil, fmt.Errorf("read snapshot of execution %s: version %d is not known", m.key, s.Version)
	}
	var effects []Effect
	for _, f := range s.Follows {
		w := m.open(messages.EventPosition{}, &f.Event)
		w.phase, w.follow = phaseFollow, f.Follow
		first := now
		if !r.Due {
			first = now.Add(time.Duration(jitter * float64(m.rules.PollEvery)))
		}
		giveUp := w.follow.Since.Add(m.rules.FollowFor)
		if answered := first.Add(m.rules.DegradedAfter + time.Second); giveUp.Before(answered) {
			giveUp = answered
		}
		effects = append(effects, m.resumeFollowing(now, w, first, giveUp)...)
	}
	return m.sleepIfIdle(append(effects, m.finish()...)), nil
}

// resumeBare stops following and alerts with the events of the snapshot, which it
// reads whatever its version.
func (m *Machine) resumeBare(now time.Time, snapshot []byte) ([]Effect, error) {
	var s struct {
		Follows []struct {
			Event messages.TaskEvent `json:"event"`
		} `json:"follows"`
	}
	err := json.Unmarshal(snapshot, &s)
	if err == nil && len(s.Follows) == 0 {
		err = errors.New("it names no event")
	}
	if err != nil {
		return nil, fmt.Errorf("read the events in the snapshot of execution %s: %w", m.key, err)
	}
	var effects []Effect
	for _, f := range s.Follows {
		f.Event.Family = messages.FamilyDistribute // no other is followed
		w := m.open(messages.EventPosition{}, &f.Event)
		w.bare = true
		effects = append(effects, m.decideBare(now, w)...)
	}
	return effects, nil
}
