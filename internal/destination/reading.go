package destination

import (
	"time"

	"butler/messages"
)

// readingLasts is how long a reading is worth telling. Stores are not told but
// keep it, with its time, for as long as it takes.
const readingLasts = 15 * time.Minute

// expires returns when an alert is not worth telling any more: never, unless it
// is one of the readings that follow each other all the time.
func (i *Instance) expires(a *messages.Alert, now time.Time) time.Time {
	if !a.Kind.Reading() || i.Store || a.Test {
		return time.Time{}
	}
	return now.Add(readingLasts)
}
