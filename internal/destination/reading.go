package destination

import (
	"time"

	"butler/messages"
)

// readingLasts is how long a reading is worth sending or keeping. The next reading
// follows, and undeliverable readings must not fill the disk.
const readingLasts = 15 * time.Minute

// expires returns when an alert is no longer worth sending: the zero time, for never,
// unless it is a recurring reading.
func expires(a *messages.Alert, now time.Time) time.Time {
	if !a.Kind.Reading() || a.Test {
		return time.Time{}
	}
	return now.Add(readingLasts)
}
