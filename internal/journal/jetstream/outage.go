package jetstream

import (
	"time"

	"butler/internal/journal"
)

// patience is how long an unreadable file is retried. After that its records count as
// lost, so that a broken sector does not stop the service forever.
const patience = 5 * time.Minute

// outage is a period in which the server cannot read records that it has.
type outage struct {
	// from is the first record that could not be read, since and last are the times of
	// the first and the latest failure.
	from        journal.Seq
	since, last time.Time
}

// goesOn notes that nothing can be read from record seq on, and reports whether to
// keep retrying.
func (o *outage) goesOn(now time.Time, seq journal.Seq) bool {
	if o.since.IsZero() || now.Sub(o.last) >= patience { // no attempt for a long time: a new outage
		*o = outage{from: seq, since: now}
	}
	o.from, o.last = min(o.from, seq), now
	return now.Sub(o.since) < patience
}

// read notes that records were read, from the first that was requested to the last one
// received. The outage ends only if its first record is among them.
func (o *outage) read(first, last journal.Seq) {
	if first <= o.from && o.from <= last {
		*o = outage{}
	}
}
