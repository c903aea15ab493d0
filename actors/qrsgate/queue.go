package qrsgate

import (
	"container/heap"
	"slices"
	"time"
)

// What waits for a call, and which call is made next.

// entry is one thing to look up, with everybody who waits for it.
type entry struct {
	key     key
	seq     uint64
	held    bool
	waiters []*waiter
	started time.Time
	// live counts the waiters that are not answered yet.
	live int
}

// waiter is a question that is not answered yet.
type waiter struct {
	question
	entry *entry
	// due is when the waiter is answered in any case.
	due time.Time
	// place is the waiter's index among the deadlines, notPlaced once it is answered.
	place int
}

const notPlaced = -1

type call struct {
	op      operation
	entries []*entry
}

// enqueue lets the waiter join the call under way if that is young enough, or
// whatever will be asked next.
func (m *machine) enqueue(now time.Time, w *waiter) {
	under := m.running[w.key]
	e := m.waiting[w.key]
	switch {
	case under != nil && !w.fresh() && now.Sub(under.started) <= w.maxAge:
		e = under
	case e == nil:
		m.lastEntry++
		e = &entry{key: w.key, seq: m.lastEntry, held: under != nil}
		m.waiting[w.key] = e
		m.queue(e)
	}
	w.entry = e
	e.waiters = append(e.waiters, w)
	e.live++
	heap.Push(&m.deadlines, w)
}

// queue lets an entry wait for a slot, unless it is held back.
func (m *machine) queue(e *entry) {
	if !e.held {
		m.queues[e.key.op] = append(m.queues[e.key.op], e)
	}
}

// schedule starts calls while there are slots and lanes for them, in the order of the oldest question.
func (m *machine) schedule(now time.Time) []effect {
	var effects []effect
	if m.pingDue(now) {
		effects = append(effects, m.start(now, opPing, nil))
	}
	for len(m.calls) < m.rules.MaxConcurrent {
		op, ok := m.nextOperation()
		if !ok {
			break
		}
		queue := m.queues[op]
		batch := queue[:min(len(queue), operations[op].batch)]
		m.queues[op] = queue[len(batch):]
		effects = append(effects, m.start(now, op, batch))
	}
	return effects
}

func (m *machine) pingDue(now time.Time) bool {
	return m.canPing() && !now.Before(m.breaker.pingAt)
}

func (m *machine) canPing() bool {
	return !m.rules.NotConfigured && m.lanes[opPing] == 0 && len(m.calls) < m.rules.MaxConcurrent
}

// nextOperation returns the operation with a free lane whose oldest question is the oldest of all.
func (m *machine) nextOperation() (operation, bool) {
	best, found := operation(0), false
	for op := range operation(operationCount) {
		if len(m.queues[op]) == 0 || m.lanes[op] >= op.laneLimit(m.rules.MaxConcurrent) {
			continue
		}
		if !found || m.queues[op][0].seq < m.queues[best][0].seq {
			best, found = op, true
		}
	}
	return best, found
}

func (m *machine) start(now time.Time, op operation, batch []*entry) effect {
	m.lastCall++
	m.lanes[op]++
	m.calls[m.lastCall] = &call{op: op, entries: batch}
	start := startCall{ID: m.lastCall, Op: op, Timeout: m.patience(now, op, batch)}
	for _, e := range batch {
		delete(m.waiting, e.key)
		m.running[e.key] = e
		e.started = now
		start.IDs = append(start.IDs, e.key.id)
		start.TaskType = e.key.taskType
		for _, w := range e.waiters {
			start.Full = start.Full || w.full
		}
	}
	return start
}

// patience returns how long a call may take. A script log is worth nothing
// after the last asker is gone, and what is known of the execution is wanted
// while there is still time for it.
func (m *machine) patience(now time.Time, op operation, batch []*entry) time.Duration {
	limit := m.rules.timeout(op)
	if op != opScriptLog {
		return limit
	}
	var longest time.Duration
	for _, w := range batch[0].waiters {
		longest = max(longest, w.due.Sub(now))
	}
	if longest > 2*replyLead {
		longest -= replyLead
	}
	return min(limit, longest)
}

// leave takes a waiter out of the deadlines, because it is answered now. It
// reports false when that has happened before.
func (m *machine) leave(w *waiter) bool {
	if w.place == notPlaced {
		return false
	}
	heap.Remove(&m.deadlines, w.place)
	w.entry.live--
	return true
}

// forget drops an entry for which nobody waits any more.
func (m *machine) forget(e *entry) {
	delete(m.waiting, e.key)
	queue := &m.queues[e.key.op]
	*queue = slices.DeleteFunc(*queue, func(other *entry) bool { return other == e })
}

// deadlines is a heap of waiters, the one that is due first on top.
type deadlines []*waiter

func (d deadlines) Len() int           { return len(d) }
func (d deadlines) Less(i, j int) bool { return d[i].due.Before(d[j].due) }

// Swap implements heap.Interface.
func (d deadlines) Swap(i, j int) {
	d[i], d[j] = d[j], d[i]
	d[i].place, d[j].place = i, j
}

// Push implements heap.Interface.
func (d *deadlines) Push(w any) {
	w.(*waiter).place = len(*d)
	*d = append(*d, w.(*waiter))
}

// Pop implements heap.Interface.
func (d *deadlines) Pop() any {
	old := *d
	w := old[len(old)-1]
	old[len(old)-1] = nil
	*d = old[:len(old)-1]
	w.place = notPlaced
	return w
}
