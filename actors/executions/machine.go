package executions

import (
	"slices"
	"time"

	"butler/internal/journal"
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
// Crashes are counted on disk, and for that a try has to be written down before
// it begins: an execution that takes the process with it leaves nothing else.
// A first try is not written down, so the way of an ordinary event is free of
// it. Only an execution that has been tried before is on trial: it crashed, it
// is resumed from its snapshot, or its event was in the journal before this life
// of the shard. A try that a process leaves behind counts as a crash only when
// that process crashed by itself: whoever kills it or cuts its power blames
// nobody. Innocent executions that were in flight with a crashing one are
// counted with it then; they are told apart by finishing, or living for trialFor.
//
// Writing a try down is a barrier, too: what a crashed execution has committed
// is durable, and visible, before it is looked up and tried again.
type machine struct {
	known map[messages.ExecutionKey]*entry
	// trying are the executions whose next try the current step has begun.
	trying []messages.ExecutionKey
	out    []effect // reused by every step
}

// entry is what a shard knows of one execution.
type entry struct {
	seen messages.Seen
	// reserved are the families of the pending events, as in Seen.Classes.
	reserved messages.Seen
	// pending are the events that are not handled, in order.
	pending []*messages.PlacedEvent
	phase   phase
	// sent counts the events that the live actor was given.
	sent    int
	crashes int
	// onTrial is set while the ledger has a trial of the execution; since is when
	// the present try began.
	onTrial bool
	since   time.Time
}

// phase is where an execution is.
type phase uint8

const (
	// idle: remembered, and nothing else.
	idle phase = iota
	// recording: the next try is being written down; events wait.
	recording
	// running: there is an actor.
	running
)

// Inputs of the machine beside messages.EventsArrived, EventHandled and ExecutionFinished.
type (
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
	// stopping: this life of the shard ends, because of guilty unless that is "".
	stopping struct{ guilty messages.ExecutionKey }
)

// newMachine returns the machine that goes on with what the ledger remembers,
// and what it wants done first.
func newMachine(m *memories, blame blame) (*machine, []effect) {
	x := &machine{known: make(map[messages.ExecutionKey]*entry, len(m.seen))}
	for key, seen := range m.seen {
		x.known[key] = &entry{seen: seen}
	}
	for key, trial := range m.trials {
		e := x.entry(key)
		e.onTrial, e.crashes = true, trial.Crashes
		if trial.Underway && blame == blameUnderway {
			e.crashes++
		}
	}
	for _, key := range m.followed {
		x.try(key, x.entry(key))
	}
	x.flush()
	return x, x.out
}

// blame says what to make of a try that was underway when the process before ended.
type blame bool

const (
	blameNobody   blame = false
	blameUnderway blame = true
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
	case crashed:
		m.crashed(in.key)
	case recalled:
		m.recalled(now, in)
	case sweepDue:
		m.sweep(now, in.floor)
	case stopping:
		m.stop(in.guilty)
	}
	m.flush()
	return m.out
}

func (m *machine) do(e effect) { m.out = append(m.out, e) }

func (m *machine) entry(key messages.ExecutionKey) *entry {
	e, ok := m.known[key]
	if !ok {
		e = &entry{}
		m.known[key] = e
	}
	return e
}

// arrived takes up an event, unless it repeats one.
func (m *machine) arrived(now time.Time, placed *messages.PlacedEvent, again bool) {
	e := m.entry(placed.Key)
	if e.reserved.HasClass(placed.Event.Family) || e.repeats(now, placed) {
		// After a crash its record comes again, otherwise its sender repeats itself.
		if placed.At.Seq > e.seen.Seq {
			m.do(count{placed})
		}
		m.do(tell{messages.EventHandled{Key: placed.Key, At: placed.At}})
		return
	}
	e.reserved = e.reserved.WithClass(placed.Event.Family)
	e.pending = append(e.pending, placed)
	switch {
	case e.phase == running:
		m.observe(e, placed)
	case e.phase == recording: // it goes out with the try
	case again || e.crashes > 0:
		m.try(placed.Key, e)
	default:
		m.start(now, placed.Key, e, nil)
	}
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

// start begins with an actor for the pending events and the snapshot.
func (m *machine) start(now time.Time, key messages.ExecutionKey, e *entry, snapshot []byte) {
	e.phase, e.sent, e.since = running, 0, now
	m.do(spawn{key})
	if snapshot != nil {
		m.do(resume{messages.ResumeExecution{Key: key, Seen: e.seen, Snapshot: snapshot, Bare: e.crashes >= bareAfter}})
	}
	for _, placed := range e.pending {
		m.observe(e, placed)
	}
}

func (m *machine) observe(e *entry, placed *messages.PlacedEvent) {
	e.sent++
	m.do(observe{event: placed, seen: e.seen, bare: e.crashes >= bareAfter})
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
			ops = append(ops, trialOp(key, outbox.Trial{Crashes: m.known[key].crashes, Underway: true}))
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
	m.do(tell{in})
}

// drop takes an event from the pending ones.
func (e *entry) drop(at messages.EventPosition) {
	i := slices.IndexFunc(e.pending, func(p *messages.PlacedEvent) bool { return p.At == at })
	if i < 0 {
		return
	}
	e.reserved = e.reserved.WithoutClass(e.pending[i].Event.Family)
	e.pending = slices.Delete(e.pending, i, i+1)
}

// finished ends the actor of an execution, unless it has been sent more meanwhile.
func (m *machine) finished(in messages.ExecutionFinished) {
	e := m.entry(in.Key)
	if e.phase == running && in.Observed == e.sent {
		m.do(end{in.Key})
		m.settle(in.Key, e)
	}
}

// settle leaves nothing of an execution but what was seen.
func (m *machine) settle(key messages.ExecutionKey, e *entry) {
	e.phase = idle
	m.acquit(key, e)
	if e.seen.Classes == 0 && len(e.pending) == 0 {
		delete(m.known, key)
	}
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
			m.do(tell{messages.EventHandled{Key: in.key, At: placed.At}})
		}
	}
	switch {
	case len(e.pending) == 0 && in.snapshot == nil:
		m.settle(in.key, e)
	case e.crashes >= giveUpAfter:
		m.giveUp(in, e)
	default:
		m.start(now, in.key, e, in.snapshot)
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
		m.do(tell{messages.EventHandled{Key: in.key, At: placed.At, Released: true}})
	}
	e.pending, e.reserved = nil, messages.Seen{}
	m.settle(in.key, e)
}

// sweep forgets what is over: an execution whose time is over and whose record
// cannot come again, and the crashes of one that has lived long enough.
func (m *machine) sweep(now time.Time, floor uint64) {
	var ops []journal.Op
	forgotten := 0
	for key, e := range m.known {
		switch {
		case e.phase == running && e.onTrial && now.Sub(e.since) >= trialFor:
			m.acquit(key, e)
		case e.phase == idle && !now.Before(e.seen.Until) && e.seen.Seq < floor:
			delete(m.known, key)
			forgotten++
			ops = append(ops, journal.Op{Bucket: outbox.BucketSeen, Key: string(key)})
			if e.onTrial { // it finished, and the process ended before that was on disk
				ops = append(ops, journal.Op{Bucket: outbox.BucketTrial, Key: string(key)})
			}
		}
	}
	for chunk := range slices.Chunk(ops, commitAtOnce) {
		m.do(commit{ops: chunk})
	}
	m.do(forgot{forgotten})
}

// stop takes back the tries that the end of the shard cuts short, and counts a
// crash of the execution that is to blame for it.
func (m *machine) stop(guilty messages.ExecutionKey) {
	var ops []journal.Op
	for key, e := range m.known {
		if key == guilty {
			e.onTrial = true
			e.crashes++
		}
		switch {
		case !e.onTrial || e.phase == idle:
		case e.crashes == 0:
			ops = append(ops, journal.Op{Bucket: outbox.BucketTrial, Key: string(key)})
		default:
			ops = append(ops, trialOp(key, outbox.Trial{Crashes: e.crashes}))
		}
	}
	for chunk := range slices.Chunk(ops, commitAtOnce) {
		m.do(commit{ops: chunk})
	}
}

func trialOp(key messages.ExecutionKey, t outbox.Trial) journal.Op {
	return journal.Op{Bucket: outbox.BucketTrial, Key: string(key), Value: outbox.EncodeTrial(t)}
}
