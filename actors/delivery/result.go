package delivery

import (
	"cmp"
	"fmt"
	"time"

	"butler/internal/outbox"
	"butler/internal/text"
	"butler/messages"
)

// finish takes in the end of an attempt.
func (m *machine) finish(in sendFinished) {
	f, ok := m.flights[in.serial]
	if !ok || len(in.results) != len(f.items) {
		return // an answer to a machine before a restart
	}
	delete(m.flights, in.serial)
	said, why := silent, ""
	for _, r := range in.results {
		if v := r.verdict(); v > said {
			said, why = v, r.err
		}
	}
	// The breaker first: a notice that it lets through again must not see it open.
	if m.breaker.finish(m.now, said, f.probe) {
		m.emit(breakerMoved{open: m.breaker.open, until: m.breaker.until, err: why})
	}
	if said != silent {
		m.pause(in.results)
	}
	before := m.endings
	for n, r := range in.results {
		m.result(f.items[n], r)
	}
	if m.keepSlot = m.endings > before; !m.keepSlot {
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
	i.lastErr = text.FirstBytes(r.err, keptError)
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
		m.remember(i, r)
		i.state = ready // in its old place
		m.ready.join(i)
	default:
		m.remember(i, r)
		delay := m.policy.retry.Delay(i.attempts, m.random)
		i.state, i.due = waiting, m.now.Add(delay)
		m.waiting.join(i)
		m.emit(retry{id: i.id, attempt: i.attempts, delay: max(delay, m.held()), result: r})
	}
}

// held is how long nothing at all is sent.
func (m *machine) held() time.Duration {
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
		m.touched[i.key] = true
	}
	m.end(i, outbox.Outcome{Ended: messages.NoticeDelivered})
	m.yield(i)
}

func (m *machine) park(i *item, cause outbox.ParkCause, reason string) {
	m.end(i, outbox.Outcome{Ended: messages.NoticeParked, Cause: cause, Reason: reason})
	m.yield(i)
}

// expired says why a notice has ended late. One without an attempt waited for the
// pace, or behind others, whatever the destination accepts.
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

// remember records the number of attempts now and then; a crash of our own code
// every time, so that a notice that kills its sender is not tried for ever.
func (m *machine) remember(i *item, r result) {
	if i.attempts%rememberEvery == 0 || r.kind == resultPanicked {
		m.add(outbox.Outcome{ID: i.id, Attempts: i.attempts, Panics: i.panics})
	}
}

// end notes that a notice has ended. It stays known until that is durable.
func (m *machine) end(i *item, o outbox.Outcome) {
	i.state = settling
	m.endings++
	o.ID, o.Attempts, o.Panics = i.id, i.attempts, i.panics
	m.add(o)
}

// yield gives the right of way of a notice that has ended to the next of its key.
func (m *machine) yield(i *item) {
	if l, ok := m.lanes[i.key]; ok && l.active == i {
		l.active = nil
		m.promote(i.key, l)
	}
}
