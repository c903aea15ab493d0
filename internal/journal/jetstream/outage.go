package jetstream

import (
	"time"

	"butler/internal/journal"
)

// patience is how long a file that cannot be read is tried again. Then what is in it
// counts as lost, so that a broken sector does not stop the service for ever.
const patience = 5 * time.Minute

// outage is a time in which the server cannot read what it has.
type outage struct {
	// from is the first record that could not be read, since when that is so, and
	// last when it was seen last.
	from        journal.Seq
	since, last time.Time
}

// goesOn notes that nothing can be read from a record on, and reports whether that
// is to be waited for.
func (o *outage) goesOn(now time.Time, seq journal.Seq) bool {
	if o.since.IsZero() || now.Sub(o.last) >= patience { // nobody has looked meanwhile
		*o = outage{from: seq, since: now}
	}
	o.from, o.last = min(o.from, seq), now
	return now.Sub(o.since) < patience
}

// read notes that records were read, from the first that was asked for to the last
// that came. Others than those of the outage, before or behind it, say nothing of it.
func (o *outage) read(first, last journal.Seq) {
	if first <= o.from && o.from <= last {
		*o = outage{}
	}
}
