package executions

import (
	"encoding/binary"
	"slices"
	"time"

	"butler/internal/journal"
	"butler/internal/keyed"
	"butler/internal/outbox"
	"butler/messages"
)

// remembered holds what was seen of the executions without work to do. They can be
// many - all that arrive in the time for which they are remembered - so they are
// packed without pointers, which spares the garbage collector.
type remembered struct {
	// began is the start of the shard's life. Times are stored relative to it, so
	// that a change of the wall clock does not move them.
	began time.Time
	byKey keyed.Packed
	spare [seenSize]byte
}

// seenSize is what is kept of an execution beside its key: families, kinds, until (ns
// since began), sequence.
const seenSize = 1 + 2 + 8 + 8

// len returns how many executions there are.
func (r *remembered) len() int { return r.byKey.Len() }

// keep adds an execution.
func (r *remembered) keep(key messages.ExecutionKey, seen messages.Seen) {
	buf := append(r.spare[:0], seen.Families)
	buf = binary.BigEndian.AppendUint16(buf, seen.Kinds)
	buf = binary.BigEndian.AppendUint64(buf, uint64(seen.Until.Sub(r.began)))
	buf = binary.BigEndian.AppendUint64(buf, seen.Seq)
	r.byKey.Put([]byte(key), buf, nil)
}

// take removes an execution and returns what was seen of it, zero when it is not known.
func (r *remembered) take(key messages.ExecutionKey) messages.Seen {
	raw, ok := r.byKey.Remove([]byte(key))
	if !ok {
		return messages.Seen{}
	}
	return r.seen(raw)
}

// over removes and returns the executions whose time is over and whose record
// cannot come again.
func (r *remembered) over(now time.Time, floor uint64) []messages.ExecutionKey {
	var out []messages.ExecutionKey
	for key, raw := range r.byKey.All() {
		if isOver(r.seen(raw), now, floor) {
			out = append(out, messages.ExecutionKey(key))
		}
	}
	for _, key := range out {
		r.byKey.Remove([]byte(key))
	}
	return out
}

func (r *remembered) seen(raw []byte) messages.Seen {
	return messages.Seen{
		Families: raw[0],
		Kinds:    binary.BigEndian.Uint16(raw[1:]),
		Until:    r.began.Add(time.Duration(binary.BigEndian.Uint64(raw[3:]))),
		Seq:      binary.BigEndian.Uint64(raw[11:]),
	}
}

// isOver reports whether something need not be remembered any longer. Records before
// floor never come again.
func isOver(seen messages.Seen, now time.Time, floor uint64) bool {
	return !now.Before(seen.Until) && seen.Seq < floor
}

// retire moves an execution without work to do from the known to the remembered ones.
func (m *machine) retire(e *entry) {
	if e.phase != idle || len(e.pending) > 0 || e.onTrial || e.crashes > 0 {
		return
	}
	m.known.Remove(string(e.key))
	if e.seen.Families != 0 {
		m.remembered.keep(e.key, e.seen)
	}
}

// sweep forgets executions that need not be remembered any longer, and the crashes
// of those that have run long enough.
func (m *machine) sweep(now time.Time, floor uint64) {
	var idlers []*entry
	for at := range m.known.All() {
		switch e := *at; {
		case (e.phase == running || e.phase == asleep) && e.onTrial && now.Sub(e.since) >= trialFor:
			m.clearTrial(e.key, e)
		case e.phase == idle:
			idlers = append(idlers, e)
		}
	}
	var ops []journal.Op
	for _, e := range idlers {
		// It finished, and the process ended before that was on disk: its event has not come
		// again, although all of earlier processes have.
		if e.onTrial && floor > m.found && isOver(e.seen, now, floor) {
			e.onTrial, e.crashes = false, 0
			ops = append(ops, journal.Op{Bucket: outbox.BucketTrial, Key: string(e.key)})
		}
		m.retire(e)
	}
	over := m.remembered.over(now, floor)
	for _, key := range over {
		ops = append(ops, journal.Op{Bucket: outbox.BucketSeen, Key: string(key)})
	}
	for chunk := range slices.Chunk(ops, commitAtOnce) {
		m.do(commit{ops: chunk})
	}
	m.do(countForgotten{len(over)})
}
