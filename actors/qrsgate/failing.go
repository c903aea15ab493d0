package qrsgate

import "butler/messages"

// For some objects the QRS always fails, and so does every call that asks for them among
// others. Such an object is asked for in a call of its own, so that the others get their
// answers, and further failures of it do not count for the breaker. A failed ping shows
// that it is an outage instead.

// maxFailing bounds the objects that are remembered, to several full calls.
const maxFailing = 256

// noteFailing remembers the objects of a failed call that have no value, and forgets the
// others. It reports whether all of those had failed before.
func (m *machine) noteFailing(c *call, got outcome) bool {
	again := true
	for _, e := range c.entries {
		if _, answered := got.values[e.key.id]; answered {
			delete(m.failing, e.key)
			continue
		}
		alone, before := m.failing[e.key]
		again = again && before
		if !before && len(m.failing) >= maxFailing {
			clear(m.failing)
		}
		// Not after a timeout: many calls instead of one would load a slow QRS even more.
		m.failing[e.key] = alone || got.failure.Kind == messages.FailureUnavailable
	}
	return again
}

// clearFailing forgets that the objects of a call had failed.
func (m *machine) clearFailing(c *call) {
	for _, e := range c.entries {
		delete(m.failing, e.key)
	}
}
