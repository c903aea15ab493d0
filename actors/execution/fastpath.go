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
	// waiting are the cases that wait, by number, and numberOf their numbers.
	waiting  map[int]*fastCase
	numberOf map[messages.ExecutionKey]int
	last     int // number
	// next is when the first timer may be due. Tick does nothing before noTickBefore.
	next, noTickBefore time.Time

	questions    []any
	decided      outbox.Batch
	trailScratch trail.Decision
}

// fastCase is an execution on the fast path.
type fastCase struct {
	number  int
	key     messages.ExecutionKey
	machine *Machine
	timers  []Arm // at most one per Arm.Timer
}

// The attempt numbers of case n are n*attemptsOfCase and up, so a reply tells which
// case it is for. The numbers of different lives of a shard do not overlap: a late
// reply to an earlier life matches no case. A case that uses up maxAttempts is
// handed to an actor, before its numbers run into those of the next case.
const (
	attemptsOfCase = 1 << 8
	maxAttempts    = attemptsOfCase - 8
	casesOfLife    = 1 << 40
)

// tickEvery is the least time between two Ticks. Each looks at all waiting cases,
// and when the QRS does not answer there are thousands of them.
const tickEvery = 20 * time.Millisecond

// casePool holds decided cases for reuse.
var casePool = sync.Pool{New: func() any { return &fastCase{machine: NewMachine(Rules{}, messages.Ref{})} }}

// FastPath returns a fast path for a life of the shard at self.
func (o *Options) FastPath(self messages.Ref, life int) *FastPath {
	return &FastPath{opts: o, self: self, waiting: map[int]*fastCase{}, numberOf: map[messages.ExecutionKey]int{}, last: life * casesOfLife}
}

// Decide begins with the first event of an execution. It collects a decision for
// Record and look-ups for Ask.
func (d *FastPath) Decide(now time.Time, in *messages.TaskEventObserved) fastpath.Ruling {
	if in.Event.Family == messages.FamilyDistribute { // it will have to be followed
		return fastpath.Ruling{Key: in.Key}
	}
	c := d.open(in.Key)
	return d.step(c, func() []Effect { return d.opts.observe(c.machine, now, in) })
}

// Answer continues the execution that waits for a reply, if there is one.
func (d *FastPath) Answer(now time.Time, reply any) (fastpath.Ruling, bool) {
	c := d.waiting[messages.AttemptOf(reply)/attemptsOfCase]
	if c == nil {
		return fastpath.Ruling{}, false
	}
	return d.step(c, func() []Effect { return c.machine.Handle(now, reply) }), true
}

// Next returns when to call Tick, the zero time for never.
func (d *FastPath) Next() time.Time {
	if len(d.waiting) == 0 {
		return time.Time{}
	}
	if d.next.Before(d.noTickBefore) {
		return d.noTickBefore
	}
	return d.next
}

// Tick continues the executions whose timers are due.
func (d *FastPath) Tick(now time.Time, rule func(fastpath.Ruling)) {
	if len(d.waiting) == 0 || now.Before(d.Next()) {
		return
	}
	d.next, d.noTickBefore = time.Time{}, now.Add(tickEvery)
	for number, c := range d.waiting {
		if message := c.due(now); message != nil {
			rule(d.step(c, func() []Effect { return c.machine.Handle(now, message) }))
			if d.waiting[number] == nil { // its memory may serve another fast path by now
				continue
			}
		}
		for _, t := range c.timers {
			d.wakeAt(t.At)
		}
	}
}

// Withdraw removes an execution that waits.
func (d *FastPath) Withdraw(key messages.ExecutionKey) {
	delete(d.waiting, d.numberOf[key])
	delete(d.numberOf, key)
}

// Ask sends the look-ups collected since the last call.
func (d *FastPath) Ask() {
	if len(d.questions) > 0 {
		d.opts.ask(d.questions)
		d.questions = nil
	}
}

// Record commits the decisions collected since the last call as one. When they are
// durable it hands their notices on and calls done, on the ledger's goroutine. An
// error means that the ledger can never take them. When the ledger is closed, done
// is not called: the events come again after the restart.
func (d *FastPath) Record(done func(error)) { d.opts.commit(&d.decided, done) }

// open begins a case, reusing the memory of an earlier one.
func (d *FastPath) open(key messages.ExecutionKey) *fastCase {
	d.last++
	c := casePool.Get().(*fastCase)
	c.number, c.key, c.timers = d.last, key, c.timers[:0]
	c.machine.Reset(d.opts.Rules(), d.self, d.last*attemptsOfCase)
	return c
}

// step runs one step of a case and returns the ruling. A panic hands the execution
// to an actor, where it is contained and counted.
func (d *FastPath) step(c *fastCase, step func() []Effect) (said fastpath.Ruling) {
	said.Key = c.key
	asked := len(d.questions)
	defer func() {
		if cause := recover(); cause != nil {
			d.opts.Log.Warn("decision without an actor panicked, the actor of the execution decides",
				zap.String("execution_key", string(c.key)), zap.Any("panic", cause), zap.ByteString("stack", debug.Stack()))
			said.Progress = fastpath.NeedsActor
		}
		switch said.Progress {
		case fastpath.Waiting:
			d.waiting[c.number], d.numberOf[c.key] = c, c.number
		case fastpath.NeedsActor:
			d.questions = d.questions[:asked]
			d.Withdraw(c.key)
		case fastpath.Decided:
			d.Withdraw(c.key)
			casePool.Put(c)
		}
	}()
	said.Progress, said.Seen = d.apply(c, step())
	return said
}

// apply carries out the effects of a case if the fast path can.
func (d *FastPath) apply(c *fastCase, effects []Effect) (fastpath.Progress, messages.Seen) {
	var tell *Report
	var record *Record
	for _, effect := range effects {
		switch do := effect.(type) {
		case *Report:
			tell = do
		case *Record:
			record = do
		case Ask:
			d.questions = append(d.questions, do.Command)
		case Arm:
			c.arm(do)
			d.wakeAt(do.At)
		default: // such as Handled of an event that is dropped
			return fastpath.NeedsActor, messages.Seen{}
		}
	}
	switch {
	case tell == nil && record == nil && c.machine.attempt < c.number*attemptsOfCase+maxAttempts:
		return fastpath.Waiting, messages.Seen{}
	case tell == nil || record == nil || record.State != nil: // a task that is followed
		return fastpath.NeedsActor, messages.Seen{}
	}
	d.opts.report(tell, &d.trailScratch)
	record.add(&d.decided)
	return fastpath.Decided, record.Seen
}

// wakeAt makes Next return at or an earlier time.
func (d *FastPath) wakeAt(at time.Time) {
	if d.next.IsZero() || at.Before(d.next) {
		d.next = at
	}
}

// arm replaces the timer of the same name, if there is one.
func (c *fastCase) arm(do Arm) {
	i := slices.IndexFunc(c.timers, func(t Arm) bool { return t.Timer == do.Timer })
	if i < 0 {
		c.timers = append(c.timers, do)
		return
	}
	c.timers[i] = do
}

// due removes a timer that is due and returns its message, nil for none.
func (c *fastCase) due(now time.Time) any {
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
