// Package licence owns what the licences of Qlik Sense mean: when the server
// licence ends, how the access licences are used, and which of them nobody uses
// and may be taken from their users.
//
// It guarantees that a licence is only released when everything that decides
// about it is known and says so; that nothing is released before the plan is
// written down; and that one type of licence is not in the way of another. It
// must never read a clock or a file, and never repeat a release.
package licence

import (
	"math"
	"regexp"
	"strings"
	"time"

	"butler/internal/qlik/qrs"
	"butler/messages"
)

// validTo is the line of the licence that names its last day.
var validTo = regexp.MustCompile(`(?i)valid to:(.*)`)

// layouts are the forms of that day.
var layouts = []string{time.DateOnly, time.RFC3339, "2006-01-02T15:04:05", time.DateTime}

// Server returns what the server licence is at a moment. The days are negative
// after its end, and unknown without a date that can be read.
func Server(l qrs.License, now time.Time) messages.License {
	out := messages.License{Expired: l.Expired, ExpiryDate: expiryDate(l.KeyDetails)}
	if end, known := lastDay(out.ExpiryDate); known {
		out.DaysLeft, out.DaysKnown = int(math.Ceil(end.Sub(now).Hours()/24)), true
	}
	return out
}

// lastDay reads the date of a licence.
func lastDay(text string) (end time.Time, known bool) {
	for _, layout := range layouts {
		if end, err := time.Parse(layout, text); err == nil {
			return end, true
		}
	}
	return time.Time{}, false
}

// expiryDate returns the text behind the last "Valid To:", "" without one.
func expiryDate(details string) string {
	found := validTo.FindAllStringSubmatch(details, -1)
	if len(found) == 0 {
		return ""
	}
	return strings.TrimSpace(found[len(found)-1][1])
}

// Expiring reports whether somebody has to be told of the licence: it has ended,
// or ends within so many days.
func Expiring(l messages.License, threshold int) bool {
	return l.Expired || l.DaysKnown && l.DaysLeft <= threshold
}
