package bench

import "time"

// Trial sends a load at a rate and returns how many of its datagrams were lost.
type Trial func(rate int) (lost int, err error)

// HighestRate looks for the highest rate without loss: it raises the rate by a
// quarter until a rate fails twice, starting at from. It returns 0 when even
// that fails.
func HighestRate(from, limit int, try Trial) (int, error) {
	best := 0
	for rate := from; rate <= limit; rate += rate / 4 {
		kept := false
		for attempt := 0; attempt < 2 && !kept; attempt++ {
			lost, err := try(rate)
			if err != nil {
				return best, err
			}
			kept = lost == 0
		}
		if !kept {
			return best, nil
		}
		best = rate
	}
	return best, nil
}

// settle waits until count reaches want or stands still for quiet, and returns it.
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
