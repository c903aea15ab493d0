package qlik

import "time"

// ParseTime parses a date of a QRS document. It returns false for a text that is not a
// date, and for a date that means never.
func ParseTime(text string) (time.Time, bool) {
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil || at.Year() <= neverYear {
		return time.Time{}, false
	}
	return at, true
}

// IsNever reports whether a text is the date that means never.
func IsNever(text string) bool {
	at, err := time.Parse(time.RFC3339Nano, text)
	return err == nil && at.Year() <= neverYear
}

// neverYear is the year of NeverDate. A date before its end means never, too: in another
// time zone NeverDate may be in the year before, and the empty date of .NET is in year 1.
const neverYear = 1753
