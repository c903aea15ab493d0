package execution

import (
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"

	"butler/internal/fastpath"
	"butler/internal/journal"
	"butler/internal/outbox"
	"butler/internal/trail"
	"butler/messages"
)

// FastPath decides executions that have one event and need nothing but look-ups. It
// runs their machines without actors, and leaves every other execution to an actor.
// A FastPath serves one life of one shard. It reuses the memory of decided executions.
//
// Before its decision an execution has had no effect but look-ups, so it can be
// handed to an actor, or begin again after a crash, at any time.
type FastPath struct {
	opts *Options
	self messages.Ref
	// waiting are the candidates that wait, by number, and numberOf their numbers.
	waiting  map[int]*candidate
	numberOf map[messages.ExecutionKey]int
	last     int // number
	// next is when the first timer may be due. Tick does nothing before noTickBefore.
	next, noTickBefore time.Time

	questions    []any
	decided      outbox.Batch
	trailScratch trail.Decision
}

// candidate is an execution on the fast path.
type candidate struct {
	number  int
	key     messages.ExecutionKey
	machine *Machine
	timers  []Arm // at most one per Arm.Timer
}

// The attempt numbers of candidate n are n*attemptsOfCandidate and up, so a reply tells which
// candidate it is for. The numbers of different lives of a shard do not overlap: a late
// reply to an earlier life matches no candidate. A candidate that uses up maxAttempts is
// handed to an actor, before its numbers run into those of the next candidate.
const (
	attemptsOfCandidate = 1 << 8
	maxAttempts         = attemptsOfCandidate - 8
	candidatesOfLife    = 1 << 40
)

// tickEvery is the least time between two Ticks. Each looks at all waiting candidates,
// and when the QRS does not answer there are thousands of them.
const tickEvery = 20 * time.Millisecond

// candidatePool holds decided candidates for reuse.
var candidatePool = sync.Pool{New: func() any { return &candidate{machine: NewMachine(Rules{}, messages.Ref{})} }}

// FastPath returns a fast path for a life of the shard at self.
func (o *Options) FastPath(self messages.Ref, life int) *FastPath {
	return &FastPath{opts: o, self: self, waiting: map[int]*candidate{}, numberOf: map[messages.ExecutionKey]int{}, last: life * candidatesOfLife}
}

// Decide begins with the first event of an execution. It collects a decision for
// Record and look-ups for Ask.
func (f *FastPath) Decide(now time.Time, in *messages.TaskEventObserved) fastpath.Ruling {
	if in.Event.Family == messages.FamilyDistribute { // it will have to be followed
		return fastpath.Ruling{Key: in.Key}
	}
	c := f.open(in.Key)
	return f.step(c, func() []Effect { return f.opts.observe(c.machine, now, in) })
}

// Answer continues the execution that waits for a reply, if there is one.
func (f *FastPath) Answer(now time.Time, reply any) (fastpath.Ruling, bool) {
	c := f.waiting[messages.AttemptOf(reply)/attemptsOfCandidate]
	if c == nil {
		return fastpath.Ruling{}, false
	}
	return f.step(c, func() []Effect { return c.machine.Handle(now, reply) }), true
}

// Next returns when to call Tick, the zero time for never.
func (f *FastPath) Next() time.Time {
	if len(f.waiting) == 0 {
		return time.Time{}
	}
	if f.next.Before(f.noTickBefore) {
		return f.noTickBefore
	}
	return f.next
}

// Tick continues the executions whose timers are due.
func (f *FastPath) Tick(now time.Time, rule func(fastpath.Ruling)) {
	if len(f.waiting) == 0 || now.Before(f.Next()) {
		return
	}
	f.next, f.noTickBefore = time.Time{}, now.Add(tickEvery)
	for number, c := range f.waiting {
		if message := c.due(now); message != nil {
			rule(f.step(c, func() []Effect { return c.machine.Handle(now, message) }))
			if f.waiting[number] == nil { // its memory may serve another fast path by now
				continue
			}
		}
		for _, t := range c.timers {
			f.wakeAt(t.At)
		}
	}
}

// Withdraw removes an execution that waits.
func (f *FastPath) Withdraw(key messages.ExecutionKey) {
	delete(f.waiting, f.numberOf[key])
	delete(f.numberOf, key)
}

// Ask sends the look-ups collected since the last call.
func (f *FastPath) Ask() {
	if len(f.questions) > 0 {
		f.opts.ask(f.questions)
		f.questions = nil
	}
}

// Record commits the decisions collected since the last call as one. When they are
// durable it hands their notices on and calls done, on the ledger's goroutine. An
// error means that the ledger can never take them. When the ledger is closed, done
// is not called: the events come again after the restart.
func (f *FastPath) Record(done func(error)) { f.opts.commit(&f.decided, done) }

// open begins a candidate, reusing the memory of an earlier one.
func (f *FastPath) open(key messages.ExecutionKey) *candidate {
	f.last++
	c := candidatePool.Get().(*candidate)
	c.number, c.key, c.timers = f.last, key, c.timers[:0]
	c.machine.Reset(f.opts.Rules(), f.self, f.last*attemptsOfCandidate)
	return c
}

// step runs one step of a candidate and returns the ruling. A panic hands the execution
// to an actor, where it is contained and counted.
func (f *FastPath) step(c *candidate, step func() []Effect) (said fastpath.Ruling) {
	said.Key = c.key
	asked := len(f.questions)
	defer func() {
		if cause := recover(); cause != nil {
			f.opts.Log.Warn("decision without an actor panicked, the actor of the execution decides",
				zap.String("execution_key", string(c.key)), zap.Any("panic", cause), zap.ByteString("stack", debug.Stack()))
			said.Progress = fastpath.NeedsActor
		}
		switch said.Progress {
		case fastpath.Waiting:
			f.waiting[c.number], f.numberOf[c.key] = c, c.number
		case fastpath.NeedsActor:
			f.questions = f.questions[:asked]
			f.Withdraw(c.key)
		case fastpath.Decided:
			f.Withdraw(c.key)
			candidatePool.Put(c)
		}
	}()
	said.Progress, said.Seen = f.apply(c, step())
	return said
}

// apply carries out the effects of a candidate if the fast path can.
func (f *FastPath) apply(c *candidate, effects []Effect) (fastpath.Progress, messages.Seen) {
	var tell *Report
	var record *Record
	for _, effect := range effects {
		switch do := effect.(type) {
		case *Report:
			tell = do
		case *Record:
			record = do
		case Ask:
			f.questions = append(f.questions, do.Command)
		case Arm:
			c.arm(do)
			f.wakeAt(do.At)
		default: // such as Handled of an event that is dropped
			return fastpath.NeedsActor, messages.Seen{}
		}
	}
	switch {
	case tell == nil && record == nil && c.machine.attempt < c.number*attemptsOfCandidate+maxAttempts:
		return fastpath.Waiting, messages.Seen{}
	case tell == nil || record == nil || record.State != nil: // a task that is followed
		return fastpath.NeedsActor, messages.Seen{}
	}
	f.opts.report(tell, &f.trailScratch)
	record.add(&f.decided)
	return fastpath.Decided, record.Seen
}

// wakeAt makes Next return at or an earlier time.
func (f *FastPath) wakeAt(at time.Time) {
	if f.next.IsZero() || at.Before(f.next) {
		f.next = at
	}
}

// arm replaces the timer of the same name, if there is one.
func (c *candidate) arm(do Arm) {
	i := slices.IndexFunc(c.timers, func(t Arm) bool { return t.Timer == do.Timer })
	if i < 0 {
		c.timers = append(c.timers, do)
		return
	}
	c.timers[i] = do
}

// due removes a timer that is due and returns its message, nil for none.
func (c *candidate) due(now time.Time) any {
	i := slices.IndexFunc(c.timers, func(t Arm) bool { return !now.Before(t.At) })
	if i < 0 {
		return nil
	}
	message := c.timers[i].Message
	c.timers = slices.Delete(c.timers, i, i+1)
	return message
}

// add adds the record to a batch for the ledger.
func (r *Record) add(b *outbox.Batch) {
	seen := journal.Op{Bucket: outbox.BucketSeen, Key: string(r.Key), Value: outbox.EncodeSeen(r.Seen)}
	if r.State == nil && !r.HadState {
		b.Add(r.Decision, seen)
		return
	}
	b.Add(r.Decision, seen, journal.Op{Bucket: outbox.BucketState, Key: string(r.Key), Value: r.State})
}
