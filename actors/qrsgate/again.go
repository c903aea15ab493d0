package qrsgate

import (
	"cmp"
	"slices"
	"time"

	"butler/messages"
)

// What was not there yet is asked for again after a pause. The pause holds
// neither a slot nor a lane, and equal questions are still held back: a look-up
// is running from its first attempt to its last.

// rest lets an entry wait for its next attempt, and keeps what is known so far.
func (m *machine) rest(now time.Time, e *entry, got outcome) {
	if known, ok := got.values[e.key.id].(scriptLog); ok && known.Execution.Known {
		e.known = known
	}
	e.idle, e.notBefore = true, now.Add(got.again)
	at, _ := slices.BinarySearchFunc(m.resting, e.notBefore, func(other *entry, t time.Time) int {
		return cmp.Or(other.notBefore.Compare(t), -1) // behind those of the same moment
	})
	m.resting = slices.Insert(m.resting, at, e)
}

// wake queues what has rested for long enough.
func (m *machine) wake(now time.Time) {
	for len(m.resting) > 0 && !now.Before(m.resting[0].notBefore) {
		m.queue(m.resting[0])
		m.resting = m.resting[1:]
	}
}

// release ends the look-up of an entry: who was held back because of it is next.
func (m *machine) release(e *entry) {
	delete(m.running, e.key)
	if next := m.waiting[e.key]; next != nil {
		next.held = false
		m.queue(next)
	}
}

// forget drops an entry for which nobody waits any more, unless a call for it is under way.
func (m *machine) forget(e *entry) {
	without := func(from []*entry) []*entry {
		return slices.DeleteFunc(from, func(other *entry) bool { return other == e })
	}
	switch {
	case m.waiting[e.key] == e:
		delete(m.waiting, e.key)
		m.queues[e.key.op] = without(m.queues[e.key.op])
	case e.idle:
		m.resting, m.queues[e.key.op] = without(m.resting), without(m.queues[e.key.op])
		m.release(e)
	}
}

// unmet answers a waiter for whom no call is made any more: with what the
// attempts so far have brought, beside the failure.
func (m *machine) unmet(now time.Time, w *waiter, failure messages.Failure) []effect {
	if w.entry.known.Execution.Known {
		return []effect{m.answer(w.question, answer{value: w.entry.known, failure: failure, at: now})}
	}
	return m.unanswered(now, w.question, failure)
}
