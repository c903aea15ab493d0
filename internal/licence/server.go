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

	"butler/internal/qlik"
	"butler/internal/qlik/qrs"
	"butler/internal/text"
	"butler/messages"
)

// validTo is the line of the licence that names its last day.
var validTo = regexp.MustCompile(`(?i)valid to:(.*)`)

// maxDate limits the text that stands in the place of that day, in characters.
const maxDate = 64

// layouts are the date formats in that line.
var layouts = []string{time.DateOnly, time.RFC3339, "2006-01-02T15:04:05", time.DateTime}

// Server returns the state of the server licence at now. DaysLeft is negative after
// its expiry; DaysKnown is false when the expiry date cannot be parsed.
func Server(l qrs.License, now time.Time) messages.License {
	out := messages.License{Expired: l.Expired, ExpiryDate: expiryDate(l.KeyDetails)}
	if end, known := lastDay(out.ExpiryDate); known {
		// Seconds, because a time.Duration ends after 292 years, and licences do not.
		left := float64(end.Unix()-now.Unix()) - float64(now.Nanosecond())/1e9
		out.DaysLeft, out.DaysKnown = int(math.Ceil(left/(24*60*60))), true
	}
	return out
}

// lastDay reads the date of a licence. The date that stands for none in Qlik Sense is no
// end of a licence.
func lastDay(written string) (end time.Time, known bool) {
	for _, layout := range layouts {
		if end, err := time.Parse(layout, written); err == nil {
			return end, !qlik.IsNever(end.Format(time.RFC3339))
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
	return text.Shorten(strings.TrimSpace(found[len(found)-1][1]), maxDate)
}

// Expiring reports whether the licence has expired or expires within threshold days.
func Expiring(l messages.License, threshold int) bool {
	return l.Expired || l.DaysKnown && l.DaysLeft <= threshold
}
