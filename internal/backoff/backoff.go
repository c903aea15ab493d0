// Package backoff owns how long to wait before something that failed is tried
// again.
//
// It guarantees that a delay grows exponentially up to a limit and is spread at
// random below it, so that many who failed together do not come back together.
// It must never read a clock or own a source of randomness.
package backoff

import (
	"math/rand/v2"
	"time"
)

// Policy is exponential back-off with full jitter. The zero value waits not at all.
type Policy struct {
	// Base is the most that is waited after the first failure; it doubles with every further one.
	Base time.Duration
	// Max is what no delay exceeds; 0 means Base.
	Max time.Duration
	// Min is what no delay falls below, whatever chance says.
	Min time.Duration
}

// Ceiling returns the longest delay after the given number of failures, from 1.
func (p Policy) Ceiling(failures int) time.Duration {
	most := max(p.Max, p.Base)
	ceiling := p.Base
	for range failures - 1 {
		if ceiling > most/2 {
			return most
		}
		ceiling *= 2
	}
	return min(ceiling, most)
}

// Delay returns how long to wait after the given number of failures, from 1:
// anything between Min and Ceiling, all equally likely.
func (p Policy) Delay(failures int, random *rand.Rand) time.Duration {
	ceiling := p.Ceiling(failures)
	if ceiling <= p.Min {
		return max(p.Min, 0)
	}
	return p.Min + time.Duration(random.Int64N(int64(ceiling-p.Min)+1))
}
