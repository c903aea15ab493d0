package executions

import (
	"container/heap"
	"math"
	"time"

	"butler/internal/likeness"
	"butler/messages"
)

// Most long-lived executions follow a distribute task, and wait. They need no actor
// until the next poll: the shard keeps a snapshot and a due time of each, and one
// timer for all of them.

// wakeEvery is the least time between two rounds of waking, so that executions
// that are due at about the same time are woken and recorded together.
const wakeEvery = 20 * time.Millisecond

// sleeper is an execution without an actor. Its times are relative to the start of
// the shard's life, so that a change of the wall clock does not move them.
type sleeper struct {
	slept, poll, giveUp time.Duration
	// snapshot is the state to resume, compressed; "" when only the ledger has one.
	snapshot  string
	heapIndex int32 // in the dueHeap
	tasks     uint16
	// queued: its poll is due and waits for a slot.
	queued bool
}

// never is a due time that is not reached.
const never = time.Duration(math.MaxInt64)

// due returns when the sleeper has to be looked at next.
func (s *sleeper) due() time.Duration {
	if s.queued {
		return s.giveUp
	}
	return min(s.poll, s.giveUp)
}

// dueHeap is a heap of sleepers by their due time.
type dueHeap []*entry

func (d dueHeap) Len() int           { return len(d) }
func (d dueHeap) Less(i, j int) bool { return d[i].asleep.due() < d[j].asleep.due() }
func (d dueHeap) Swap(i, j int) {
	d[i], d[j] = d[j], d[i]
	d[i].asleep.heapIndex, d[j].asleep.heapIndex = int32(i), int32(j)
}

func (d *dueHeap) Push(x any) {
	e := x.(*entry)
	e.asleep.heapIndex = int32(len(*d))
	*d = append(*d, e)
}

func (d *dueHeap) Pop() any {
	last := len(*d) - 1
	e := (*d)[last]
	(*d)[last] = nil
	*d = (*d)[:last]
	return e
}

// sleepers are the executions of a shard that sleep.
type sleepers struct {
	began time.Time
	// slots bounds the executions that are awake for a poll, taken counts them.
	slots, taken int
	dues         dueHeap
	// queue holds those whose poll is due, in that order. One that was woken for
	// another reason meanwhile stays in it and is skipped.
	queue []*entry
	// tasks counts the distribute tasks that they follow.
	tasks     int
	folder    likeness.Folder
	lastAlarm time.Duration // when the timer fired last
}

// sleep adds an execution.
func (s *sleepers) sleep(e *entry, as sleeper) {
	e.phase, e.asleep = asleep, &as
	s.tasks += int(as.tasks)
	heap.Push(&s.dues, e)
}

// remove removes an execution, for whatever reason, and returns its sleeper.
func (s *sleepers) remove(e *entry) sleeper {
	was := *e.asleep
	heap.Remove(&s.dues, int(was.heapIndex))
	e.asleep = nil
	s.tasks -= int(was.tasks)
	return was
}

// takeSlot counts an execution as awake for a poll.
func (s *sleepers) takeSlot(e *entry) {
	e.holdsSlot = true
	s.taken++
}

// freeSlot takes that back, if it was counted.
func (s *sleepers) freeSlot(e *entry) {
	if e.holdsSlot {
		e.holdsSlot = false
		s.taken--
	}
}

// next returns an execution to wake, or nil. One whose time to give up has come
// needs no slot: its alert must not wait for a slow repository.
func (s *sleepers) next(now time.Time) *entry {
	at := now.Sub(s.began)
	for len(s.dues) > 0 && s.dues[0].asleep.due() <= at {
		e := s.dues[0]
		if e.asleep.giveUp <= at {
			return e
		}
		e.asleep.queued = true
		heap.Fix(&s.dues, 0)
		s.queue = append(s.queue, e)
	}
	for s.taken < s.slots && len(s.queue) > 0 {
		e := s.queue[0]
		s.queue[0] = nil
		s.queue = s.queue[1:]
		if e.asleep != nil && e.asleep.queued {
			return e
		}
	}
	return nil
}

// alarm returns when to call next again, false for never. Those in the queue need
// no timer: they are woken when a slot is freed.
func (s *sleepers) alarm() (time.Time, bool) {
	if len(s.dues) == 0 || s.dues[0].asleep.due() == never {
		return time.Time{}, false
	}
	return s.began.Add(max(s.dues[0].asleep.due(), s.lastAlarm+wakeEvery)), true
}

// sleepFollowed puts an execution to sleep that was followed before this life of
// the shard. Its snapshot stays in the ledger.
func (m *machine) sleepFollowed(e *entry, after time.Duration) {
	m.sleepers.sleep(e, sleeper{poll: after, giveUp: never, tasks: 1})
}

// fellAsleep ends the actor of an execution that has nothing to do before its next
// poll, unless it has been sent another event meanwhile.
func (m *machine) fellAsleep(in messages.ExecutionAsleep) {
	e := m.entry(in.Key)
	if e.phase != running || in.Observed != e.sent {
		return
	}
	if in.Seen.Families != 0 {
		e.seen = in.Seen
	}
	m.do(end{in.Key})
	m.sleepers.freeSlot(e)
	since := func(at time.Time) time.Duration { return at.Sub(m.sleepers.began) }
	m.sleepers.sleep(e, sleeper{
		slept: since(in.At), poll: since(in.Poll), giveUp: since(in.GiveUp),
		snapshot: m.sleepers.folder.Fold(in.Snapshot), tasks: uint16(min(in.Tasks, math.MaxUint16)),
	})
}

// wakeDueSleepers wakes the executions that are due.
func (m *machine) wakeDueSleepers(now time.Time) {
	for e := m.sleepers.next(now); e != nil; e = m.sleepers.next(now) {
		m.sleepers.takeSlot(e)
		m.wake(now, e, true)
	}
}

// wake gives an execution an actor again. One whose snapshot is in the ledger is
// resumed from there, which is a retry.
func (m *machine) wake(now time.Time, e *entry, isDue bool) {
	was := m.sleepers.remove(e)
	if was.snapshot == "" {
		m.try(e.key, e)
		return
	}
	since := e.since // sleeping does not begin a new attempt
	m.start(now, e.key, e, &messages.ResumeExecution{
		Key: e.key, Seen: e.seen, Snapshot: m.sleepers.folder.Unfold(was.snapshot), Due: isDue, Slept: m.sleepers.began.Add(was.slept),
	})
	if e.onTrial {
		e.since = since
	}
}
