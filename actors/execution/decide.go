package execution

import (
	"slices"
	"time"

	"butler/internal/destination"
	"butler/internal/outbox"
	"butler/internal/qlik"
	"butler/messages"
)

// The end of an event: the decision, its record, and what follows from it.

// decideWithoutTask decides from the event alone, without the task's metadata. It
// assumes a reload, the most common type and the one with the most destinations. A
// distribute completion does not say how the task ended, so it is followed until
// the QRS answers.
func (m *Machine) decideWithoutTask(now time.Time, w *work) []Effect {
	event := &w.alert.Event
	w.alert.Task = messages.Task{ID: event.TaskID, Name: event.TaskName, Type: qlik.TaskTypeUnknown, LastStatus: qlik.StatusUnknown}
	kind := messages.KindOf(event.Family, qlik.TaskReload)
	switch {
	case event.Family == messages.FamilyDistribute && !w.bare:
		return m.startFollowing(now, w)
	case event.Family == messages.FamilyDistribute && m.distributeAlerted(): // the process ended between that alert and the end of following
		return m.endWithoutAlert(now, w, OutcomeAlreadyAlerted)
	case event.Family == messages.FamilyDistribute:
		kind = messages.DistributeTaskFailed
		w.addMissing("the outcome of the distribute task is not known")
	case kind == "":
		return m.endWithoutAlert(now, w, OutcomeLogOnly)
	}
	if end := m.setKind(now, w, kind); end != nil {
		return end
	}
	return m.decide(now, w)
}

// decideBare decides an execution that keeps crashing, without any look-up.
func (m *Machine) decideBare(now time.Time, w *work) []Effect {
	w.addMissing("details were left out because handling the event failed repeatedly; see the log")
	return m.decideWithoutTask(now, w)
}

// decide records the alert and its notices, unless another event of the
// execution has led to the same alert meanwhile.
func (m *Machine) decide(now time.Time, w *work) []Effect {
	if m.seen.HasKind(w.alert.Kind) {
		return m.endWithoutAlert(now, w, OutcomeAlreadyAlerted)
	}
	if w.finalLeft == 0 && w.stillRunning() {
		w.addMissing("the Qlik Repository Service does not have the end of the execution yet: its state there is " + w.alert.Execution.Status.String())
	}
	w.alert.DecidedAt = now
	w.alert.Degraded = w.missing
	if !w.needs.Metadata {
		w.alert.Task.Metadata, w.alert.App.Metadata = "", ""
	}
	notices, without := m.rules.Router.Route(w.alert, w.finalState, now)
	m.seen = m.seen.WithKind(w.alert.Kind)
	outcome := OutcomeAlerted
	if len(notices) == 0 {
		outcome = OutcomeNobodyNotified
	}
	return m.record(now, w, outcome, notices, without)
}

// endWithoutAlert records that an event alerts nobody. A repetition of it is a duplicate.
func (m *Machine) endWithoutAlert(now time.Time, w *work, o Outcome) []Effect {
	return m.record(now, w, o, nil, nil)
}

// record returns the effects that report and record a decision.
func (m *Machine) record(now time.Time, w *work, o Outcome, notices []messages.NoticeHead, without []destination.Omission) []Effect {
	w.phase = phaseRecord
	w.token++
	looked := w.lookups()
	w.waiting = w.waiting[:0]
	w.failed = nil
	m.remember(now, w.alert.Event.Family)
	out := m.scratch
	if out == nil {
		out = &scratch{}
	}
	out.report = Report{At: now, Alert: w.alert, Outcome: o, Notices: notices, Without: without, Place: w.at, Lookups: looked}
	out.record = m.newRecord(w, outbox.Decision{Alert: w.alert, Attachment: w.attachment, Notices: notices})
	out.effects = [...]Effect{&out.report, &out.record}
	return out.effects[:]
}

// remember notes that an event of a family was handled. It is forgotten no earlier than
// the tasks that are still followed may need it.
func (m *Machine) remember(now time.Time, f messages.Family) {
	m.seen = m.seen.WithFamily(f)
	m.seen.Until = now.Add(m.rules.RememberFor)
	for _, w := range m.works {
		if !w.follows() {
			continue
		}
		if until := w.follow.Since.Add(m.rules.FollowFor + m.rules.RememberFor); until.After(m.seen.Until) {
			m.seen.Until = until
		}
	}
}

// newRecord returns the record of a decision together with the state to resume.
// w is the work that waits for it, or nil.
func (m *Machine) newRecord(w *work, d outbox.Decision) Record {
	record := Record{Key: m.key, Decision: d, Seen: m.seen, State: m.snapshot(), HadState: m.hasState}
	if w != nil {
		record.Work, record.Token = w.id, w.token
	}
	m.hasState = record.State != nil
	return record
}

// drop ends an event without remembering it: if it comes again, it is no duplicate.
func (m *Machine) drop(now time.Time, w *work, o Outcome) []Effect {
	m.remove(w)
	effects := []Effect{&Report{At: now, Alert: w.alert, Outcome: o, Place: w.at, Lookups: w.lookups()}}
	if w.placed {
		effects = append(effects, Handled{messages.EventHandled{Key: m.key, At: w.at, Seen: m.seen, Released: true}})
	}
	return append(effects, m.finish()...)
}

// recorded handles that a decision is durable: its event is handled. The token tells
// the record that ends the work from an earlier one, such as the one with which
// following began: a followed task may end before that one is on disk.
func (m *Machine) recorded(now time.Time, in messages.DecisionRecorded) []Effect {
	w, ok := m.find(in.Work)
	if !ok {
		return nil
	}
	var effects []Effect
	if w.placed {
		w.placed = false
		effects = append(effects, Handled{messages.EventHandled{Key: m.key, At: w.at, Seen: m.seen}})
	}
	if w.phase == phaseRecord && w.token == in.Token {
		m.remove(w)
		effects = append(effects, m.endSuperseded(now)...)
	}
	return append(effects, m.finish()...)
}

// distributeAlerted reports whether the end of the distribute task was alerted.
func (m *Machine) distributeAlerted() bool {
	return m.seen.HasKind(messages.DistributeTaskFailed) || m.seen.HasKind(messages.DistributeTaskSucceeded)
}

// endSuperseded stops following a task whose outcome was alerted for another event.
func (m *Machine) endSuperseded(now time.Time) []Effect {
	if !m.distributeAlerted() {
		return nil
	}
	var effects []Effect
	for _, w := range slices.Clone(m.works) {
		if w.phase != phaseFollow || w.placed {
			continue
		}
		m.remove(w)
		effects = append(effects,
			&Report{At: now, Alert: w.alert, Outcome: OutcomeAlreadyAlerted},
			new(m.newRecord(nil, outbox.Decision{})))
	}
	return effects
}

func (m *Machine) finish() []Effect {
	if len(m.works) > 0 {
		return nil
	}
	return []Effect{Finish{messages.ExecutionFinished{Key: m.key, Observed: m.observed, Seen: m.seen}}}
}
