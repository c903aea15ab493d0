package bare

import (
	"context"
	"math"
	"time"
)

// Trial sends a load at a rate and returns how many of its datagrams were lost.
type Trial func(ctx context.Context, rate int) (lost int, err error)

// Search describes how the highest rates without loss are searched for.
type Search struct {
	// From is the first rate that is tried, Limit the highest, in datagrams a second.
	From, Limit int
	// Rounds is how often every side is searched, in turns. The result is the median,
	// so that neither a lucky trial nor a busy moment decides.
	Rounds int
	// Most bounds the search: no round begins after it, except for the first and for
	// one that makes their number odd, as the median needs.
	Most time.Duration
}

const (
	// first is the factor between rates in the first climb, later that in climbs
	// around the result of an earlier round.
	first, later = 2.0, 1.25
	// near is the ratio of the lowest failed to the highest passed rate at which a
	// search ends.
	near = 1.04
	// lowest is the lowest rate that is tried.
	lowest = 500
)

// Highest returns the highest rate without loss of every side, 0 for a side that
// loses something at any rate.
func (s Search) Highest(ctx context.Context, sides ...Trial) ([]int, error) {
	found := make([][]float64, len(sides))
	began := time.Now()
	for round := range s.Rounds {
		if round%2 == 1 && time.Since(began) > s.Most {
			break
		}
		for i, try := range sides {
			from, step := s.From, first
			if round > 0 && found[i][0] > 0 {
				from, step = int(found[i][0]/math.Sqrt(later)), later
			}
			best, err := s.climb(ctx, from, step, try)
			if err != nil {
				return nil, err
			}
			found[i] = append(found[i], float64(best))
		}
	}
	out := make([]int, len(sides))
	for i := range out {
		out[i] = int(median(found[i]))
	}
	return out, nil
}

// climb raises the rate, or lowers it when the first one fails, until one rate has passed
// and one has failed, and then bisects between them. It returns the highest passed rate.
func (s Search) climb(ctx context.Context, from int, step float64, try Trial) (int, error) {
	passed, failed := 0, 0
	for rate := from; rate >= lowest && passed < s.Limit && (passed == 0 || failed == 0); {
		kept, err := twice(ctx, rate, try)
		if err != nil {
			return 0, err
		}
		if kept {
			passed, rate = rate, min(s.Limit, int(float64(rate)*step))
		} else {
			failed, rate = rate, int(float64(rate)/step)
		}
	}
	for passed > 0 && float64(failed) > float64(passed)*near {
		middle := int(math.Sqrt(float64(passed) * float64(failed)))
		kept, err := twice(ctx, middle, try)
		if err != nil {
			return 0, err
		}
		if kept {
			passed = middle
		} else {
			failed = middle
		}
	}
	return passed, nil
}

// twice repeats a failed trial once: a busy moment far below the limit would otherwise
// end a climb.
func twice(ctx context.Context, rate int, try Trial) (kept bool, err error) {
	for attempt := 0; attempt < 2 && !kept && err == nil; attempt++ {
		var lost int
		lost, err = try(ctx, rate)
		kept = lost == 0
	}
	return kept, err
}

// settle waits until count is at least want or has not changed for quiet, and returns it.
func settle(want int, quiet time.Duration, count func() int) int {
	last, since := count(), time.Now()
	for last < want && time.Since(since) < quiet {
		time.Sleep(2 * time.Millisecond)
		if now := count(); now != last {
			last, since = now, time.Now()
		}
	}
	return last
}
