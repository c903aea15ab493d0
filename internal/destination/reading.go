package destination

import (
	"time"

	"butler/messages"
)

// readingLasts is how long a reading is worth telling or keeping. The next one
// follows, and what cannot be told for long must not fill the disk.
const readingLasts = 15 * time.Minute

// expires returns when an alert is not worth telling any more: never, unless it
// is one of the readings that follow each other all the time.
func expires(a *messages.Alert, now time.Time) time.Time {
	if !a.Kind.Reading() || a.Test {
		return time.Time{}
	}
	return now.Add(readingLasts)
}
