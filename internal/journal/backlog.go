package journal

import (
	"cmp"
	"slices"
	"time"
)

// backlogBytes bounds the contents that a queue keeps in memory for a consumer that
// lags behind. The others are read from the log, up to that many bytes at a time.
const backlogBytes = 16 << 20

// pending is a record that is not acknowledged, or that follows such a record.
type pending struct {
	seq     Seq
	at      int64 // Unix nanoseconds
	count   int   // of entries
	content *recordContent
	damage  error
	acked   bool
}

// weight is the part of the consumer's credit that the record uses.
func (p *pending) weight() int { return max(p.count, 1) }

// caching says whether the content of a new record may be kept in memory.
type caching bool

const (
	cached    caching = true
	notCached caching = false
)

// backlog holds the unacknowledged records of a queue, in order: first those given to
// the consumer, then the others. It is not safe for concurrent use.
type backlog struct {
	records []pending
	given   int // number of records given to the consumer
	open    int // total weight of those given and not acknowledged
	unacked int // number of records not acknowledged
	entries int // number of entries in those
	// floor is the oldest record that is not acknowledged, or else the next one.
	floor Seq
	// memory is the size of the contents in memory; holes counts the records that
	// are not given yet and whose content is not in memory.
	memory, holes int
}

// add adds the newest record of the log.
func (b *backlog) add(seq Seq, content recordContent, damage error, keep caching) {
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
	// Content is only kept for an unbroken run from the next record to give: content
	// behind a hole would split one long read into several short ones.
	b.holes++
	if keep && b.holes == 1 {
		b.keep(len(b.records)-1, content)
	}
}

// keep keeps the content of record i in memory, and reports whether there was room.
func (b *backlog) keep(i int, content recordContent) bool {
	size := content.size()
	if b.memory > 0 && b.memory+size > backlogBytes {
		return false
	}
	b.records[i].content = &content
	b.memory += size
	b.holes--
	return true
}

// nextState is the outcome of next.
type nextState int

const (
	nextWait  nextState = iota // nothing to give, or no credit
	nextGiven                  // the record is given
	nextFetch                  // it has to be read from the log first
)

// next gives the consumer the next record, if there is one and enough credit.
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

// fill sets the content of a record that was read from the log, and reports whether to
// read on.
func (b *backlog) fill(seq Seq, content recordContent, damage error) bool {
	i, ok := b.find(seq)
	if !ok || i < b.given {
		return ok // false for a record that is not added yet: add brings its content
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

// ack marks a given record as acknowledged. It ignores a record that is unknown or
// acknowledged already.
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

// advance removes the acknowledged records at the front.
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
