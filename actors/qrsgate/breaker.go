package qrsgate

import "time"

// breaker is a circuit breaker for the QRS. It opens after several failures in a row;
// repeated failures of the same object count once (see failing.go). While it is open
// only pings are made, with growing pauses. A successful ping makes it half-open: the
// next failure that counts opens it again, the next successful call closes it. It begins
// half-open, because nothing is known of the QRS yet.
type breaker struct {
	settings BreakerSettings
	failures int
	open     bool
	// pingAt is when the QRS is pinged next. Calls move it.
	pingAt time.Time
	wait   time.Duration
}

// BreakerSettings say when the QRS counts as out of reach. The zero value means the defaults.
type BreakerSettings struct {
	// Failures is how many calls in a row must fail; 0 means 5.
	Failures int
	// CoolDown is the pause before the first ping after it opened; it doubles up
	// to MaxCoolDown. 0 means 5 s and 60 s.
	CoolDown, MaxCoolDown time.Duration
	// PingEvery is how long after the last successful call the QRS is pinged; 0 means 60 s.
	PingEvery time.Duration
}

func (s BreakerSettings) withDefaults() BreakerSettings {
	if s.Failures <= 0 {
		s.Failures = 5
	}
	if s.CoolDown <= 0 {
		s.CoolDown = 5 * time.Second
	}
	if s.MaxCoolDown <= 0 {
		s.MaxCoolDown = time.Minute
	}
	if s.PingEvery <= 0 {
		s.PingEvery = time.Minute
	}
	return s
}

func newBreaker(now time.Time, s BreakerSettings) breaker {
	return breaker{settings: s, failures: s.Failures - 1, pingAt: now, wait: s.CoolDown}
}

// succeeded notes a call that the QRS answered.
func (b *breaker) succeeded(now time.Time) {
	b.failures, b.open, b.wait = 0, false, b.settings.CoolDown
	b.pingAt = now.Add(b.settings.PingEvery)
}

// pinged notes a successful ping. It makes an open breaker half-open.
func (b *breaker) pinged(now time.Time) {
	if b.open {
		b.open, b.failures = false, b.settings.Failures-1
	}
	b.pingAt = now.Add(b.settings.PingEvery)
}

// failed notes a call that did not get through. The jitter is in [0,1).
func (b *breaker) failed(now time.Time, jitter float64) {
	if b.open {
		return // a call from before it opened
	}
	b.failures++
	b.open = b.failures >= b.settings.Failures
	b.cool(now, jitter)
}

// pingSoon notes a failure that may not be the fault of the QRS: an early ping will tell.
func (b *breaker) pingSoon(now time.Time, jitter float64) {
	if soon := b.soon(now, jitter); !b.open && soon.Before(b.pingAt) {
		b.pingAt = soon
	}
}

// pingFailed notes a failed ping.
func (b *breaker) pingFailed(now time.Time, jitter float64) {
	if !b.open {
		b.failed(now, jitter)
		return
	}
	b.cool(now, jitter)
}

func (b *breaker) cool(now time.Time, jitter float64) {
	b.pingAt = b.soon(now, jitter)
	if b.open {
		b.wait = min(b.wait*2, b.settings.MaxCoolDown)
	}
}

func (b *breaker) soon(now time.Time, jitter float64) time.Time {
	return now.Add(b.wait/2 + time.Duration(jitter*float64(b.wait/2)))
}
