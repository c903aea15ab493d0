package delivery

import (
	"cmp"
	"fmt"
	"time"

	"butler/internal/outbox"
	"butler/internal/text"
	"butler/messages"
)

// finish handles the end of an attempt.
func (m *machine) finish(in sendFinished) {
	a, ok := m.running[in.serial]
	if !ok || len(in.results) != len(a.items) {
		return // an answer to a machine before a restart
	}
	delete(m.running, in.serial)
	worst, why := inconclusive, ""
	for _, r := range in.results {
		if v := r.verdict(); v > worst {
			worst, why = v, r.err
		}
	}
	// Before the results: the delay of a retry depends on whether the breaker is open.
	if m.breaker.finish(m.now, worst, a.probe) {
		m.emit(breakerMoved{open: m.breaker.open, until: m.breaker.until, err: why})
	}
	if worst != inconclusive {
		m.pause(in.results)
	}
	before := m.endedCount
	for n, r := range in.results {
		m.result(a.items[n], r)
	}
	if m.keepSlot = m.endedCount > before; !m.keepSlot {
		m.slots--
	}
}

// pause stops the whole instance when the provider throttles it.
func (m *machine) pause(results []result) {
	throttled, after := false, time.Duration(0)
	for _, r := range results {
		if r.kind == resultThrottled {
			throttled, after = true, max(after, r.after)
		}
	}
	if !throttled {
		m.throttled = 0
		return
	}
	m.throttled++
	if after <= 0 {
		after = max(m.policy.retry.Delay(m.throttled, m.random), time.Second)
	}
	if until := m.now.Add(min(after, maxThrottle)); until.After(m.paused) {
		m.paused = until
		m.emit(paused{until: until})
	}
}

// result decides what becomes of one notice of an attempt.
func (m *machine) result(i *item, r result) {
	i.attempts++
	if r.kind == resultAccepted {
		m.deliver(i)
		return
	}
	i.lastErr = text.FirstBytes(r.err, maxKeptError)
	m.lastErr = i.lastErr
	if r.kind == resultPanicked {
		i.panics++
	}
	overdue := !m.now.Before(i.overdue)
	switch {
	case r.kind == resultPermanent:
		m.park(i, outbox.Rejected, r.err)
	case r.kind == resultUnreadable:
		m.park(i, outbox.Unreadable, r.err)
	case i.panics >= maxPanics:
		m.park(i, outbox.Panicked, r.err)
	case overdue:
		m.park(i, outbox.Expired, m.expired(i, m.policy.parkAfter))
	case r.kind == resultThrottled:
		m.recordAttempts(i, r)
		i.state = ready // with its old rank
		m.ready.add(i)
	default:
		m.recordAttempts(i, r)
		delay := m.policy.retry.Delay(i.attempts, m.random)
		i.state, i.due = retrying, m.now.Add(delay)
		m.retries.add(i)
		m.emit(retry{id: i.id, attempt: i.attempts, delay: max(delay, m.holdOff()), result: r})
	}
}

// holdOff is for how long a pause or an open breaker keeps everything from being sent.
func (m *machine) holdOff() time.Duration {
	until := m.paused
	if m.breaker.open {
		until = later(until, m.breaker.until)
	}
	return max(until.Sub(m.now), 0)
}

func (m *machine) deliver(i *item) {
	m.lastSuccess, m.lastErr = m.now, ""
	if i.key != "" {
		m.windows.Deliver(i.key, i.id, m.now)
		m.changedWindows[i.key] = true
	}
	m.end(i, outbox.Outcome{Ended: messages.NoticeDelivered})
	m.release(i)
}

func (m *machine) park(i *item, cause outbox.ParkCause, reason string) {
	m.end(i, outbox.Outcome{Ended: messages.NoticeParked, Cause: cause, Reason: reason})
	m.release(i)
}

// expired says why a notice was not delivered in time. One without an attempt has
// waited for others or for the rate limit.
func (m *machine) expired(i *item, within time.Duration) string {
	switch {
	case i.attempts == 0 && m.lastErr == "":
		return fmt.Sprintf("not delivered within %s: it waited for its turn", within)
	case i.attempts == 0:
		return fmt.Sprintf("not delivered within %s: it waited for its turn, and the destination failed last: %s", within, m.lastErr)
	}
	return fmt.Sprintf("not accepted within %s: %s", within,
		cmp.Or(i.lastErr, m.lastErr, "the destination accepts nothing"))
}

// recordAttempts records the number of attempts after every few of them. A panic is
// recorded every time, so that a notice that crashes its sender is not tried for ever.
func (m *machine) recordAttempts(i *item, r result) {
	if i.attempts%recordEvery == 0 || r.kind == resultPanicked {
		m.add(outbox.Outcome{ID: i.id, Attempts: i.attempts, Panics: i.panics})
	}
}

// end settles a notice. It stays known until that is durable.
func (m *machine) end(i *item, o outbox.Outcome) {
	i.state = settling
	m.endedCount++
	o.ID, o.Attempts, o.Panics = i.id, i.attempts, i.panics
	m.add(o)
}

// release makes the next notice of the key active if i was the active one.
func (m *machine) release(i *item) {
	if l, ok := m.byKey[i.key]; ok && l.active == i {
		l.active = nil
		m.activateNext(i.key, l)
	}
}
