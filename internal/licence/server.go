// Package licence owns the rules about licences of Qlik Sense: when the server licence
// expires, how the access licences are used, and which unused ones may be released.
//
// It guarantees that an access licence is only released when everything that the rules
// need is known; that nothing is released before the plan is in the report; and that
// a failure with one type of licence does not affect another. It must never read a
// clock or a file, and never retry a release.
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

// layouts are the date formats in that line.
var layouts = []string{time.DateOnly, time.RFC3339, "2006-01-02T15:04:05", time.DateTime}

// Server returns the state of the server licence at now. DaysLeft is negative after
// its expiry; DaysKnown is false when the expiry date cannot be parsed.
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

// Expiring reports whether the licence has expired or expires within threshold days.
func Expiring(l messages.License, threshold int) bool {
	return l.Expired || l.DaysKnown && l.DaysLeft <= threshold
}
