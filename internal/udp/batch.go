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
	at     time.Time
}

// slot describes one received datagram; its bytes are in the memory of the batch.
type slot struct {
	size   int
	source netip.AddrPort
}

func (b *batch) room(i int) []byte { return b.memory[i*slotSize : (i+1)*slotSize] }

// copy hands the batch out in memory of its own: one slab for all payloads,
// each cut at limit.
func (b *batch) copy(limit int) []messages.Datagram {
	total := 0
	for i := range b.count {
		total += min(b.slots[i].size, limit, slotSize)
	}
	slab := make([]byte, 0, total)
	out := make([]messages.Datagram, b.count)
	for i := range b.count {
		size, start := b.slots[i].size, len(slab)
		slab = append(slab, b.room(i)[:min(size, limit, slotSize)]...)
		out[i] = messages.Datagram{
			Payload: slab[start:len(slab):len(slab)],
			Size:    size,
			Source:  b.slots[i].source,
			At:      b.at,
		}
	}
	return out
}
