package qrsgate

import (
	"cmp"
	"slices"
	"time"

	"butler/messages"
)

// What does not exist yet, such as a script log, is asked for again after a pause. The
// pause takes neither a slot nor a lane. Equal questions are held back meanwhile: a
// look-up is running from its first attempt to its last.

// scheduleRetry makes an entry wait for its next attempt, with what is known so far.
func (m *machine) scheduleRetry(now time.Time, e *entry, got outcome) {
	if known, ok := got.values[e.key.id].(scriptLog); ok && known.Execution.Known {
		e.known = known
	}
	e.betweenAttempts, e.notBefore = true, now.Add(got.retryAfter)
	at, _ := slices.BinarySearchFunc(m.retries, e.notBefore, func(other *entry, t time.Time) int {
		return cmp.Or(other.notBefore.Compare(t), -1) // behind those of the same moment
	})
	m.retries = slices.Insert(m.retries, at, e)
}

// queueRetries queues the entries whose next attempt is due.
func (m *machine) queueRetries(now time.Time) {
	for len(m.retries) > 0 && !now.Before(m.retries[0].notBefore) {
		m.queue(m.retries[0])
		m.retries = m.retries[1:]
	}
}

// release ends the look-up of an entry, and queues the one that was held back because of it.
func (m *machine) release(e *entry) {
	delete(m.running, e.key)
	if next := m.waiting[e.key]; next != nil {
		next.held = false
		m.queue(next)
	}
}

// startAgain cancels the running calls. What they were to answer is queued again, in its
// old place.
func (m *machine) startAgain() []effect {
	for _, e := range m.running {
		if e.live == 0 {
			continue
		}
		e.attempt, e.betweenAttempts = 0, false
		if next := m.waiting[e.key]; next != nil {
			for _, w := range next.waiters {
				w.entry = e
			}
			e.waiters, e.live = append(e.waiters, next.waiters...), e.live+next.live
		}
		m.waiting[e.key] = e
	}
	clear(m.running)
	clear(m.calls)
	clear(m.lanes[:])
	clear(m.queues[:])
	m.retries = nil
	for _, e := range m.waiting {
		e.held = false
		m.queue(e)
	}
	return []effect{cancelCalls{}}
}

// forget removes an entry that nobody waits for any more, unless a call for it is running.
func (m *machine) forget(e *entry) {
	without := func(from []*entry) []*entry {
		return slices.DeleteFunc(from, func(other *entry) bool { return other == e })
	}
	switch {
	case m.waiting[e.key] == e:
		delete(m.waiting, e.key)
		m.queues[e.key.op] = without(m.queues[e.key.op])
	case e.betweenAttempts:
		m.retries, m.queues[e.key.op] = without(m.retries), without(m.queues[e.key.op])
		m.release(e)
	}
}

// answerPartly answers a waiter for which no further call is made, with the failure and
// the result of the attempts so far.
func (m *machine) answerPartly(now time.Time, w *waiter, failure messages.Failure) []effect {
	if w.entry.known.Execution.Known {
		return []effect{m.answer(w.question, answer{value: w.entry.known, failure: failure, at: now})}
	}
	return m.unanswered(now, w.question, failure)
}
