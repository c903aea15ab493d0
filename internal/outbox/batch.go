package outbox

import (
	"bytes"

	"butler/internal/journal"
	"butler/messages"
)

// Batch is decisions on their way to one commit. They are in their durable form
// as soon as they are added, so what they were made of may be used again. The
// zero value is empty. It is not safe for concurrent use.
type Batch struct {
	scratch *scratch
	ops     []journal.Op
	alerts  []batched
	notices []messages.NoticeHead
	// expected is how many notices there were the last time.
	expected int
}

// batched is an alert of a batch that somebody is told of.
type batched struct {
	id         messages.AlertID
	raw        []byte
	attachment string
	// until is where its notices end among those of the batch.
	until int
	// again says that it is on its way to the disk already.
	again bool
}

// roomForDecision is what most decisions need, so that memory seldom moves while one is added.
const roomForDecision = 4 << 10

// Add adds a decision together with what its maker has to remember. It adds all or nothing.
func (b *Batch) Add(d Decision, more ...journal.Op) {
	if b.scratch == nil {
		b.scratch = newScratch()
	}
	b.scratch.buffer.Grow(roomForDecision)
	ops := d.appendOps(b.ops, b.scratch)
	if len(d.Notices) > 0 {
		if b.notices == nil {
			b.notices = make([]messages.NoticeHead, 0, max(b.expected, len(d.Notices)))
		}
		raw := ops[len(b.ops)].Value
		b.notices = append(b.notices, d.Notices...)
		b.alerts = append(b.alerts, batched{id: d.Alert.ID, raw: raw, attachment: d.Attachment, until: len(b.notices)})
	}
	b.ops = append(ops, more...)
}

// Notices returns the notices that were added. They stay as they are when the batch is used again.
func (b *Batch) Notices() []messages.NoticeHead { return b.notices }

// recorded is an alert with those who are told of it.
type recorded struct {
	id      messages.AlertID
	notices []messages.NoticeHead
	// entry is nil where the alert is not kept in memory.
	entry *entry
	again bool
}

// recorded returns the alerts that somebody is told of, those that are to be kept in
// memory of their own.
func (b *Batch) recorded(keep bool) []recorded {
	out, from := make([]recorded, len(b.alerts)), 0
	for i, a := range b.alerts {
		out[i] = recorded{id: a.id, notices: b.notices[from:a.until], again: a.again}
		if keep {
			out[i].entry = &entry{id: a.id, raw: bytes.Clone(a.raw), attachment: a.attachment, attached: true}
		}
		from = a.until
	}
	return out
}

// reset empties the batch, whose operations nobody needs any more.
func (b *Batch) reset() {
	if b.scratch != nil {
		b.scratch.free()
	}
	clear(b.ops)
	clear(b.alerts)
	*b = Batch{ops: b.ops[:0], alerts: b.alerts[:0], expected: len(b.notices)}
}
