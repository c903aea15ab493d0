package qrsgate

import (
	"cmp"
	"container/heap"
	"slices"
	"time"

	"butler/messages"
)

// What waits for a call, and which call is made next.

// entry is one thing to look up, with everybody who waits for it.
type entry struct {
	key     key
	seq     uint64
	held    bool
	waiters []*waiter
	// live counts the waiters that are not answered yet.
	live int
	// began is when the first attempt was made, started when the last one was.
	began, started time.Time
	attempt        int
	// idle says that an attempt was made, and none is under way.
	idle bool
	// notBefore is when the next attempt may be made.
	notBefore time.Time
	// known is what the attempts so far have brought.
	known scriptLog
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

// queue lets an entry wait for a slot, unless it is held back. Its place is that of its oldest question.
func (m *machine) queue(e *entry) {
	if e.held {
		return
	}
	queue := &m.queues[e.key.op]
	at, _ := slices.BinarySearchFunc(*queue, e, bySeq)
	*queue = slices.Insert(*queue, at, e)
}

func bySeq(a, b *entry) int { return cmp.Compare(a.seq, b.seq) }

// schedule starts calls while there are slots and lanes for them, in the order of the oldest question.
func (m *machine) schedule(now time.Time) []effect {
	m.wake(now)
	var effects []effect
	if m.pingDue(now) {
		effects = append(effects, m.start(now, opPing, nil))
	}
	for len(m.calls) < m.rules.MaxConcurrent {
		op, ok := m.nextOperation()
		if !ok {
			break
		}
		effects = append(effects, m.start(now, op, m.nextBatch(op)))
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

// lookAhead is how many times a batch the questions are among which those for it are
// looked for: a long queue is not gone through for every call.
const lookAhead = 4

// nextBatch takes the oldest question from its queue, and those that can be asked
// along: the QRS keeps the results of each type of task in a place of its own, and what
// it fails over is asked for alone.
func (m *machine) nextBatch(op operation) []*entry {
	queue, most := m.queues[op], operations[op].batch
	near := queue[:min(len(queue), lookAhead*most)]
	var batch, left []*entry
	for i, e := range near {
		if i == 0 || len(batch) < most && m.goAlong(queue[0], e) {
			batch = append(batch, e)
		} else {
			left = append(left, e)
		}
	}
	copy(near[len(batch):], left)
	m.queues[op] = queue[len(batch):]
	return batch
}

// goAlong reports that one call may ask for both.
func (m *machine) goAlong(a, b *entry) bool {
	return a.key.taskType == b.key.taskType && !m.failing[a.key] && !m.failing[b.key]
}

func (m *machine) start(now time.Time, op operation, batch []*entry) effect {
	*m.lastCall++
	m.lanes[op]++
	m.calls[*m.lastCall] = &call{op: op, entries: batch}
	start := startCall{ID: *m.lastCall, Op: op, Timeout: m.patience(now, op, batch)}
	for _, e := range batch {
		if !e.idle {
			delete(m.waiting, e.key)
			e.began = now
		}
		m.running[e.key] = e
		e.started, e.idle = now, false
		e.attempt++
		start.IDs = append(start.IDs, e.key.id)
		start.TaskType, start.Attempt, start.Began = e.key.taskType, e.attempt, e.began
		for _, w := range e.waiters {
			start.Full = start.Full || w.full
		}
		if op == opScriptLog {
			start.Result = e.result()
		}
	}
	return start
}

// result returns the newest result that those who wait for a script log know. Unless
// all know one somebody wants a newer one than that.
func (e *entry) result() messages.Execution {
	for _, w := range e.waiters {
		if !w.result().Known {
			return messages.Execution{}
		}
	}
	return e.waiters[len(e.waiters)-1].result()
}

// patience returns how long a call may take. A script log is worth nothing
// after the last asker is gone, and what is known of the execution is wanted
// while there is still time for it. All attempts share the time for one.
func (m *machine) patience(now time.Time, op operation, batch []*entry) time.Duration {
	limit := m.rules.timeout(op)
	if op != opScriptLog {
		return limit
	}
	e := batch[0]
	if e.idle {
		limit -= now.Sub(e.began)
	}
	var longest time.Duration
	for _, w := range e.waiters {
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
