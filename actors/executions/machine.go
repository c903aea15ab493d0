package executions

import (
	"slices"
	"strings"
	"time"

	"butler/internal/fastpath"
	"butler/internal/journal"
	"butler/internal/keyed"
	"butler/internal/outbox"
	"butler/messages"
)

// After bareAfter crashes an execution is decided from its event alone, after
// giveUpAfter it is not tried any more.
const (
	bareAfter   = 5
	giveUpAfter = 6
)

// trialFor is how long a retried execution has to run without a crash until its
// earlier crashes are forgotten.
const trialFor = 5 * time.Minute

// machine decides, for one shard, which events are repetitions, and when an
// execution is started, retried and given up. It is pure: it gets the time and one
// input, updates itself and returns effects, in order.
//
// The fast path gets the first event of an execution. Most executions end there, at
// once or after their look-ups; the others get an actor.
//
// Retries are recorded. An execution that takes the whole process down leaves no
// other trace, so before a retry begins the ledger gets a trial record with the
// number of crashes. A first attempt is not recorded, which keeps the ordinary
// event free of that cost. An execution is on trial when it has crashed, when it
// is resumed from a snapshot, or when its event was in the journal before this
// life of the shard. A trial that is underway when the process ends counts as a
// crash only if the process crashed; being killed or losing power does not count.
// All executions on trial at that moment are counted, because nobody knows which
// one it was; the others lose the count when they finish or have run for trialFor.
//
// Recording a trial is also a barrier: what the crashed attempt had committed is
// durable and visible before the execution is read back and tried again.
//
// An execution that only waits for the next poll of a distribute task sleeps: it
// has no actor until then. The number of those awake for a poll is bounded.
type machine struct {
	// known holds the executions with work to do, remembered all others.
	known      keyed.Table[*entry]
	remembered remembered
	// found is the newest record of earlier processes.
	found uint64
	// trying are the executions whose retry the current step begins.
	trying []messages.ExecutionKey
	out    []effect // reused by every step

	sleepers sleepers
}

// entry is an execution with work to do.
type entry struct {
	key  messages.ExecutionKey
	seen messages.Seen
	// pending are the events that are not handled, in order.
	pending []*messages.PlacedEvent
	phase   phase
	// sent counts the events that were sent to the present actor.
	sent    int
	crashes int
	// onTrial is set while the ledger has a trial record of the execution.
	onTrial bool
	// holdsSlot is set while it is one of those awake for a poll.
	holdsSlot bool
	// since is when the present attempt began.
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
	// committing: the fast path has the event, or its decision is on its way to disk;
	// further events wait.
	committing
	// asking: the fast path waits for look-ups.
	asking
	// awaitingTrial: the trial record of the next attempt is on its way to disk; events wait.
	awaitingTrial
	// running: there is an actor.
	running
	// asleep: there is no actor until the next poll is due or an event arrives.
	asleep
)

// Inputs of the machine beside messages.EventsArrived, EventHandled and ExecutionFinished.
type (
	// ruled is an answer of the fast path. A decision in it is not on disk yet.
	ruled struct{ fastpath.Ruling }
	// recorded: decisions of the fast path are on disk.
	recorded struct{ decisions []decision }
	// refused: decisions of the fast path can never be recorded.
	refused struct{ decisions []decision }
	// crashed: the actor of an execution ended without having finished.
	crashed struct{ key messages.ExecutionKey }
	// recalled: the trial record is on disk, and this is what the ledger has of the
	// execution.
	recalled struct {
		key      messages.ExecutionKey
		seen     messages.Seen
		snapshot []byte // nil when nothing is followed
	}
	// sweep: forget what need not be remembered. Records before floor never come again.
	sweep struct{ floor uint64 }
	// wakeDue: a sleeper may be due.
	wakeDue struct{}
	// stopping: this life of the shard ends, because the start of the execution
	// crashed panicked unless that is "".
	stopping struct{ crashed messages.ExecutionKey }
)

// handle takes one input and returns the effects, which are valid until the next call.
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
		m.fellAsleep(in)
	case wakeDue:
		m.sleepers.lastAlarm = now.Sub(m.sleepers.began)
	case ruled:
		m.ruled(now, in.Ruling)
	case recorded:
		m.recorded(now, in.decisions)
	case refused:
		for _, one := range in.decisions {
			m.crashed(one.event.Key)
		}
	case crashed:
		m.crashed(in.key)
	case recalled:
		m.recalled(now, in)
	case sweep:
		m.sweep(now, in.floor)
	case stopping:
		m.stop(in.crashed)
		return m.out
	}
	m.wakeDueSleepers(now)
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
		if placed.At.Seq > e.seen.Seq { // a duplicate; otherwise a record that comes again after a crash
			m.do(countDuplicate{placed})
		}
		m.do(acknowledge{placed.At})
		m.retire(e)
		return
	}
	e.pending = append(e.pending, placed)
	switch {
	case e.phase == running:
		m.observe(e, placed, now)
	case e.phase == asking:
		m.leaveFastPath(now, e)
	case e.phase == asleep && !again:
		m.wake(now, e, false)
	case e.phase == asleep:
		m.sleepers.remove(e)
		m.try(placed.Key, e)
	case e.phase == awaitingTrial, e.phase == committing: // it waits among the pending events
	case again || e.crashes > 0:
		m.try(placed.Key, e)
	default:
		e.phase, e.since = committing, now
		m.do(decide{event: placed, entry: e})
	}
}

// ruled handles an answer of the fast path. The fast path handles one event: if another one
// has arrived, the execution needs an actor.
func (m *machine) ruled(now time.Time, r fastpath.Ruling) {
	e := m.entry(r.Key)
	switch {
	case r.Progress == fastpath.Decided:
		e.phase = committing
	case r.Progress == fastpath.NeedsActor:
		m.start(now, e.key, e, nil)
	case len(e.pending) > 1:
		m.leaveFastPath(now, e)
	default:
		e.phase = asking
	}
}

// leaveFastPath takes an execution that waits on the fast path from there to an actor.
func (m *machine) leaveFastPath(now time.Time, e *entry) {
	m.do(withdraw{e.key})
	m.start(now, e.key, e, nil)
}

// expects reports whether an event of the family is pending.
func (e *entry) expects(f messages.Family) bool {
	return slices.ContainsFunc(e.pending, func(p *messages.PlacedEvent) bool { return p.Event.Family == f })
}

// repeats reports whether an event was handled before. What was seen is forgotten
// when its time is over, except for records that contributed to it: those are
// repetitions however late they come again.
func (e *entry) repeats(now time.Time, placed *messages.PlacedEvent) bool {
	if placed.At.Seq > e.seen.Seq && !now.Before(e.seen.Until) {
		e.seen = messages.Seen{}
	}
	return e.seen.HasFamily(placed.Event.Family)
}

// start spawns an actor for the pending events. from is the state to resume, or nil.
// The look-up deadline of an event that waited on the fast path has been running since then.
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

// recorded ends the executions whose decisions are on disk. One that has got
// another event meanwhile needs an actor.
func (m *machine) recorded(now time.Time, decisions []decision) {
	for _, one := range decisions {
		e := one.entry
		e.drop(one.event.At)
		e.seen = one.seen
		m.do(acknowledge{one.event.At})
		if len(e.pending) > 0 {
			m.start(now, one.event.Key, e, nil)
			continue
		}
		m.goIdle(one.event.Key, e)
	}
}

// try retries an execution as soon as its trial record is on disk.
func (m *machine) try(key messages.ExecutionKey, e *entry) {
	e.phase, e.onTrial = awaitingTrial, true
	m.trying = append(m.trying, key)
}

// flush commits the trial records of the retries that a step begins.
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

// handled acknowledges an event that its actor has handled.
func (m *machine) handled(in messages.EventHandled) {
	e := m.entry(in.Key)
	e.drop(in.At)
	if !in.Released {
		e.seen = in.Seen
	}
	m.do(acknowledge{in.At})
}

// drop removes an event from the pending ones.
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
		if in.Seen.Families != 0 {
			e.seen = in.Seen
		}
		m.do(end{in.Key})
		m.goIdle(in.Key, e)
	}
}

// goIdle ends the work on an execution, of which only what was seen is kept.
func (m *machine) goIdle(key messages.ExecutionKey, e *entry) {
	e.phase = idle
	m.sleepers.freeSlot(e)
	m.clearTrial(key, e)
	m.retire(e)
}

// clearTrial forgets the crashes of an execution, in the ledger too.
func (m *machine) clearTrial(key messages.ExecutionKey, e *entry) {
	e.crashes = 0
	if e.onTrial {
		e.onTrial = false
		m.do(commit{ops: []journal.Op{{Bucket: outbox.BucketTrial, Key: string(key)}}})
	}
}

func (m *machine) crashed(key messages.ExecutionKey) {
	e := m.entry(key)
	m.sleepers.freeSlot(e)
	e.crashes++
	m.try(key, e)
}

// recalled begins a retry. Events that were decided before the crash are not
// decided again.
func (m *machine) recalled(now time.Time, in recalled) {
	e := m.entry(in.key)
	if e.phase != awaitingTrial {
		return
	}
	e.seen = in.seen
	for _, placed := range slices.Clone(e.pending) {
		if e.repeats(now, placed) {
			e.drop(placed.At)
			m.do(acknowledge{placed.At})
		}
	}
	switch {
	case len(e.pending) == 0 && in.snapshot == nil:
		m.goIdle(in.key, e)
	case e.crashes >= giveUpAfter:
		m.giveUp(in, e)
	case in.snapshot == nil:
		m.sleepers.freeSlot(e)
		m.start(now, in.key, e, nil)
	default:
		m.start(now, in.key, e, &messages.ResumeExecution{
			Key: in.key, Seen: e.seen, Snapshot: in.snapshot, Bare: e.crashes >= bareAfter, Due: e.holdsSlot,
		})
	}
}

// giveUp ends an execution that crashes even without look-ups. Its events are in
// the quarantine before they are acknowledged.
func (m *machine) giveUp(in recalled, e *entry) {
	m.do(giveUp{key: in.key, crashes: e.crashes, events: e.pending, snapshot: in.snapshot})
	if in.snapshot != nil {
		m.do(commit{ops: []journal.Op{{Bucket: outbox.BucketState, Key: string(in.key)}}})
	}
	for _, placed := range e.pending {
		m.do(acknowledge{placed.At})
	}
	e.pending = nil
	m.goIdle(in.key, e)
}

func trialOp(key messages.ExecutionKey, t outbox.Trial) journal.Op {
	return journal.Op{Bucket: outbox.BucketTrial, Key: string(key), Value: outbox.EncodeTrial(t)}
}
