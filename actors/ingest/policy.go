package ingest

import (
	"math"
	"time"
)

// window is a fixed-window rate limit of one minute. A window begins with the first
// datagram after the end of the previous one.
type window struct {
	// limit is 0 for no limit.
	limit int
	start time.Time
	count int
}

const windowLength = time.Minute

// take counts one datagram and reports whether it is within the limit.
func (w *window) take(now time.Time) bool {
	if w.limit == 0 {
		return true
	}
	if now.Sub(w.start) >= windowLength {
		w.start, w.count = now, 0
	}
	if w.count >= w.limit {
		return false
	}
	w.count++
	return true
}

// rate returns the rate per minute of the present window, 0 when it is over or has just begun.
func (w *window) rate(now time.Time) int {
	elapsed := now.Sub(w.start)
	if w.limit == 0 || elapsed <= 0 || elapsed >= windowLength {
		return 0
	}
	return int(math.Round(float64(w.count) / elapsed.Seconds() * windowLength.Seconds()))
}

// pressure watches the backlog, with hysteresis: it ends well below the threshold at
// which it begins.
type pressure struct {
	// size is the normal backlog, threshold the percentage of it at which pressure begins.
	size      int
	threshold float64
	active    bool
	toldAt    time.Time
}

// pressureNews is a change of the pressure that is worth a log line.
type pressureNews uint8

const (
	pressureSame pressureNews = iota
	pressureBegan
	pressureGoesOn
	pressureEnded
)

// observe updates the pressure from the number of waiting events.
func (p *pressure) observe(now time.Time, waiting int) pressureNews {
	limit := p.threshold * float64(p.size)
	switch {
	case !p.active && 100*float64(waiting) >= limit:
		p.active, p.toldAt = true, now
		return pressureBegan
	case p.active && 125*float64(waiting) < limit: // below 80 % of the threshold
		p.active = false
		return pressureEnded
	case p.active && now.Sub(p.toldAt) > summaryEvery:
		p.toldAt = now
		return pressureGoesOn
	}
	return pressureSame
}

// loss says when lost datagrams are logged.
type loss struct {
	untold uint64
	toldAt time.Time
}

// observe gets how many were lost since the last call, and returns how many to log now:
// the first at once, then a sum every minute.
func (l *loss) observe(now time.Time, fresh uint64) (tell uint64) {
	l.untold += fresh
	if l.untold == 0 || !l.toldAt.IsZero() && now.Sub(l.toldAt) < summaryEvery {
		return 0
	}
	tell, l.untold, l.toldAt = l.untold, 0, now
	return tell
}
