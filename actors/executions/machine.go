package executions

import (
	"slices"
	"strings"
	"time"

	"butler/internal/journal"
	"butler/internal/keyed"
	"butler/internal/outbox"
	"butler/messages"
)

// The crashes of one execution after which less is tried: first a decision from
// the event alone, then none.
const (
	bareAfter   = 5
	giveUpAfter = 6
)

// trialFor is how long an execution that is tried again has to live until its
// crashes are forgotten.
const trialFor = 5 * time.Minute

// machine decides, for one shard, what is a repetition, when an execution is
// started, tried again with less, and given up. It is pure: it gets the time and
// one input, changes itself and returns what is to be done, in order.
//
// The first event of an execution is offered to the desk. Most executions end
// there: at once, or when the questions of the desk are answered. The others get
// an actor.
//
// Crashes are counted on disk, and for that a try has to be written down before
// it begins: an execution that takes the process with it leaves nothing else.
// A first try is not written down, so the way of an ordinary event is free of
// it. Only an execution that has been tried before is on trial: it crashed, it
// is resumed from its snapshot, or its event was in the journal before this life
// of the shard. A try that a process leaves behind counts as a crash only when
// that process crashed by itself, not when it was killed or lost its power.
// Executions that were tried at the same time as the one which crashed are counted
// with it. They are innocent, and rid of that when they finish, or have lived for
// trialFor.
//
// An execution that only waits for its next look at a distribute task sleeps: it
// has no actor until then. No more are woken at one time than there is room for.
//
// Writing a try down is a barrier, too: what a crashed execution has committed
// is durable, and visible, before it is looked up and tried again.
type machine struct {
	// known are the executions that something is to be done for, remembered the others.
	known      keyed.Table[*entry]
	remembered remembered
	// trying are the executions whose next try the current step has begun.
	trying []messages.ExecutionKey
	out    []effect // reused by every step

	sleepers sleepers
}

// entry is what a shard knows of one execution that something is to be done for.
type entry struct {
	key  messages.ExecutionKey
	seen messages.Seen
	// pending are the events that are not handled, in order.
	pending []*messages.PlacedEvent
	phase   phase
	// sent counts the events that the live actor was given.
	sent    int
	crashes int
	// onTrial is set while the ledger has a trial of the execution; since is when
	// the present try began.
	onTrial bool
	// polls is set while it has a place among those that were woken to poll.
	polls bool
	since time.Time
	// asleep is set in the phase of that name.
	asleep *sleeper
}

// Name implements keyed.Named.
func (e *entry) Name() string { return string(e.key) }

// phase is where an execution is.
type phase uint8

const (
	// idle: remembered, and nothing else.
	idle phase = iota
	// deciding: what the desk has decided is on its way to the disk; events wait.
	deciding
	// asking: the desk waits for an answer.
	asking
	// recording: the next try is being written down; events wait.
	recording
	// running: there is an actor.
	running
	// asleep: there will be an actor when it is time, or when an event arrives.
	asleep
)

// Inputs of the machine beside messages.EventsArrived, EventHandled and ExecutionFinished.
type (
	// ruled says what the desk makes of an execution. What it has decided about one
	// is not on disk yet.
	ruled struct{ messages.Ruling }
	// recorded: what the desk has decided is on disk.
	recorded struct{ rulings []ruling }
	// refused: what the desk has decided can never be recorded.
	refused struct{ rulings []ruling }
	// crashed: the actor of an execution ended without having finished.
	crashed struct{ key messages.ExecutionKey }
	// recalled follows a try that was written down: what the ledger knows now.
	recalled struct {
		key      messages.ExecutionKey
		seen     messages.Seen
		snapshot []byte // nil when nothing is followed
	}
	// sweepDue: forget what is remembered longer than needed. Records before floor never come again.
	sweepDue struct{ floor uint64 }
	// wakeDue: the time of a sleeper has come.
	wakeDue struct{}
	// stopping: this life of the shard ends, because of guilty unless that is "".
	stopping struct{ guilty messages.ExecutionKey }
)

// handle is the whole of the machine. Its answer is valid until the next call.
func (m *machine) handle(now time.Time, input any) []effect {
	m.out = m.out[:0]
	switch in := input.(type) {
	case messages.EventsArrived:
		for i := range in.Events {
			m.arrived(now, &in.Events[i], in.Again)
		}
	case messages.EventHandled:
		m.handled(in)
	case messages.ExecutionFinished:
		m.finished(in)
	case messages.ExecutionAsleep:
		m.asleep(in)
	case wakeDue:
		m.sleepers.last = now.Sub(m.sleepers.began)
	case ruled:
		m.ruled(now, in.Ruling)
	case recorded:
		m.recorded(now, in.rulings)
	case refused:
		for _, one := range in.rulings {
			m.crashed(one.event.Key)
		}
	case crashed:
		m.crashed(in.key)
	case recalled:
		m.recalled(now, in)
	case sweepDue:
		m.sweep(now, in.floor)
	case stopping:
		m.stop(in.guilty)
		return m.out
	}
	m.rouse(now)
	m.flush()
	return m.out
}

func (m *machine) do(e effect) { m.out = append(m.out, e) }

func (m *machine) entry(key messages.ExecutionKey) *entry {
	e, fresh := m.known.Place(string(key))
	if fresh {
		// The key may be a part of its event's text, and is kept for longer.
		*e = &entry{key: messages.ExecutionKey(strings.Clone(string(key))), seen: m.remembered.take(key)}
	}
	return *e
}

// arrived takes up an event, unless it repeats one.
func (m *machine) arrived(now time.Time, placed *messages.PlacedEvent, again bool) {
	e := m.entry(placed.Key)
	if e.expects(placed.Event.Family) || e.repeats(now, placed) {
		// After a crash its record comes again, otherwise its sender repeats itself.
		if placed.At.Seq > e.seen.Seq {
			m.do(count{placed})
		}
		m.do(tell{placed.At})
		m.retire(e)
		return
	}
	e.pending = append(e.pending, placed)
	switch {
	case e.phase == running:
		m.observe(e, placed, now)
	case e.phase == asking:
		m.hire(now, e)
	case e.phase == asleep && !again:
		m.wake(now, e, false)
	case e.phase == asleep:
		m.sleepers.rise(e)
		m.try(placed.Key, e)
	case e.phase == recording, e.phase == deciding: // it goes out with the try, or has its turn after the decision
	case again || e.crashes > 0:
		m.try(placed.Key, e)
	default:
		e.phase, e.since = deciding, now
		m.do(decide{event: placed, entry: e})
	}
}

// ruled takes up what the desk makes of an execution. It sees to one event: another
// one that has arrived takes an actor.
func (m *machine) ruled(now time.Time, r messages.Ruling) {
	e := m.entry(r.Key)
	switch {
	case r.Verdict == messages.VerdictDecided:
		e.phase = deciding
	case r.Verdict == messages.VerdictLeft:
		m.start(now, e.key, e, nil)
	case len(e.pending) > 1:
		m.hire(now, e)
	default:
		e.phase = asking
	}
}

// hire gives an execution that waits at the desk an actor instead.
func (m *machine) hire(now time.Time, e *entry) {
	m.do(withdraw{e.key})
	m.start(now, e.key, e, nil)
}

// expects reports whether an event of the family is pending.
func (e *entry) expects(f messages.Family) bool {
	return slices.ContainsFunc(e.pending, func(p *messages.PlacedEvent) bool { return p.Event.Family == f })
}

// repeats reports whether an event was handled before. What was seen is
// forgotten when its time is over, but a record that has contributed to it does
// not count anew however late it comes again.
func (e *entry) repeats(now time.Time, placed *messages.PlacedEvent) bool {
	if placed.At.Seq > e.seen.Seq && !now.Before(e.seen.Until) {
		e.seen = messages.Seen{}
	}
	return e.seen.HasClass(placed.Event.Family)
}

// start begins with an actor for the pending events and what it goes on from, nil
// for nothing. The first of them may have waited at the desk, and has so much less time.
func (m *machine) start(now time.Time, key messages.ExecutionKey, e *entry, from *messages.ResumeExecution) {
	since := now
	if e.phase == asking {
		since = e.since
	}
	e.phase, e.sent, e.since = running, 0, now
	m.do(spawn{key})
	if from != nil {
		m.do(resume{*from})
	}
	for _, placed := range e.pending {
		m.observe(e, placed, since)
		since = now
	}
}

func (m *machine) observe(e *entry, placed *messages.PlacedEvent, since time.Time) {
	e.sent++
	m.do(observe{event: placed, seen: e.seen, bare: e.crashes >= bareAfter, since: since})
}

// recorded ends the executions that the desk has decided about. What has arrived
// for one meanwhile takes an actor.
func (m *machine) recorded(now time.Time, rulings []ruling) {
	for _, one := range rulings {
		e := one.entry
		e.drop(one.event.At)
		e.seen = one.seen
		m.do(tell{one.event.At})
		if len(e.pending) > 0 {
			m.start(now, one.event.Key, e, nil)
			continue
		}
		m.settle(one.event.Key, e)
	}
}

// try begins another try of an execution, as soon as that is on disk.
func (m *machine) try(key messages.ExecutionKey, e *entry) {
	e.phase, e.onTrial = recording, true
	m.trying = append(m.trying, key)
}

// flush writes down all tries that a step has begun.
func (m *machine) flush() {
	for keys := range slices.Chunk(m.trying, commitAtOnce) {
		ops := make([]journal.Op, 0, len(keys))
		for _, key := range keys {
			ops = append(ops, trialOp(key, outbox.Trial{Crashes: m.entry(key).crashes, Underway: true}))
		}
		m.do(commit{ops: ops, then: slices.Clone(keys)})
	}
	m.trying = m.trying[:0]
}

// handled ends the wait for an event.
func (m *machine) handled(in messages.EventHandled) {
	e := m.entry(in.Key)
	e.drop(in.At)
	if !in.Released {
		e.seen = in.Seen
	}
	m.do(tell{in.At})
}

// drop takes an event from the pending ones.
func (e *entry) drop(at messages.EventPosition) {
	i := slices.IndexFunc(e.pending, func(p *messages.PlacedEvent) bool { return p.At == at })
	if i < 0 {
		return
	}
	e.pending = slices.Delete(e.pending, i, i+1)
}

// finished ends the actor of an execution, unless it has been sent more meanwhile.
func (m *machine) finished(in messages.ExecutionFinished) {
	e := m.entry(in.Key)
	if e.phase == running && in.Observed == e.sent {
		if in.Seen.Classes != 0 {
			e.seen = in.Seen
		}
		m.do(end{in.Key})
		m.settle(in.Key, e)
	}
}

// settle leaves nothing of an execution but what was seen.
func (m *machine) settle(key messages.ExecutionKey, e *entry) {
	e.phase = idle
	m.sleepers.release(e)
	m.acquit(key, e)
	m.retire(e)
}

// acquit forgets the crashes of an execution.
func (m *machine) acquit(key messages.ExecutionKey, e *entry) {
	e.crashes = 0
	if e.onTrial {
		e.onTrial = false
		m.do(commit{ops: []journal.Op{{Bucket: outbox.BucketTrial, Key: string(key)}}})
	}
}

func (m *machine) crashed(key messages.ExecutionKey) {
	e := m.entry(key)
	m.sleepers.release(e)
	e.crashes++
	m.try(key, e)
}

// recalled goes on with an execution whose next try is on disk. What it has
// decided before it crashed is not decided again.
func (m *machine) recalled(now time.Time, in recalled) {
	e := m.entry(in.key)
	if e.phase != recording {
		return
	}
	e.seen = in.seen
	for _, placed := range slices.Clone(e.pending) {
		if e.repeats(now, placed) {
			e.drop(placed.At)
			m.do(tell{placed.At})
		}
	}
	switch {
	case len(e.pending) == 0 && in.snapshot == nil:
		m.settle(in.key, e)
	case e.crashes >= giveUpAfter:
		m.giveUp(in, e)
	case in.snapshot == nil:
		m.sleepers.release(e)
		m.start(now, in.key, e, nil)
	default:
		m.start(now, in.key, e, &messages.ResumeExecution{
			Key: in.key, Seen: e.seen, Snapshot: in.snapshot, Bare: e.crashes >= bareAfter, Due: e.polls,
		})
	}
}

// giveUp is the end of an execution that crashes even without any look-up. What
// it was about is kept for an operator before it is let go.
func (m *machine) giveUp(in recalled, e *entry) {
	m.do(giveUp{key: in.key, crashes: e.crashes, events: e.pending, snapshot: in.snapshot})
	if in.snapshot != nil {
		m.do(commit{ops: []journal.Op{{Bucket: outbox.BucketState, Key: string(in.key)}}})
	}
	for _, placed := range e.pending {
		m.do(tell{placed.At})
	}
	e.pending = nil
	m.settle(in.key, e)
}

func trialOp(key messages.ExecutionKey, t outbox.Trial) journal.Op {
	return journal.Op{Bucket: outbox.BucketTrial, Key: string(key), Value: outbox.EncodeTrial(t)}
}
