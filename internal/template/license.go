package template

import (
	"strconv"

	"butler/messages"
)

// LicenseText returns a short text about the validity of the server licence, such as
// "valid to 2026-12-31, 40 days left".
func LicenseText(l messages.License) string {
	until := l.ExpiryDate
	if until == "" {
		until = "an unknown date"
	}
	switch {
	case l.Over():
		return "expired, it was valid to " + until
	case !l.DaysKnown:
		return "valid to " + until
	case l.DaysLeft == 1:
		return "valid to " + until + ", 1 day left"
	default:
		return "valid to " + until + ", " + strconv.Itoa(l.DaysLeft) + " days left"
	}
}
