package mqttlink

import (
	"math/rand/v2"
	"slices"
	"time"

	"butler/internal/backoff"
	"butler/messages"
)

// machine decides when messages are handled and retried. It gets the time as an
// argument and returns effects for the actor to perform.
type machine struct {
	// first is the smallest valid ID: smaller ones were handed out before a restart.
	first uint64
	lanes []*lane
	// failing are the IDs of messages that have failed and are not settled.
	failing  map[uint64]bool
	attempts int
	retry    backoff.Policy
	rand     *rand.Rand
}

// lane holds the messages of one row.
type lane struct {
	row     Row
	ready   []job
	retries []retry
	running int
}

// job is a message that is to be handled.
type job struct {
	messages.MQTTMessageArrived
	// Attempt is the number of the current attempt, from 1.
	Attempt int
}

// retry is a job that waits for another attempt.
type retry struct {
	job
	at time.Time
}

// The effects.
type (
	// handle begins an attempt; its result comes back to machine.finished.
	handle struct {
		lane int
		job  job
	}
	settle struct{ id uint64 }
	// tell reports the result of an attempt.
	tell struct {
		row    string
		result result
		job    job
		// failure is why it failed, retryAt when it is retried.
		failure messages.Failure
		retryAt time.Time
	}
	// waits reports how many messages have failed and wait for another attempt, and why
	// the last one failed.
	waits struct {
		count int
		why   string
	}
)

// result is the result of an attempt, a metric label.
type result string

const (
	handled  result = "handled"
	refused  result = "refused"
	failed   result = "failed"
	retained result = "retained"
	ignored  result = "ignored"
	retried  result = "retried"
)

func results() []result { return []result{handled, refused, failed, retained, ignored, retried} }

// otherRow is the metric label of messages that match no row.
const otherRow = "other"

func newMachine(o Options, first uint64) *machine {
	m := &machine{first: first, failing: map[uint64]bool{}, attempts: o.Attempts, retry: o.Retry, rand: o.Rand}
	for _, r := range o.Rows {
		m.lanes = append(m.lanes, &lane{row: r})
	}
	return m
}

// arrived takes a message.
func (m *machine) arrived(a messages.MQTTMessageArrived) []any {
	if a.ID < m.first {
		return nil // Resume hands it out again under another ID
	}
	j := job{MQTTMessageArrived: a}
	i := slices.IndexFunc(m.lanes, func(l *lane) bool { return l.row.Fits(a.Topic) })
	if i < 0 {
		return []any{tell{row: otherRow, result: ignored, job: j}, settle{a.ID}}
	}
	l := m.lanes[i]
	if a.Retained && l.row.IgnoreRetained {
		return []any{tell{row: l.row.Name, result: retained, job: j}, settle{a.ID}}
	}
	l.ready = append(l.ready, j)
	return m.pump(i)
}

// finished takes the result of an attempt.
func (m *machine) finished(now time.Time, lane int, j job, f messages.Failure) []any {
	if j.ID < m.first {
		return nil // begun before a restart: the message is settled, or handed out again
	}
	l := m.lanes[lane]
	l.running--
	out := tell{row: l.row.Name, result: handled, job: j, failure: f}
	switch {
	case !f.Failed():
	case !mayPass(f.Kind):
		out.result = refused
	case j.Attempt >= m.attempts:
		out.result = failed
	default:
		out.result, out.retryAt = retried, now.Add(m.retry.Delay(j.Attempt, m.rand))
		l.retries = append(l.retries, retry{j, out.retryAt})
		m.failing[j.ID] = true
		return append([]any{out, waits{len(m.failing), f.Text}}, m.pump(lane)...)
	}
	effects := []any{out, settle{j.ID}}
	if m.failing[j.ID] {
		delete(m.failing, j.ID)
		effects = append(effects, waits{count: len(m.failing)})
	}
	return append(effects, m.pump(lane)...)
}

// tick begins the retries that are due.
func (m *machine) tick(now time.Time) (effects []any) {
	for i, l := range m.lanes {
		l.retries = slices.DeleteFunc(l.retries, func(r retry) bool {
			if r.at.After(now) {
				return false
			}
			l.ready = append(l.ready, r.job)
			return true
		})
		effects = append(effects, m.pump(i)...)
	}
	return effects
}

// next returns when to call tick next; zero means never.
func (m *machine) next() (at time.Time) {
	for _, l := range m.lanes {
		for _, r := range l.retries {
			if at.IsZero() || r.at.Before(at) {
				at = r.at
			}
		}
	}
	return at
}

// pump begins as many attempts as the row of a lane allows.
func (m *machine) pump(lane int) (effects []any) {
	l := m.lanes[lane]
	for len(l.ready) > 0 && l.running < l.row.Concurrency {
		j := l.ready[0]
		l.ready = l.ready[1:]
		j.Attempt++
		l.running++
		effects = append(effects, handle{lane, j})
	}
	return effects
}

// mayPass reports whether a failure is temporary.
func mayPass(kind messages.FailureKind) bool {
	switch kind {
	case messages.FailureUnavailable, messages.FailureTimeout, messages.FailureBusy:
		return true
	default:
		return false
	}
}
