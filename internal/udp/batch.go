package udp

import (
	"net/netip"
	"time"

	"butler/messages"
)

// batch is the room into which the platform's read puts datagrams. Every read
// overwrites the one before.
type batch struct {
	platformBatch
	memory []byte
	slots  [BatchSize]slot
	count  int
	// at is when the batch was read, last the time of the last datagram handed out.
	at, last time.Time
}

const (
	// apart is how far the times of two datagrams are from each other at least.
	apart = time.Microsecond
	// standstill bounds for how long times run ahead of a clock that is coarse or
	// was set back. One that was set back further is followed.
	standstill = time.Second
)

// slot describes one received datagram; its bytes are in the memory of the batch.
type slot struct {
	size   int
	source netip.AddrPort
}

func (b *batch) room(i int) []byte { return b.memory[i*slotSize : (i+1)*slotSize] }

// begin returns the time of the first datagram. The others follow it, so that
// the last has the time of the read, and all are later than those of the batch before.
func (b *batch) begin() time.Time {
	span := time.Duration(b.count-1) * apart
	begin := b.at.Truncate(apart).Add(-span)
	if next := b.last.Add(apart); begin.Before(next) && next.Sub(begin) < standstill {
		begin = next
	}
	b.last = begin.Add(span)
	return begin
}

// copy hands the batch out in memory of its own: one slab for all journal
// entries, in which the payloads lie, each cut at limit.
func (b *batch) copy(limit int) []messages.Datagram {
	total := 0
	for i := range b.count {
		total += EntrySize(min(b.slots[i].size, limit, slotSize))
	}
	begin, slab := b.begin(), make([]byte, 0, total)
	out := make([]messages.Datagram, b.count)
	for i := range b.count {
		size, start := b.slots[i].size, len(slab)
		d := messages.Datagram{
			Payload: b.room(i)[:min(size, limit, slotSize)],
			Size:    size,
			Source:  b.slots[i].source,
			At:      begin.Add(time.Duration(i) * apart),
		}
		slab = AppendEntry(slab, d)
		d.Entry = slab[start:len(slab):len(slab)]
		d.Payload = d.Entry[len(d.Entry)-len(d.Payload):]
		out[i] = d
	}
	return out
}
