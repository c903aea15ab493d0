package udp

import (
	"net/netip"
	"time"

	"butler/messages"
)

// batch is what the platform's read hands out at once. Every read overwrites the
// one before.
type batch struct {
	platformBatch
	slots [BatchSize]slot
	count int
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

// slot describes one received datagram.
type slot struct {
	// payload is what there is of it, in memory of the platform's; size is how large it was.
	payload []byte
	size    int
	source  netip.AddrPort
}

// add takes a datagram into the batch, which has room.
func (b *batch) add(payload []byte, size int, source netip.AddrPort) {
	b.slots[b.count] = slot{payload: payload, size: size, source: source}
	b.count++
}

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
		total += EntrySize(min(len(b.slots[i].payload), limit))
	}
	begin, slab := b.begin(), make([]byte, 0, total)
	out := make([]messages.Datagram, b.count)
	for i := range b.count {
		from, start := &b.slots[i], len(slab)
		d := messages.Datagram{
			Payload: from.payload[:min(len(from.payload), limit)],
			Size:    from.size,
			Source:  from.source,
			At:      begin.Add(time.Duration(i) * apart),
		}
		slab = AppendEntry(slab, d)
		d.Entry = slab[start:len(slab):len(slab)]
		d.Payload = d.Entry[len(d.Entry)-len(d.Payload):]
		out[i] = d
	}
	return out
}
