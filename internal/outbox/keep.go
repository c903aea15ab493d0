package outbox

import (
	"slices"
	"time"

	"butler/messages"
)

// Retention bounds the parked notices. The zero value keeps all for ever.
type Retention struct {
	// For is how long a notice stays parked; 0 means for ever.
	For time.Duration
	// Bytes bounds the size of all of them, with their alerts and script logs; 0 means
	// no limit.
	Bytes int64
}

// Surplus lists the parked notices that exceed a retention at now, the one parked
// first in front: those that are too old, and the oldest ones beyond the size. An
// entry without a readable time, such as one of a later release, is left to the
// operator.
func (o *Outbox) Surplus(keep Retention, now time.Time) ([]Parked, error) {
	parked, err := o.Parked(ParkedFilter{})
	if err != nil {
		return nil, err
	}
	parked = slices.DeleteFunc(parked, func(p Parked) bool { return p.ParkedAt.IsZero() })
	held, counted := int64(0), map[messages.AlertID]bool{}
	for i, p := range slices.Backward(parked) {
		held += o.holds(p, counted)
		tooOld := keep.For > 0 && now.Sub(p.ParkedAt) >= keep.For
		tooMuch := keep.Bytes > 0 && held > keep.Bytes
		if tooOld || tooMuch {
			return parked[:i+1], nil // everything before it is older still
		}
	}
	return nil, nil
}

// holds returns the size of a parked notice. An alert that several share is counted
// for the first of them only.
func (o *Outbox) holds(p Parked, counted map[messages.AlertID]bool) int64 {
	size := o.ledger.Size(bucketParked, string(p.ID))
	if !counted[p.Alert] {
		counted[p.Alert] = true
		id := string(p.Alert)
		size += o.ledger.Size(bucketAlert, id) + o.ledger.Size(bucketTold, id) + o.ledger.Size(bucketAttachment, id)
	}
	return int64(size)
}
