// Package ratelimit owns the two policies that keep a destination from being
// flooded: Windows, one delivered alert per key and time, and Bucket, a limit of
// attempts per second.
//
// It guarantees that only a delivery opens a window, never an attempt, and that
// every notice that is held back is counted. Both are plain values that take the
// time as an argument: they must never read a clock, start a timer or block, and
// they are not safe for concurrent use.
package ratelimit

import (
	"math"
	"time"
)

// Bucket is a token bucket. Build it with NewBucket.
type Bucket struct {
	rate   float64 // tokens per second; 0 means no bound
	burst  float64
	tokens float64
	filled time.Time
}

// NewBucket returns a full bucket of burst tokens, at least one, that gains rate
// tokens a second. A rate that is not a positive number means no bound.
func NewBucket(rate float64, burst int) *Bucket {
	if !(rate > 0) || math.IsInf(rate, 1) {
		return &Bucket{}
	}
	size := float64(max(burst, 1))
	return &Bucket{rate: rate, burst: size, tokens: size}
}

// almostOne is one token less a rounding error: at the time returned by Next, Take has
// to succeed.
const almostOne = 1 - 1e-6

// Take takes a token and reports whether there was one.
func (b *Bucket) Take(now time.Time) bool {
	if b.rate == 0 {
		return true
	}
	b.fill(now)
	if b.tokens < almostOne {
		return false
	}
	b.tokens = max(0, b.tokens-1)
	return true
}

// Next returns when a token is available: now, or later.
func (b *Bucket) Next(now time.Time) time.Time {
	if b.rate == 0 {
		return now
	}
	b.fill(now)
	if b.tokens >= almostOne {
		return now
	}
	wait := math.Ceil((1 - b.tokens) / b.rate * float64(time.Second))
	return now.Add(time.Duration(min(wait, float64(24*time.Hour))))
}

// fill adds the tokens gained since the last time, none if the clock went back.
func (b *Bucket) fill(now time.Time) {
	if gained := now.Sub(b.filled); gained > 0 && !b.filled.IsZero() {
		b.tokens = min(b.burst, b.tokens+gained.Seconds()*b.rate)
	}
	b.filled = now
}
