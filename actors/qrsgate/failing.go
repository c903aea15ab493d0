package qrsgate

import "butler/messages"

// The QRS fails over some objects whenever it is asked for them, and over every call
// that asks for them among others. Such an object is asked for alone, so that nobody else
// goes without an answer, and that it fails once more does not count for the breaker. A
// ping tells it from an outage, which is no object's fault.

// maxFailing bounds the objects that are remembered to fail: several full calls of them.
const maxFailing = 256

// blame remembers what a call has brought nothing of, and forgets the rest of it. It
// reports that there is nothing new in this: all of that has failed before.
func (m *machine) blame(c *call, got outcome) bool {
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
		// After a call that took too long the QRS is busy enough without many in place of one.
		m.failing[e.key] = alone || got.failure.Kind == messages.FailureUnavailable
	}
	return again
}

// absolve forgets that what a call has asked for had failed.
func (m *machine) absolve(c *call) {
	for _, e := range c.entries {
		delete(m.failing, e.key)
	}
}
