// Package backoff owns exponential back-off with jitter: the delay before a failed
// operation is retried.
//
// It guarantees that the ceiling of the delay doubles with every failure up to a limit,
// and that delays are spread at random below it, so that callers that failed together
// do not retry together. It must never read a clock or own a source of randomness.
package backoff

import (
	"math/rand/v2"
	"time"
)

// Policy is exponential back-off with full jitter. Delays of the zero value are 0.
type Policy struct {
	// Base is the longest delay after the first failure; it doubles with every further one.
	Base time.Duration
	// Max is the longest delay; 0 means Base.
	Max time.Duration
	// Min is the shortest delay.
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

// Delay returns how long to wait after the given number of failures, from 1: a random
// duration, uniformly distributed between Min and Ceiling.
func (p Policy) Delay(failures int, random *rand.Rand) time.Duration {
	ceiling := p.Ceiling(failures)
	if ceiling <= p.Min {
		return max(p.Min, 0)
	}
	return p.Min + time.Duration(random.Int64N(int64(ceiling-p.Min)+1))
}
