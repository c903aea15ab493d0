package executions

import (
	"container/heap"
	"math"
	"time"

	"butler/internal/likeness"
	"butler/messages"
)

// Most executions that live for long follow a distribute task, and wait. They need
// no actor until the task is looked at again: the shard keeps what they go on from,
// and when that is, and has one timer for all of them.

// wakeEvery is how long a shard that has woken executions waits before it wakes the
// next ones, so that those of a crowd are woken and written down together.
const wakeEvery = 20 * time.Millisecond

// sleeper is an execution without an actor. Its times are since the beginning of
// the shard's life: no change of the clock moves them.
type sleeper struct {
	slept, poll, giveUp time.Duration
	// left is what it goes on from, folded; "" where that is in the ledger alone.
	left string
	// place is where it stands among the dues.
	place int32
	tasks uint16
	// queued: its poll is due, and waits until others have had theirs.
	queued bool
}

// never is a time that does not come.
const never = time.Duration(math.MaxInt64)

// due is when to look at a sleeper.
func (s *sleeper) due() time.Duration {
	if s.queued {
		return s.giveUp
	}
	return min(s.poll, s.giveUp)
}

// dues are sleepers, the one that is due first on top.
type dues []*entry

func (d dues) Len() int           { return len(d) }
func (d dues) Less(i, j int) bool { return d[i].asleep.due() < d[j].asleep.due() }
func (d dues) Swap(i, j int) {
	d[i], d[j] = d[j], d[i]
	d[i].asleep.place, d[j].asleep.place = int32(i), int32(j)
}

func (d *dues) Push(x any) {
	e := x.(*entry)
	e.asleep.place = int32(len(*d))
	*d = append(*d, e)
}

func (d *dues) Pop() any {
	last := len(*d) - 1
	e := (*d)[last]
	(*d)[last] = nil
	*d = (*d)[:last]
	return e
}

// sleepers are the executions of a shard that sleep.
type sleepers struct {
	began time.Time
	// room is how many may have been woken for a poll at once, woken how many are.
	room, woken int
	dues        dues
	// queue are those whose poll is due, in the order in which it was. One that has
	// woken since stays in it, and is passed over.
	queue []*entry
	// tasks is how many distribute tasks they follow.
	tasks int
	folds likeness.Folder
	last  time.Duration // when the timer came last
}

// sleep puts an execution to sleep.
func (s *sleepers) sleep(e *entry, as sleeper) {
	e.phase, e.asleep = asleep, &as
	s.tasks += int(as.tasks)
	heap.Push(&s.dues, e)
}

// rise takes an execution out, whatever becomes of it, and returns what it was.
func (s *sleepers) rise(e *entry) sleeper {
	was := *e.asleep
	heap.Remove(&s.dues, int(was.place))
	e.asleep = nil
	s.tasks -= int(was.tasks)
	return was
}

// claim gives an execution a place among those that poll, release takes it back.
func (s *sleepers) claim(e *entry) {
	e.polls = true
	s.woken++
}

func (s *sleepers) release(e *entry) {
	if e.polls {
		e.polls = false
		s.woken--
	}
}

// next returns an execution for which it is time, and nil when there is none. One
// that is to be given up does not wait for those that poll: nobody may wait for an
// alert because the repository is slow.
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
	for s.woken < s.room && len(s.queue) > 0 {
		e := s.queue[0]
		s.queue[0] = nil
		s.queue = s.queue[1:]
		if e.asleep != nil && e.asleep.queued {
			return e
		}
	}
	return nil
}

// alarm returns when to look again, false for never. Whoever waits in the queue
// is woken when another has ended, and needs no timer.
func (s *sleepers) alarm() (time.Time, bool) {
	if len(s.dues) == 0 || s.dues[0].asleep.due() == never {
		return time.Time{}, false
	}
	return s.began.Add(max(s.dues[0].asleep.due(), s.last+wakeEvery)), true
}

// doze puts an execution to sleep of which the ledger has a snapshot.
func (m *machine) doze(e *entry, after time.Duration) {
	m.sleepers.sleep(e, sleeper{poll: after, giveUp: never, tasks: 1})
}

// asleep ends the actor of an execution until there is something to do, unless it
// has been sent more meanwhile.
func (m *machine) asleep(in messages.ExecutionAsleep) {
	e := m.entry(in.Key)
	if e.phase != running || in.Observed != e.sent {
		return
	}
	if in.Seen.Classes != 0 {
		e.seen = in.Seen
	}
	m.do(end{in.Key})
	m.sleepers.release(e)
	since := func(at time.Time) time.Duration { return at.Sub(m.sleepers.began) }
	m.sleepers.sleep(e, sleeper{
		slept: since(in.At), poll: since(in.Poll), giveUp: since(in.GiveUp),
		left: m.sleepers.folds.Fold(in.Snapshot), tasks: uint16(min(in.Tasks, math.MaxUint16)),
	})
}

// rouse wakes the executions for which it is time.
func (m *machine) rouse(now time.Time) {
	for e := m.sleepers.next(now); e != nil; e = m.sleepers.next(now) {
		m.sleepers.claim(e)
		m.wake(now, e, true)
	}
}

// wake gives an execution an actor again. One that this life of the shard has not
// seen goes on from the ledger, which is a try of its own.
func (m *machine) wake(now time.Time, e *entry, isDue bool) {
	was := m.sleepers.rise(e)
	if was.left == "" {
		m.try(e.key, e)
		return
	}
	since := e.since // a nap does not begin a new try
	m.start(now, e.key, e, &messages.ResumeExecution{
		Key: e.key, Seen: e.seen, Snapshot: m.sleepers.folds.Unfold(was.left), Due: isDue, Slept: m.sleepers.began.Add(was.slept),
	})
	if e.onTrial {
		e.since = since
	}
}
