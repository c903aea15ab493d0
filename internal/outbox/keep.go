package outbox

import (
	"slices"
	"time"

	"butler/messages"
)

// Retention bounds the parked notices. The zero value keeps all forever.
type Retention struct {
	// For is how long a notice stays parked; 0 means forever.
	For time.Duration
	// Bytes bounds the size of all of them, with their alerts and script logs; 0 means
	// no limit.
	Bytes int64
}

// Surplus lists the parked notices that exceed a retention at now, in the order of
// parking: those that are too old, and the oldest ones beyond the size. Entries whose
// time cannot be read, such as those of a later release, are not listed: only an operator
// drops them.
func (o *Outbox) Surplus(keep Retention, now time.Time) ([]Parked, error) {
	parked, err := o.Parked(ParkedFilter{})
	if err != nil {
		return nil, err
	}
	parked = slices.DeleteFunc(parked, func(p Parked) bool { return p.ParkedAt.IsZero() })
	held, counted := int64(0), map[messages.AlertID]bool{}
	for i, p := range slices.Backward(parked) {
		held += o.sizeOf(p, counted)
		tooOld := keep.For > 0 && now.Sub(p.ParkedAt) >= keep.For
		tooMuch := keep.Bytes > 0 && held > keep.Bytes
		if tooOld || tooMuch {
			return parked[:i+1], nil // the ones before it are even older
		}
	}
	return nil, nil
}

// sizeOf returns the size of a parked notice, in bytes. An alert that several notices share
// is counted for the first of them only, for which it is added to counted.
func (o *Outbox) sizeOf(p Parked, counted map[messages.AlertID]bool) int64 {
	size := o.ledger.Size(bucketParked, string(p.ID))
	if !counted[p.Alert] {
		counted[p.Alert] = true
		id := string(p.Alert)
		size += o.ledger.Size(bucketAlert, id) + o.ledger.Size(bucketNoticeKeys, id) + o.ledger.Size(bucketAttachment, id)
	}
	return int64(size)
}
