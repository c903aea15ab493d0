package delivery

import (
	"time"

	"butler/internal/backoff"
)

// breaker stops attempts at a destination that keeps failing, and then lets
// single ones through to see whether it works again. It is a pure policy.
type breaker struct {
	threshold int
	pause     backoff.Policy

	failures int // in a row
	openings int // in a row
	open     bool
	hopeless bool // the newest failure was
	probing  bool
	until    time.Time
}

// verdict is what an attempt says of its destination, apart from its notices.
type verdict uint8

const (
	// silent: the attempt says nothing, such as a crash of our own code, or a journal that cannot be read.
	silent verdict = iota
	// answered: the destination is there, whatever it thinks of the notice.
	answered
	// failed: it is out of reach or broken.
	failed
	// hopeless: it will refuse everything until someone mends the configuration.
	hopeless
)

// allows reports whether an attempt may start now.
func (b *breaker) allows(now time.Time) bool {
	return !b.open || !b.probing && !now.Before(b.until)
}

// start notes that an attempt starts, and reports whether it is the probe.
func (b *breaker) start() (probe bool) {
	b.probing = b.open
	return b.open
}

// finish takes in how an attempt went. It reports whether the breaker opened or
// closed thereby.
func (b *breaker) finish(now time.Time, v verdict, probe bool) (moved bool) {
	if probe {
		b.probing = false
	}
	switch v {
	case answered:
		moved, b.open, b.hopeless = b.open, false, false
		b.failures, b.openings = 0, 0
		return moved
	case silent:
		return false
	case hopeless:
		b.hopeless = true
		b.failures = max(b.failures, b.threshold-1)
	case failed:
		b.hopeless = false
	}
	b.failures++
	if b.open && !probe || b.failures < b.threshold {
		return false // it started before the breaker opened and tells nothing new
	}
	moved, b.open = !b.open, true
	b.openings++
	b.until = now.Add(b.pause.Ceiling(b.openings))
	return moved
}
