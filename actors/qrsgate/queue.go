package qrsgate

import (
	"cmp"
	"container/heap"
	"slices"
	"time"

	"butler/messages"
)

// The queues of look-ups, and the choice of the next call.

// entry is one look-up, with all waiters for it.
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
	// betweenAttempts says that an attempt was made, and none is running.
	betweenAttempts bool
	// notBefore is when the next attempt may be made.
	notBefore time.Time
	// known is the result of the attempts so far.
	known scriptLog
}

// waiter is a question that is not answered yet.
type waiter struct {
	question
	entry *entry
	// due is when the waiter is answered at the latest.
	due time.Time
	// heapIndex is the index in deadlines, notInHeap once it is answered.
	heapIndex int
}

const notInHeap = -1

type call struct {
	op      operation
	entries []*entry
}

// enqueue adds the waiter to the running look-up of its key if that is recent enough, or
// else to the next one.
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

// queue queues an entry for a call, in the order of its first question, unless it is held back.
func (m *machine) queue(e *entry) {
	if e.held {
		return
	}
	queue := &m.queues[e.key.op]
	at, _ := slices.BinarySearchFunc(*queue, e, bySeq)
	*queue = slices.Insert(*queue, at, e)
}

func bySeq(a, b *entry) int { return cmp.Compare(a.seq, b.seq) }

// schedule starts calls while there are slots and lanes, in the order of the oldest questions.
func (m *machine) schedule(now time.Time) []effect {
	m.queueRetries(now)
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

// lookAhead bounds the entries that are searched for a batch, as a multiple of its size,
// so that a long queue is not searched for every call.
const lookAhead = 4

// nextBatch takes the oldest entry from a queue, with others that can share its call.
func (m *machine) nextBatch(op operation) []*entry {
	queue, most := m.queues[op], operations[op].batch
	near := queue[:min(len(queue), lookAhead*most)]
	var batch, left []*entry
	for i, e := range near {
		if i == 0 || len(batch) < most && m.canShareCall(queue[0], e) {
			batch = append(batch, e)
		} else {
			left = append(left, e)
		}
	}
	copy(near[len(batch):], left)
	m.queues[op] = queue[len(batch):]
	return batch
}

// canShareCall reports whether one call may ask for both: the QRS has a request of its
// own for the results of each type of task, and failing objects get calls of their own.
func (m *machine) canShareCall(a, b *entry) bool {
	return a.key.taskType == b.key.taskType && !m.failing[a.key] && !m.failing[b.key]
}

func (m *machine) start(now time.Time, op operation, batch []*entry) effect {
	*m.lastCall++
	m.lanes[op]++
	m.calls[*m.lastCall] = &call{op: op, entries: batch}
	start := startCall{ID: *m.lastCall, Op: op, Timeout: m.callTimeout(now, op, batch)}
	for _, e := range batch {
		if !e.betweenAttempts {
			delete(m.waiting, e.key)
			e.began = now
		}
		m.running[e.key] = e
		e.started, e.betweenAttempts = now, false
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

// result returns the newest result that the waiters for a script log know, zero unless
// all of them know one: the others need a newer result.
func (e *entry) result() messages.Execution {
	for _, w := range e.waiters {
		if !w.result().Known {
			return messages.Execution{}
		}
	}
	return e.waiters[len(e.waiters)-1].result()
}

// callTimeout returns the timeout of a call. That for a script log ends replyLead before
// the last waiter is due, so that the waiter can get at least the execution result. All
// attempts share the timeout.
func (m *machine) callTimeout(now time.Time, op operation, batch []*entry) time.Duration {
	limit := m.rules.timeout(op)
	if op != opScriptLog {
		return limit
	}
	e := batch[0]
	if e.betweenAttempts {
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

// removeWaiter removes a waiter from the deadlines, because it is answered now. It
// reports false if it has been answered before.
func (m *machine) removeWaiter(w *waiter) bool {
	if w.heapIndex == notInHeap {
		return false
	}
	heap.Remove(&m.deadlines, w.heapIndex)
	w.entry.live--
	return true
}

// deadlines is a heap of waiters by their due time.
type deadlines []*waiter

func (d deadlines) Len() int           { return len(d) }
func (d deadlines) Less(i, j int) bool { return d[i].due.Before(d[j].due) }

// Swap implements heap.Interface.
func (d deadlines) Swap(i, j int) {
	d[i], d[j] = d[j], d[i]
	d[i].heapIndex, d[j].heapIndex = i, j
}

// Push implements heap.Interface.
func (d *deadlines) Push(w any) {
	w.(*waiter).heapIndex = len(*d)
	*d = append(*d, w.(*waiter))
}

// Pop implements heap.Interface.
func (d *deadlines) Pop() any {
	old := *d
	w := old[len(old)-1]
	old[len(old)-1] = nil
	*d = old[:len(old)-1]
	w.heapIndex = notInHeap
	return w
}
