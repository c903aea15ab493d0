package kv

import (
	"butler/internal/journal"
	"butler/messages"
)

// draftNow returns the flight that the step at hand fills.
func (m *machine) draftNow() *flight {
	if m.draft == nil {
		m.draft = newFlight()
	}
	return m.draft
}

// record adds a change that answers have to wait for.
func (m *machine) record(op journal.Op, change messages.ValueChanged) {
	f := m.draftNow()
	f.ops = append(f.ops, op)
	f.keys = append(f.keys, change.Key)
	f.changes = append(f.changes, change)
}

// answer answers the command at hand when its change is durable.
func (m *machine) answer(r reply) {
	f := m.draftNow()
	f.answers = append(f.answers, r)
	m.held++
}

// launch sends the changes of the step to the disk, as one. The first flight
// of a namespace takes its name along.
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
	f.ops = nil // the ledger has them
}

// land takes note that the flights up to n are durable: now they are told.
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

// dependsOn returns the flight that has to be durable before anybody is told of a key.
func (m *machine) dependsOn(key string) uint64 { return max(m.unsure[key], m.birth) }

// after answers a command when flight n is durable.
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

// refuseAfter refuses a command when the flight that is the reason is durable.
func (m *machine) refuseAfter(n uint64, command any, why messages.Failure) {
	if answer, ok := refusal(command, why); ok {
		m.after(n, command, answer)
	}
}
