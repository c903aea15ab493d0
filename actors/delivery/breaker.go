package delivery

import (
	"time"

	"butler/internal/backoff"
)

// breaker is a circuit breaker: it stops attempts at a destination that keeps
// failing, and after a pause lets single ones through as probes. It is a pure policy.
type breaker struct {
	threshold int
	pause     backoff.Policy

	failures      int // in a row
	openings      int // in a row
	open          bool
	misconfigured bool // whether the newest failure was that
	probing       bool
	until         time.Time
}

// verdict is what an attempt says about the destination, in order of severity.
type verdict uint8

const (
	// inconclusive: nothing, as when our own code panicked or the journal could not be read.
	inconclusive verdict = iota
	// reachable: it answered, whether or not it accepted the notice.
	reachable
	// unreachable: it could not be reached or is broken.
	unreachable
	// misconfigured: it will refuse everything until somebody corrects the configuration.
	misconfigured
)

// allows reports whether an attempt may start now.
func (b *breaker) allows(now time.Time) bool {
	return !b.open || !b.probing && !now.Before(b.until)
}

// start notes the start of an attempt and reports whether it is a probe.
func (b *breaker) start() (probe bool) {
	b.probing = b.open
	return b.open
}

// finish notes the verdict of an attempt, and reports whether the breaker opened or
// closed because of it.
func (b *breaker) finish(now time.Time, v verdict, probe bool) (moved bool) {
	if probe {
		b.probing = false
	}
	switch v {
	case reachable:
		moved, b.open, b.misconfigured = b.open, false, false
		b.failures, b.openings = 0, 0
		return moved
	case inconclusive:
		return false
	case misconfigured:
		b.misconfigured = true
		b.failures = max(b.failures, b.threshold-1)
	case unreachable:
		b.misconfigured = false
	}
	b.failures++
	if b.open && !probe || b.failures < b.threshold {
		return false // too few failures, or an attempt from before the breaker opened
	}
	moved, b.open = !b.open, true
	b.openings++
	b.until = now.Add(b.pause.Ceiling(b.openings))
	return moved
}
