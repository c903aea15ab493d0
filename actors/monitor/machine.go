package monitor

import (
	"time"

	"butler/internal/cron"
	"butler/messages"
)

// machine decides when a probe runs. It gets the time as an argument and returns
// effects for the actor to perform.
type machine struct {
	schedule cron.Timetable
	timeout  time.Duration
	// due is when the next probe is due; zero means never.
	due time.Time
	// running is the probe that runs, zero for none, since when it began, and last the
	// newest one.
	running attempt
	since   time.Time
	last    attempt
	// health is the last health reported; nil before the first time.
	health *tellHealth
}

// attempt numbers the probes of one actor.
type attempt int

// The effects, in the order they are to be performed.
type (
	effect interface{ isEffect() }
	// probe runs the probe; its end comes back with the same number.
	probe struct {
		Attempt attempt
		At      time.Time
	}
	// skip reports that a due probe was not run, because the one that began at Since
	// still runs.
	skip struct{ Since time.Time }
	// tellHealth reports whether probes succeed.
	tellHealth struct {
		Up     bool
		Reason string
	}
)

func (probe) isEffect()      {}
func (skip) isEffect()       {}
func (tellHealth) isEffect() {}

// napLimit is the longest time until the next tick. Timers stand still while the
// computer sleeps, so a longer one could be that much too late.
const napLimit = time.Minute

func newMachine(schedule cron.Timetable, timeout time.Duration) *machine {
	return &machine{schedule: schedule, timeout: timeout}
}

// begin is the first input; atOnce runs a probe without waiting for its time.
func (m *machine) begin(now time.Time, atOnce bool) []effect {
	m.due = m.schedule.Next(now)
	if !atOnce {
		return nil
	}
	return m.probe(now)
}

// tick runs the probe if it is due.
func (m *machine) tick(now time.Time) []effect {
	switch {
	case m.due.IsZero():
		return nil
	case m.due.After(now):
		// A clock that was set back must not stop the probes until it is that late again.
		if next := m.schedule.Next(now); next.Before(m.due) {
			m.due = next
		}
		return nil
	}
	// Intervals are counted from when the probe was due, so that they do not drift. Runs
	// that were due while the computer slept are left out.
	if m.due = m.schedule.Next(m.due); !m.due.After(now) {
		m.due = m.schedule.Next(now)
	}
	return m.probe(now)
}

func (m *machine) probe(now time.Time) []effect {
	if m.running != 0 {
		effects := []effect{skip{m.since}}
		if now.Sub(m.since) > m.timeout {
			effects = append(effects, m.tell(false, "the probe of "+m.since.UTC().Format(time.RFC3339)+" has not ended")...)
		}
		return effects
	}
	m.last++
	m.running, m.since = m.last, now
	return []effect{probe{m.last, now}}
}

// finished takes the result of a probe. Those of earlier lives are ignored.
func (m *machine) finished(n attempt, trouble string, failure messages.Failure) []effect {
	if n != m.running {
		return nil
	}
	m.running = 0
	if failure.Failed() {
		trouble = failure.Text
	}
	return m.tell(trouble == "", trouble)
}

func (m *machine) tell(up bool, reason string) []effect {
	now := tellHealth{up, reason}
	if m.health != nil && *m.health == now {
		return nil
	}
	m.health = &now
	return []effect{now}
}

// wake returns when to call tick next; zero means never.
func (m *machine) wake(now time.Time) time.Time {
	if limit := now.Add(napLimit); m.due.After(limit) {
		return limit
	}
	return m.due
}
