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

// remembered is what was seen of the executions that nothing is to be done for, which
// are as many as events arrive in the time for which they are remembered. It is
// without a pointer to any of them: no collection of garbage looks at it.
type remembered struct {
	// began is the beginning of the shard's life. Times are kept since then: no
	// change of the clock moves them.
	began time.Time
	byKey keyed.Packed
	spare [seenSize]byte
}

// seenSize is what is kept of an execution beside its key: classes, kinds, until (ns
// since began), sequence.
const seenSize = 1 + 2 + 8 + 8

// len returns how many executions there are.
func (r *remembered) len() int { return r.byKey.Len() }

// keep takes an execution in.
func (r *remembered) keep(key messages.ExecutionKey, seen messages.Seen) {
	buf := append(r.spare[:0], seen.Classes)
	buf = binary.BigEndian.AppendUint16(buf, seen.Kinds)
	buf = binary.BigEndian.AppendUint64(buf, uint64(seen.Until.Sub(r.began)))
	buf = binary.BigEndian.AppendUint64(buf, seen.Seq)
	r.byKey.Put([]byte(key), buf, nil)
}

// take takes an execution out, and returns what was seen of it: nothing when it is not known.
func (r *remembered) take(key messages.ExecutionKey) messages.Seen {
	raw, ok := r.byKey.Remove([]byte(key))
	if !ok {
		return messages.Seen{}
	}
	return r.seen(raw)
}

// over takes out, and returns, the executions whose time is over and whose record
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
		Classes: raw[0],
		Kinds:   binary.BigEndian.Uint16(raw[1:]),
		Until:   r.began.Add(time.Duration(binary.BigEndian.Uint64(raw[3:]))),
		Seq:     binary.BigEndian.Uint64(raw[11:]),
	}
}

// isOver reports whether something need not be remembered any longer. Records before
// floor never come again.
func isOver(seen messages.Seen, now time.Time, floor uint64) bool {
	return !now.Before(seen.Until) && seen.Seq < floor
}

// retire leaves nothing of an execution but what was seen, once nothing is to be done for it.
func (m *machine) retire(e *entry) {
	if e.phase != idle || len(e.pending) > 0 || e.onTrial || e.crashes > 0 {
		return
	}
	m.known.Remove(string(e.key))
	if e.seen.Classes != 0 {
		m.remembered.keep(e.key, e.seen)
	}
}

// sweep forgets what is over: an execution whose time is over and whose record
// cannot come again, and the crashes of one that has lived long enough.
func (m *machine) sweep(now time.Time, floor uint64) {
	var idlers []*entry
	for at := range m.known.All() {
		switch e := *at; {
		case (e.phase == running || e.phase == asleep) && e.onTrial && now.Sub(e.since) >= trialFor:
			m.acquit(e.key, e)
		case e.phase == idle:
			idlers = append(idlers, e)
		}
	}
	var ops []journal.Op
	for _, e := range idlers {
		if e.onTrial && isOver(e.seen, now, floor) { // it finished, and the process ended before that was on disk
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
	m.do(forgot{len(over)})
}
