package qrsgate

import "time"

// breaker decides whether the QRS is asked at all, and when it is pinged. It
// opens after several failures in a row, of which what is asked for again and
// again makes one alone (failing.go). While it is open, pings are the only
// calls, further and further apart; a good one closes it on trial: the next
// failure that counts opens it again, the next success ends the trial. It begins
// on trial, for nothing is known of the QRS yet.
type breaker struct {
	settings BreakerSettings
	failures int
	open     bool
	// pingAt is when the QRS is pinged next, unless something is heard of it before.
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
	// PingEvery is how long nothing is heard before the QRS is pinged; 0 means 60 s.
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

// pinged notes a good ping: enough to ask again, not enough to forget the failures.
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

// doubt notes a call that says little about the QRS: a ping soon says more.
func (b *breaker) doubt(now time.Time, jitter float64) {
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
