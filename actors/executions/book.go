package executions

import (
	"cmp"
	"maps"
	"slices"

	"butler/messages"
)

// book keeps track of the events that are not handled yet, and of the life of
// each shard. It is pure: the actor sends and acknowledges what it returns.
type book struct {
	records map[uint64]*openRecord
	// lives are those that the shards announced last. A shard that has not
	// started has 0; its events are sent when it has.
	lives []int
	sizes []int // of the groups of the current record; reused
}

// openRecord is a record with events that are not handled yet.
type openRecord struct {
	// again reports that an earlier process may have worked on it.
	again bool
	// events are grouped by shard, and in the order of the record within a group.
	events []messages.PlacedEvent
	// ends[s] is where the group of shard s ends and the next one begins.
	ends []int
	// slots maps the index of an event in the record to its index in events.
	slots   []int
	handled []bool // by slot
	left    int
}

// outgoing is what a shard is to be sent.
type outgoing struct {
	shard int
	messages.EventsArrived
}

func newBook(shards int) *book {
	return &book{records: map[uint64]*openRecord{}, lives: make([]int, shards), sizes: make([]int, shards)}
}

// restart forgets the shards: they have ended with the actor above them.
func (b *book) restart() { clear(b.lives) }

// arrived adds the events of a record, in order, with the shards they belong to,
// and returns what to send. The caller may reuse the arguments.
func (b *book) arrived(seq uint64, again bool, events []messages.PlacedEvent, shards []int) []outgoing {
	r := &openRecord{
		again: again, left: len(events), ends: make([]int, len(b.lives)),
		events: make([]messages.PlacedEvent, len(events)), handled: make([]bool, len(events)),
		slots: make([]int, events[len(events)-1].At.Index+1),
	}
	clear(b.sizes)
	for _, shard := range shards {
		b.sizes[shard]++
	}
	next := b.sizes // turned into where the next event of a shard goes
	for shard, at := 0, 0; shard < len(next); shard++ {
		next[shard], at = at, at+next[shard]
	}
	for i, shard := range shards {
		slot := next[shard]
		next[shard]++
		r.events[slot], r.slots[events[i].At.Index] = events[i], slot
	}
	copy(r.ends, next)
	b.records[seq] = r

	var out []outgoing
	for shard, life := range b.lives {
		if group := r.group(shard); life > 0 && len(group) > 0 {
			out = append(out, outgoing{shard, messages.EventsArrived{Life: life, Again: again, Events: group}})
		}
	}
	return out
}

// group returns the events of a shard. Appending to it overwrites nothing.
func (r *openRecord) group(shard int) []messages.PlacedEvent {
	from := 0
	if shard > 0 {
		from = r.ends[shard-1]
	}
	return r.events[from:r.ends[shard]:r.ends[shard]]
}

// handled marks an event as handled and reports whether it was the last of its record.
func (b *book) handled(at messages.EventPosition) bool {
	r, ok := b.records[at.Seq]
	if !ok || r.handled[r.slots[at.Index]] {
		return false
	}
	r.handled[r.slots[at.Index]] = true
	r.left--
	if r.left > 0 {
		return false
	}
	delete(b.records, at.Seq)
	return true
}

// started notes a new life of a shard and returns all events of its partition
// that are not handled, in order.
func (b *book) started(shard, life int) []messages.EventsArrived {
	b.lives[shard] = life
	var out []messages.EventsArrived
	for _, seq := range slices.SortedFunc(maps.Keys(b.records), cmp.Compare[uint64]) {
		r := b.records[seq]
		var open []messages.PlacedEvent
		for _, placed := range r.group(shard) {
			if !r.handled[r.slots[placed.At.Index]] {
				open = append(open, placed)
			}
		}
		if len(open) > 0 {
			out = append(out, messages.EventsArrived{Life: life, Again: r.again || life > 1, Events: open})
		}
	}
	return out
}
