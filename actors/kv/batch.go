package kv

import (
	"butler/internal/journal"
	"butler/messages"
)

// batch holds the changes of one commit, and the answers that wait for it.
type batch struct {
	ops     []journal.Op
	keys    []string
	changes []messages.ValueChanged
	answers []reply
	bytes   int64
	removed int  // bytes of expired keys
	last    bool // nothing is left of the namespace after it

	// single is memory for the most common batch, one change and its answer. It spares
	// the slices above an allocation each.
	single struct {
		op     [1]journal.Op
		key    [1]string
		change [1]messages.ValueChanged
		answer [1]reply
	}
}

func newBatch() *batch {
	b := &batch{}
	b.ops, b.keys, b.changes, b.answers = b.single.op[:0], b.single.key[:0], b.single.change[:0], b.single.answer[:0]
	return b
}

// openBatch returns the batch of the current step, which it creates if there is none.
func (m *machine) openBatch() *batch {
	if m.open == nil {
		m.open = newBatch()
	}
	return m.open
}

// record adds a change to the batch of the current step; answers about its key wait for
// the batch.
func (m *machine) record(op journal.Op, change messages.ValueChanged) {
	b := m.openBatch()
	b.ops = append(b.ops, op)
	b.keys = append(b.keys, change.Key)
	b.changes = append(b.changes, change)
}

// answer answers the current command once its change is durable.
func (m *machine) answer(r reply) {
	b := m.openBatch()
	b.answers = append(b.answers, r)
	m.waiting++
}

// commitBatch commits the changes of the step together. The first batch of a namespace
// also writes its name.
func (m *machine) commitBatch() {
	b := m.open
	m.open = nil
	if b == nil || len(b.ops) == 0 {
		return
	}
	m.issued++
	if m.issued == m.creation {
		b.ops = append(b.ops, journal.Op{Bucket: bucketNamespace, Key: namespaceKey(m.id), Value: encodeNamespace(m.name)})
	}
	if len(b.keys) > 0 {
		m.written = m.issued
	}
	for _, key := range b.keys {
		m.pendingKeys[key] = m.issued
	}
	m.pending[m.issued] = b
	m.do(commit{n: m.issued, ops: b.ops})
	b.ops = nil // no longer needed: Commit copies them
}

// completeThrough handles that all batches up to n are durable: it reveals their changes.
func (m *machine) completeThrough(n uint64) {
	for m.durable < n {
		m.durable++
		m.complete(m.durable)
	}
}

func (m *machine) complete(n uint64) {
	b := m.pending[n]
	delete(m.pending, n)
	m.waiting -= len(b.answers)
	m.pendingBytes.set(m.pendingBytes.used - b.bytes)
	for _, key := range b.keys {
		if m.pendingKeys[key] == n {
			delete(m.pendingKeys, key)
		}
	}
	if n == m.creation {
		m.do(tell{messages.NamespaceStarted{ID: m.id, Life: m.life}})
	}
	for i := range b.changes {
		m.fanOut(&b.changes[i])
	}
	for i := range b.answers {
		m.do(b.answers[i])
	}
	if b.last {
		m.finishDeletion()
	}
}

// dependsOn returns the batch that must be durable before the state of a key may be
// revealed.
func (m *machine) dependsOn(key string) uint64 { return max(m.pendingKeys[key], m.creation) }

// after answers a command once batch n is durable.
func (m *machine) after(n uint64, command any, r reply) {
	b, waits := m.pending[n]
	switch {
	case !waits:
		m.do(r)
	case m.waiting >= maxWaitingAnswers:
		m.refuse(command, errBusy)
	default:
		b.answers = append(b.answers, r)
		m.waiting++
	}
}

// refuseAfter refuses a command once batch n, which made the refusal necessary, is
// durable.
func (m *machine) refuseAfter(n uint64, command any, why messages.Failure) {
	if answer, ok := refusal(command, why); ok {
		m.after(n, command, answer)
	}
}
