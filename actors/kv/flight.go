package kv

import (
	"butler/internal/journal"
	"butler/messages"
)

// draftNow returns the flight of the current step, which it creates if there is none.
func (m *machine) draftNow() *flight {
	if m.draft == nil {
		m.draft = newFlight()
	}
	return m.draft
}

// record adds a change to the flight of the current step; answers about its key wait for
// the flight.
func (m *machine) record(op journal.Op, change messages.ValueChanged) {
	f := m.draftNow()
	f.ops = append(f.ops, op)
	f.keys = append(f.keys, change.Key)
	f.changes = append(f.changes, change)
}

// answer answers the current command once its change is durable.
func (m *machine) answer(r reply) {
	f := m.draftNow()
	f.answers = append(f.answers, r)
	m.held++
}

// launch commits the changes of the step together. The first flight of a namespace
// also writes its name.
func (m *machine) launch() {
	f := m.draft
	m.draft = nil
	if f == nil || len(f.ops) == 0 {
		return
	}
	m.issued++
	if m.issued == m.birth {
		f.ops = append(f.ops, journal.Op{Bucket: bucketNamespace, Key: namespaceKey(m.id), Value: encodeNamespace(m.name)})
	}
	if len(f.keys) > 0 {
		m.written = m.issued
	}
	for _, key := range f.keys {
		m.unsure[key] = m.issued
	}
	m.flights[m.issued] = f
	m.do(commit{n: m.issued, ops: f.ops})
	f.ops = nil // no longer needed: Commit copies them
}

// land handles that all flights up to n are durable: it reveals their changes.
func (m *machine) land(n uint64) {
	for m.landed < n {
		m.landed++
		m.landNext(m.landed)
	}
}

func (m *machine) landNext(n uint64) {
	f := m.flights[n]
	delete(m.flights, n)
	m.held -= len(f.answers)
	m.flying.settle(m.flying.paid - f.bytes)
	for _, key := range f.keys {
		if m.unsure[key] == n {
			delete(m.unsure, key)
		}
	}
	if n == m.birth {
		m.do(tell{messages.NamespaceStarted{ID: m.id, Life: m.life}})
	}
	for i := range f.changes {
		m.fanOut(&f.changes[i])
	}
	for i := range f.answers {
		m.do(f.answers[i])
	}
	if f.last {
		m.bury()
	}
}

// dependsOn returns the flight that must be durable before the state of a key may be
// revealed.
func (m *machine) dependsOn(key string) uint64 { return max(m.unsure[key], m.birth) }

// after answers a command once flight n is durable.
func (m *machine) after(n uint64, command any, r reply) {
	f, waits := m.flights[n]
	switch {
	case !waits:
		m.do(r)
	case m.held >= maxHeld:
		m.refuse(command, errBusy)
	default:
		f.answers = append(f.answers, r)
		m.held++
	}
}

// refuseAfter refuses a command once flight n, which made the refusal necessary, is
// durable.
func (m *machine) refuseAfter(n uint64, command any, why messages.Failure) {
	if answer, ok := refusal(command, why); ok {
		m.after(n, command, answer)
	}
}
