package execution

import (
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"

	"butler/internal/journal"
	"butler/internal/outbox"
	"butler/internal/trail"
	"butler/messages"
)

// Desk decides about executions of one event that wait for nothing but answers. It
// runs the machine of an execution without its actor, and leaves every other
// execution to one. It is for one life of one shard. The memory of one execution
// serves another.
//
// Until an execution is decided nothing has happened but look-ups, so it may be
// left to an actor, or begin anew after a crash, at any time.
type Desk struct {
	opts *Options
	self messages.Ref
	// waiting are the cases that wait, by their number, and numbers are theirs.
	waiting map[int]*deskCase
	numbers map[messages.ExecutionKey]int
	last    int // number
	// next is when the first of all timers may be due, and rest is until when Tick rests.
	next, rest time.Time

	questions []any
	decided   outbox.Batch
	step      trail.Decision
}

// deskCase is an execution at the desk.
type deskCase struct {
	number  int
	key     messages.ExecutionKey
	machine *Machine
	timers  []Arm // one of a name
}

// A look-up of a case is counted from the number of the case times attemptsOfCase
// on, so that its reply names the case. Numbers begin with the life of the shard:
// an answer to an earlier one names nobody. A case that asks again and again gets
// an actor before its attempts are those of the next one.
const (
	attemptsOfCase = 1 << 8
	maxAttempts    = attemptsOfCase - 8
	casesOfLife    = 1 << 40
)

// tickEvery is how far two Ticks are apart at the least: each looks at everybody who
// waits, and when the QRS is silent thousands wait for as many times.
const tickEvery = 20 * time.Millisecond

// overCases are cases that are decided, whose memory serves another.
var overCases = sync.Pool{New: func() any { return &deskCase{machine: NewMachine(Rules{}, messages.Ref{})} }}

// Desk returns a desk of these options for a life of the shard at self.
func (o *Options) Desk(self messages.Ref, life int) *Desk {
	return &Desk{opts: o, self: self, waiting: map[int]*deskCase{}, numbers: map[messages.ExecutionKey]int{}, last: life * casesOfLife}
}

// Decide takes up the first event of an execution. What has to become durable is
// kept for Record, what is to be asked for Ask.
func (d *Desk) Decide(now time.Time, in *messages.TaskEventObserved) messages.Ruling {
	if in.Event.Family == messages.FamilyDistribute { // it will have to be followed
		return messages.Ruling{Key: in.Key}
	}
	c := d.open(in.Key)
	return d.goOn(c, func() []Effect {
		if known, ok := d.opts.atHand(c.machine.Question(&in.Event), now); ok {
			return c.machine.HandleKnown(now, in, known)
		}
		return c.machine.Handle(now, *in)
	})
}

// Answer goes on with the execution that waits for a reply, if there is one.
func (d *Desk) Answer(now time.Time, reply any) (messages.Ruling, bool) {
	c := d.waiting[messages.AttemptOf(reply)/attemptsOfCase]
	if c == nil {
		return messages.Ruling{}, false
	}
	return d.goOn(c, func() []Effect { return c.machine.Handle(now, reply) }), true
}

// Next returns when Tick has something to do, the zero time for never.
func (d *Desk) Next() time.Time {
	if len(d.waiting) == 0 {
		return time.Time{}
	}
	if d.next.Before(d.rest) {
		return d.rest
	}
	return d.next
}

// Tick goes on with the executions whose time has come.
func (d *Desk) Tick(now time.Time, rule func(messages.Ruling)) {
	if len(d.waiting) == 0 || now.Before(d.Next()) {
		return
	}
	d.next, d.rest = time.Time{}, now.Add(tickEvery)
	for number, c := range d.waiting {
		if message := c.due(now); message != nil {
			rule(d.goOn(c, func() []Effect { return c.machine.Handle(now, message) }))
			if d.waiting[number] == nil { // its memory may serve another desk by now
				continue
			}
		}
		for _, t := range c.timers {
			d.wakeAt(t.At)
		}
	}
}

// Withdraw forgets an execution that waits.
func (d *Desk) Withdraw(key messages.ExecutionKey) {
	delete(d.waiting, d.numbers[key])
	delete(d.numbers, key)
}

// Ask asks what was to be asked since the last time.
func (d *Desk) Ask() {
	if len(d.questions) > 0 {
		d.opts.ask(d.questions)
		d.questions = nil
	}
}

// Record makes what was decided since the last time durable as one commit, hands
// its notices on, and calls done then, on the ledger's goroutine. Its error says
// that the ledger can never take it. A ledger that is closed calls nobody:
// everything comes again after the restart.
func (d *Desk) Record(done func(error)) { d.opts.commit(&d.decided, done) }

// open begins a case, in the memory of one that is over if there is one.
func (d *Desk) open(key messages.ExecutionKey) *deskCase {
	d.last++
	c := overCases.Get().(*deskCase)
	c.number, c.key, c.timers = d.last, key, c.timers[:0]
	c.machine.Again(d.opts.Rules(), d.self, d.last*attemptsOfCase)
	return c
}

// goOn takes a step of a case, and says what it has come to.
func (d *Desk) goOn(c *deskCase, step func() []Effect) (said messages.Ruling) {
	said.Key = c.key
	asked := len(d.questions)
	defer func() {
		if cause := recover(); cause != nil {
			d.opts.Log.Warn("decision without an actor panicked, the actor of the execution decides",
				zap.String("execution_key", string(c.key)), zap.Any("panic", cause), zap.ByteString("stack", debug.Stack()))
			said.Verdict = messages.VerdictLeft
		}
		switch said.Verdict {
		case messages.VerdictWaits:
			d.waiting[c.number], d.numbers[c.key] = c, c.number
		case messages.VerdictLeft:
			d.questions = d.questions[:asked]
			d.Withdraw(c.key)
		case messages.VerdictDecided:
			d.Withdraw(c.key)
			overCases.Put(c)
		}
	}()
	said.Verdict, said.Seen = d.take(c, step())
	return said
}

// take does what the machine of a case wants done, if that can be done here.
func (d *Desk) take(c *deskCase, effects []Effect) (messages.Verdict, messages.Seen) {
	var tell *Tell
	var record *Record
	for _, effect := range effects {
		switch do := effect.(type) {
		case *Tell:
			tell = do
		case *Record:
			record = do
		case Ask:
			d.questions = append(d.questions, do.Command)
		case Arm:
			c.arm(do)
			d.wakeAt(do.At)
		default: // an event that would be looked at anew, say
			return messages.VerdictLeft, messages.Seen{}
		}
	}
	switch {
	case tell == nil && record == nil && c.machine.attempt < c.number*attemptsOfCase+maxAttempts:
		return messages.VerdictWaits, messages.Seen{}
	case tell == nil || record == nil || record.State != nil: // a task that is followed
		return messages.VerdictLeft, messages.Seen{}
	}
	d.opts.tell(tell, &d.step)
	record.add(&d.decided)
	return messages.VerdictDecided, record.Seen
}

// wakeAt sees to it that Tick is called at a time.
func (d *Desk) wakeAt(at time.Time) {
	if d.next.IsZero() || at.Before(d.next) {
		d.next = at
	}
}

// arm replaces the timer of the same name, if there is one.
func (c *deskCase) arm(do Arm) {
	i := slices.IndexFunc(c.timers, func(t Arm) bool { return t.Timer == do.Timer })
	if i < 0 {
		c.timers = append(c.timers, do)
		return
	}
	c.timers[i] = do
}

// due takes out a timer whose time has come, and returns its message; nil for none.
func (c *deskCase) due(now time.Time) any {
	i := slices.IndexFunc(c.timers, func(t Arm) bool { return !now.Before(t.At) })
	if i < 0 {
		return nil
	}
	message := c.timers[i].Message
	c.timers = slices.Delete(c.timers, i, i+1)
	return message
}

// add adds what a record leaves on disk.
func (r *Record) add(b *outbox.Batch) {
	seen := journal.Op{Bucket: outbox.BucketSeen, Key: string(r.Key), Value: outbox.EncodeSeen(r.Seen)}
	if r.State == nil && !r.HadState {
		b.Add(r.Decision, seen)
		return
	}
	b.Add(r.Decision, seen, journal.Op{Bucket: outbox.BucketState, Key: string(r.Key), Value: r.State})
}
