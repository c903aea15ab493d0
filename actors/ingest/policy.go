package ingest

import (
	"math"
	"time"
)

// window counts datagrams in fixed spans of one minute. A span begins with the
// first datagram after the end of the one before.
type window struct {
	// limit is 0 for no limit.
	limit int
	start time.Time
	count int
}

const windowLength = time.Minute

// take counts one datagram if there is room for it.
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

// rate returns how many a minute the open span amounts to; 0 when it is over or has just begun.
func (w *window) rate(now time.Time) int {
	elapsed := now.Sub(w.start)
	if w.limit == 0 || elapsed <= 0 || elapsed >= windowLength {
		return 0
	}
	return int(math.Round(float64(w.count) / elapsed.Seconds() * windowLength.Seconds()))
}

// pressure watches the backlog. It ends well below the threshold at which it
// begins, so that it does not flutter.
type pressure struct {
	// size is the backlog deemed normal, threshold the percentage of it at which pressure begins.
	size      int
	threshold float64
	active    bool
	toldAt    time.Time
}

// pressureNews is what there is to tell of the backlog.
type pressureNews uint8

const (
	pressureSame pressureNews = iota
	pressureBegan
	pressureGoesOn
	pressureEnded
)

// observe takes note of a backlog of waiting events.
func (p *pressure) observe(now time.Time, waiting int) pressureNews {
	limit := p.threshold * float64(p.size)
	switch {
	case !p.active && 100*float64(waiting) >= limit:
		p.active, p.toldAt = true, now
		return pressureBegan
	case p.active && 125*float64(waiting) < limit: // below 80 % of the threshold
		p.active = false
		return pressureEnded
	case p.active && now.Sub(p.toldAt) > tellEvery:
		p.toldAt = now
		return pressureGoesOn
	}
	return pressureSame
}

// loss follows a count of lost datagrams that only grows, and begins anew with every socket.
type loss struct {
	seen   uint64
	untold uint64
	toldAt time.Time
}

// observe returns how many were lost since the last call, and how many to tell
// now: the first at once, then a sum every minute.
func (l *loss) observe(now time.Time, total uint64) (fresh, tell uint64) {
	fresh = total - min(l.seen, total)
	l.seen = total
	l.untold += fresh
	if l.untold == 0 || !l.toldAt.IsZero() && now.Sub(l.toldAt) < tellEvery {
		return fresh, 0
	}
	tell, l.untold, l.toldAt = l.untold, 0, now
	return fresh, tell
}

// reopened says that the count begins at zero again.
func (l *loss) reopened() { l.seen = 0 }
