package delivery

import (
	"slices"
	"time"

	"butler/internal/outbox"
	"butler/internal/ratelimit"
	"butler/messages"
)

// add collects an outcome for the settlement of this step.
func (m *machine) add(o outbox.Outcome) {
	m.outcomes = append(m.outcomes, o)
	if len(m.outcomes) >= settleAtOnce {
		m.settle(false)
	}
}

// commit settles what the step has collected.
func (m *machine) commit() {
	for len(m.outcomes) > 0 || len(m.changedWindows) > 0 || len(m.endedWindows) > 0 || m.keepSlot {
		m.settle(m.keepSlot)
		m.keepSlot = false
	}
}

// settle emits what was collected so far as one settlement. It has the windows as
// they are after exactly these outcomes.
func (m *machine) settle(slot bool) {
	done := openSettlement{slot: slot}
	for _, o := range m.outcomes {
		if o.Ended != 0 {
			done.ended = append(done.ended, o.ID)
		}
	}
	over := min(len(m.endedWindows), settleAtOnce)
	s := outbox.Settlement{Outcomes: m.outcomes, Forgotten: m.endedWindows[:over:over], At: m.now}
	if len(m.changedWindows) > 0 {
		s.Windows = make(map[string]ratelimit.Window, len(m.changedWindows))
		for key := range m.changedWindows {
			s.Windows[key] = m.windows.Get(key)
		}
	}
	m.outcomes, m.endedWindows = nil, m.endedWindows[over:]
	clear(m.changedWindows)
	m.serial++
	m.settlements[m.serial] = done
	m.emit(settle{serial: m.serial, settlement: s})
}

// settled forgets the notices of a settlement that is durable, and frees its slot.
func (m *machine) settled(in settled) {
	done, ok := m.settlements[in.serial]
	if !ok {
		return
	}
	delete(m.settlements, in.serial)
	for _, id := range done.ended {
		if i, ok := m.items.Remove(string(id)); ok {
			i.state = gone
		}
	}
	if done.slot {
		m.slots--
	}
	m.compact()
}

// compact removes items that are gone from the arrivals: those at the front, and all
// of them when they are more than half.
func (m *machine) compact() {
	if len(m.arrivals) > 2*m.items.Len()+64 {
		m.arrivals = slices.Clip(slices.DeleteFunc(m.arrivals, func(i *item) bool { return i.state == gone }))
	}
	for len(m.arrivals) > 0 && m.arrivals[0].state == gone {
		m.arrivals[0] = nil
		m.arrivals = m.arrivals[1:]
	}
}

// arm asks for due at the time of the next thing to do, if that has changed.
func (m *machine) arm() {
	next := m.next()
	switch {
	case next.Equal(m.armed):
		return
	case next.IsZero():
		m.emit(disarm{})
	default:
		m.emit(arm{at: next})
	}
	m.armed = next
}

// next returns when there is something to do without any other input, zero for never.
func (m *machine) next() time.Time {
	var next time.Time
	if !m.loaded || m.draining {
		return next
	}
	if i := m.retries.front(); i != nil {
		next = i.due
	}
	probing := m.breaker.open && m.breaker.probing
	if m.ready.front() != nil && m.slots < m.atOnce() && !probing {
		at := later(m.bucket.Next(m.now), m.paused)
		if m.breaker.open {
			at = later(at, m.breaker.until)
		}
		if next.IsZero() || at.Before(next) {
			next = at
		}
	}
	return next
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// state describes the machine.
func (m *machine) state(now time.Time) messages.DeliveryState {
	s := messages.DeliveryState{
		Condition:   m.condition(),
		Queued:      m.items.Len(),
		Attempts:    len(m.running),
		LastError:   m.lastErr,
		LastSuccess: m.lastSuccess,
		Oldest:      m.oldest(),
	}
	for i := range m.items.All() {
		if (*i).state == retrying {
			s.Retrying++
		}
	}
	switch {
	case !m.loaded:
		s.Condition = messages.DeliveryLoading
	case m.draining:
		s.Condition = messages.DeliveryDraining
	case m.breaker.open:
		s.Until = m.breaker.until
	case now.Before(m.paused):
		s.Condition, s.Until = messages.DeliveryPaused, m.paused
	}
	return s
}

// condition says whether the destination accepts anything.
func (m *machine) condition() messages.DeliveryCondition {
	switch {
	case m.breaker.open && m.breaker.misconfigured:
		return messages.DeliveryMisconfigured
	case m.breaker.open:
		return messages.DeliveryBreakerOpen
	case m.throttled >= m.policy.breakerFailures:
		return messages.DeliveryThrottled
	default:
		return messages.Delivering
	}
}

// change returns what the parent has to know. It is equal to the last one until something changes.
func (m *machine) change() messages.DeliveryChanged {
	change := messages.DeliveryChanged{Condition: m.condition()}
	if change.Condition != messages.Delivering {
		change.LastError = m.lastErr
	}
	return change
}

// queued counts the notices whose end is not durable.
func (m *machine) queued() int { return m.items.Len() }

// oldest is when the oldest of them was queued; zero when there is none.
func (m *machine) oldest() time.Time {
	if len(m.arrivals) == 0 {
		return time.Time{}
	}
	return m.arrivals[0].queuedAt
}
