package outbox

import (
	"bytes"

	"butler/internal/journal"
	"butler/messages"
)

// Batch collects decisions for one commit. Add encodes them at once, so the caller may
// reuse their memory. The zero value is empty. It is not safe for concurrent use.
type Batch struct {
	scratch *scratch
	ops     []journal.Op
	alerts  []batched
	notices []messages.NoticeHead
	// expected is the number of notices of the previous batch.
	expected int
}

// batched is an alert of a batch that has notices.
type batched struct {
	id         messages.AlertID
	raw        []byte
	attachment string
	// until is the index of the batch's notices at which those of the alert end.
	until int
	// recording means that another commit with the alert is not durable yet.
	recording bool
}

// typicalDecision is the size in bytes that is enough for most decisions, so that the
// buffer seldom grows while one is added.
const typicalDecision = 4 << 10

// Add adds a decision together with further changes of the ledger.
func (b *Batch) Add(d Decision, more ...journal.Op) {
	if b.scratch == nil {
		b.scratch = newScratch()
	}
	b.scratch.buffer.Grow(typicalDecision)
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

// Notices returns the notices that were added. The slice stays valid when the batch is reused.
func (b *Batch) Notices() []messages.NoticeHead { return b.notices }

// recorded is an alert with its notices.
type recorded struct {
	id      messages.AlertID
	notices []messages.NoticeHead
	// entry is nil if the alert is not to be cached.
	entry     *entry
	recording bool
}

// recorded returns the alerts that have notices. If keep is set, they have entries for
// the cache, which share no memory with the batch.
func (b *Batch) recorded(keep bool) []recorded {
	out, from := make([]recorded, len(b.alerts)), 0
	for i, a := range b.alerts {
		out[i] = recorded{id: a.id, notices: b.notices[from:a.until], recording: a.recording}
		if keep {
			out[i].entry = &entry{id: a.id, raw: bytes.Clone(a.raw), attachment: a.attachment, attached: true}
		}
		from = a.until
	}
	return out
}

// reset empties the batch. Its operations must not be used any more.
func (b *Batch) reset() {
	if b.scratch != nil {
		b.scratch.free()
	}
	clear(b.ops)
	clear(b.alerts)
	*b = Batch{ops: b.ops[:0], alerts: b.alerts[:0], expected: len(b.notices)}
}
