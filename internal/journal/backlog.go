package journal

import (
	"cmp"
	"slices"
	"time"
)

// backlogBytes bounds the records that a queue keeps in memory for a consumer
// that lags behind; beyond it they are read back from the log, that many at a time.
const backlogBytes = 16 << 20

// pending is a record that is not acknowledged, or whose elder is not.
type pending struct {
	seq     Seq
	at      int64 // Unix nanoseconds
	count   int   // of entries
	content *packed
	damage  error
	acked   bool
}

// weight is what the record takes of the consumer's credit.
func (p *pending) weight() int { return max(p.count, 1) }

// caching says whether a record that arrives is kept in memory.
type caching bool

const (
	cached    caching = true
	notCached caching = false
)

// backlog is what the consumer of a queue has before it, in order: first the
// records that were given to it, then those that were not. It is not safe for
// concurrent use.
type backlog struct {
	records []pending
	given   int // of records
	open    int // entries of given, not acknowledged; one at least for each record
	unacked int // of records
	entries int // of unacked
	// floor is the oldest record that is not acknowledged, or the next to come.
	floor Seq
	// memory is the size of the contents kept; holes counts the records not given
	// yet whose content is not.
	memory, holes int
}

// add takes in the newest record of the log.
func (b *backlog) add(seq Seq, content packed, damage error, keep caching) {
	p := pending{seq: seq, count: len(content.entries), damage: damage}
	if damage == nil {
		p.at = content.at.UnixNano()
	}
	if len(b.records) == 0 {
		b.floor = seq
	}
	b.records = append(b.records, p)
	b.unacked++
	b.entries += p.count
	if damage != nil {
		return
	}
	// Content is kept for an unbroken run from the next to be given: behind a
	// hole it would only turn one long read into many short ones.
	b.holes++
	if keep && b.holes == 1 {
		b.keep(len(b.records)-1, content)
	}
}

// keep holds the content of record i in memory if there is room, and reports whether there was.
func (b *backlog) keep(i int, content packed) bool {
	size := content.size()
	if b.memory > 0 && b.memory+size > backlogBytes {
		return false
	}
	b.records[i].content = &content
	b.memory += size
	b.holes--
	return true
}

// nextState says what next found.
type nextState int

const (
	nextWait  nextState = iota // nothing to give, or no credit
	nextGiven                  // the record is given
	nextFetch                  // it has to be read from the log first
)

// next gives the record that follows the last one given.
func (b *backlog) next(credit int) (Record, nextState) {
	if b.given == len(b.records) || b.open >= credit {
		return Record{}, nextWait
	}
	p := &b.records[b.given]
	rec := Record{Seq: p.seq, Damage: p.damage}
	if p.content == nil && p.damage == nil {
		return rec, nextFetch
	}
	if p.content != nil {
		rec.At, rec.Entries = p.content.at, p.content.entries
		b.memory -= p.content.size()
		p.content = nil // the consumer has it now
	}
	b.given++
	b.open += p.weight()
	return rec, nextGiven
}

// fill takes the content of a record that was read from the log and reports whether more is wanted.
func (b *backlog) fill(seq Seq, content packed, damage error) bool {
	i, ok := b.find(seq)
	if !ok || i < b.given {
		return ok // a record newer than the backlog knows: its own arrival brings it
	}
	if b.records[i].content != nil || b.records[i].damage != nil {
		return b.records[i].content == nil
	}
	if damage != nil {
		b.records[i].damage = damage
		b.holes--
		return true
	}
	return b.keep(i, content)
}

// ack notes that a given record is handled; what is unknown or handled already is ignored.
func (b *backlog) ack(seq Seq) {
	i, ok := b.find(seq)
	if !ok || i >= b.given || b.records[i].acked {
		return
	}
	b.records[i].acked = true
	b.open -= b.records[i].weight()
	b.unacked--
	b.entries -= b.records[i].count
	b.advance()
}

// advance lets go of the handled records at the front.
func (b *backlog) advance() {
	n := 0
	for n < b.given && b.records[n].acked {
		b.floor = b.records[n].seq + 1
		n++
	}
	b.records = b.records[n:]
	b.given -= n
	if len(b.records) > 0 {
		b.floor = b.records[0].seq
	}
}

func (b *backlog) find(seq Seq) (int, bool) {
	return slices.BinarySearchFunc(b.records, seq, func(p pending, want Seq) int { return cmp.Compare(p.seq, want) })
}

func (b *backlog) stats() QueueStats {
	s := QueueStats{Pending: b.unacked, Entries: b.entries}
	if len(b.records) > 0 { // the first one is never acknowledged
		s.Oldest = time.Unix(0, b.records[0].at)
	}
	return s
}
