package execution

import (
	"slices"
	"time"

	"butler/internal/destination"
	"butler/internal/outbox"
	"butler/internal/qlik"
	"butler/messages"
)

// The end of an event: what is decided, how that becomes durable, and what follows.

// decideWithoutTask alerts from the event alone when the task's metadata cannot
// be had. Its type is unknown then: a reload is assumed, the most common type
// and the one with the most destinations. A distribute completion does not say
// how the task ended, so it is followed until the QRS answers.
func (m *Machine) decideWithoutTask(now time.Time, w *work) []Effect {
	event := &w.alert.Event
	w.alert.Task = messages.Task{ID: event.TaskID, Name: event.TaskName, Type: qlik.TaskTypeUnknown, LastStatus: qlik.StatusUnknown}
	kind := messages.KindOf(event.Family, qlik.TaskReload)
	switch {
	case event.Family == messages.FamilyDistribute && !w.bare:
		return m.startFollowing(now, w)
	case event.Family == messages.FamilyDistribute && m.toldDistribute(): // the process ended before that ended the following
		return m.settle(now, w, OutcomeAlreadyAlerted)
	case event.Family == messages.FamilyDistribute:
		kind = messages.DistributeTaskFailed
		w.miss("the outcome of the distribute task is not known")
	case kind == "":
		return m.settle(now, w, OutcomeLogOnly)
	}
	if end := m.name(now, w, kind); end != nil {
		return end
	}
	return m.decide(now, w)
}

// decideBare is the way of last resort of an execution that keeps crashing.
func (m *Machine) decideBare(now time.Time, w *work) []Effect {
	w.miss("details were left out because handling the event failed repeatedly; see the log")
	return m.decideWithoutTask(now, w)
}

// decide records the alert and its notices, unless another event of the
// execution has led to the same alert while this one was looked up.
func (m *Machine) decide(now time.Time, w *work) []Effect {
	if m.seen.HasKind(w.alert.Kind) {
		return m.settle(now, w, OutcomeAlreadyAlerted)
	}
	if w.finalLeft == 0 && w.running() {
		w.miss("the Qlik Repository Service does not have the end of the execution yet: its state there is " + w.alert.Execution.Status.String())
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
		outcome = OutcomeNobodyTold
	}
	return m.record(now, w, outcome, notices, without)
}

// settle ends an event that needs no alert, for good.
func (m *Machine) settle(now time.Time, w *work, o Outcome) []Effect {
	return m.record(now, w, o, nil, nil)
}

// record makes durable what was decided.
func (m *Machine) record(now time.Time, w *work, o Outcome, notices []messages.NoticeHead, without []destination.Verdict) []Effect {
	w.phase = phaseRecord
	w.token++
	looked := w.lookups()
	w.waiting = w.waiting[:0]
	w.failed = nil
	m.seen = m.seen.WithClass(w.alert.Event.Family)
	m.seen.Until = now.Add(m.rules.RememberFor)
	out := m.memory
	if out == nil {
		out = &memory{}
	}
	out.tell = Tell{At: now, Alert: w.alert, Outcome: o, Notices: notices, Without: without, Place: w.at, Lookups: looked}
	out.record = m.keep(w, outbox.Decision{Alert: w.alert, Attachment: w.attachment, Notices: notices})
	out.effects = [...]Effect{&out.tell, &out.record}
	return out.effects[:]
}

// keep makes a decision durable, together with what is to be resumed. The work
// that waits for it may be nil.
func (m *Machine) keep(w *work, d outbox.Decision) Record {
	record := Record{Key: m.key, Decision: d, Seen: m.seen, State: m.snapshot(), HadState: m.hasState}
	if w != nil {
		record.Case, record.Token = w.id, w.token
	}
	m.hasState = record.State != nil
	return record
}

// drop ends an event without remembering it: the same event is looked at anew if it comes again.
func (m *Machine) drop(now time.Time, w *work, o Outcome) []Effect {
	m.remove(w)
	effects := []Effect{&Tell{At: now, Alert: w.alert, Outcome: o, Place: w.at, Lookups: w.lookups()}}
	if w.placed {
		effects = append(effects, Handled{messages.EventHandled{Key: m.key, At: w.at, Seen: m.seen, Released: true}})
	}
	return append(effects, m.finish()...)
}

// recorded follows a durable decision: the event is handled, and a followed task
// goes on. A task may end while the record that it is followed is still on its way
// to the disk: the record of its end comes after that one, and only that ends the work.
func (m *Machine) recorded(now time.Time, in messages.DecisionRecorded) []Effect {
	w, ok := m.find(in.Case)
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

// toldDistribute reports that it is told how the distribute task ended.
func (m *Machine) toldDistribute() bool {
	return m.seen.HasKind(messages.DistributeTaskFailed) || m.seen.HasKind(messages.DistributeTaskSucceeded)
}

// endSuperseded ends following a task whose outcome another event has told.
func (m *Machine) endSuperseded(now time.Time) []Effect {
	if !m.toldDistribute() {
		return nil
	}
	var effects []Effect
	for _, w := range slices.Clone(m.cases) {
		if w.phase != phaseFollow || w.placed {
			continue
		}
		m.remove(w)
		effects = append(effects,
			&Tell{At: now, Alert: w.alert, Outcome: OutcomeAlreadyAlerted},
			new(m.keep(nil, outbox.Decision{})))
	}
	return effects
}

func (m *Machine) finish() []Effect {
	if len(m.cases) > 0 {
		return nil
	}
	return []Effect{Finish{messages.ExecutionFinished{Key: m.key, Observed: m.observed, Seen: m.seen}}}
}
