package qlik

import "time"

// ParseTime reads a date of a QRS document. It is false for a text that is no
// date, and for one that means never.
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

// neverYear is that of NeverDate. Whoever writes it in another time zone gets one
// that is earlier, and so is what .NET has for no date.
const neverYear = 1753
