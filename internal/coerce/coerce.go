// Package coerce owns what a JSON value of one type means where another type is
// asked for: load scripts send text for everything, and other clients numbers.
//
// It guarantees that an ordinary number reads the same whichever way it is written,
// and that a whole number keeps all its digits. It must never guess: what is no
// number is none.
package coerce

import (
	"strconv"
	"strings"
)

// Text returns a JSON number as decimal text: 12.50 is "12.5", 2.0 is "2", 1e3 is
// "1000". One that would have more than 21 digits before its point, or more than six
// zeros after it, stays as it is written.
func Text(number string) string {
	if !strings.ContainsAny(number, ".eE") && number != "-0" {
		return number
	}
	n, err := strconv.ParseFloat(number, 64)
	size := max(n, -n)
	if err != nil || size >= 1e21 || size < 1e-6 && size > 0 {
		return number
	}
	return strconv.FormatFloat(n+0, 'f', -1, 64) // no sign of a zero
}

// Number returns the number that a text holds, with or without space around it, and
// whether it holds one: decimal, with an exponent or without, and finite.
func Number(text string) (n float64, ok bool) {
	text = strings.TrimSpace(text)
	if strings.Trim(text, "0123456789+-.eE") != "" { // the parser takes what programs write, too: 0x1p4, 1_000, inf
		return 0, false
	}
	n, err := strconv.ParseFloat(text, 64)
	return n, err == nil
}
