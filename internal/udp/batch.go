package udp

import (
	"net/netip"
	"time"

	"butler/messages"
)

// batch is the result of one read of the platform. Every read overwrites it.
type batch struct {
	platformBatch
	slots [BatchSize]slot
	count int
	// at is when the batch was read, last the time of the last datagram handed out.
	at, last time.Time
}

const (
	// minDistance is the least difference between the times of two datagrams.
	minDistance = time.Microsecond
	// maxAhead bounds how far the times may be ahead of a clock that is coarse or was
	// set back. If it was set back further, the times go back, too.
	maxAhead = time.Second
)

// slot describes one received datagram.
type slot struct {
	// payload is the received part, in memory of the platform; size is the size as sent.
	payload []byte
	size    int
	source  netip.AddrPort
}

// add adds a datagram. The batch must have room.
func (b *batch) add(payload []byte, size int, source netip.AddrPort) {
	b.slots[b.count] = slot{payload: payload, size: size, source: source}
	b.count++
}

// begin returns the time of the first datagram. The others follow at minDistance, so
// that the last has the time of the read, and all are later than the previous batch.
func (b *batch) begin() time.Time {
	span := time.Duration(b.count-1) * minDistance
	begin := b.at.Truncate(minDistance).Add(-span)
	if next := b.last.Add(minDistance); begin.Before(next) && next.Sub(begin) < maxAhead {
		begin = next
	}
	b.last = begin.Add(span)
	return begin
}

// copy returns the datagrams in memory of their own: one slab with all journal entries,
// which contain the payloads, each cut at limit.
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
			At:      begin.Add(time.Duration(i) * minDistance),
		}
		slab = AppendEntry(slab, d)
		d.Entry = slab[start:len(slab):len(slab)]
		d.Payload = d.Entry[len(d.Entry)-len(d.Payload):]
		out[i] = d
	}
	return out
}
