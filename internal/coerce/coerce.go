// Package coerce owns the conversion between JSON numbers and texts where a client
// sends one and the other is expected: load scripts send every value as text.
//
// It guarantees that a number reads the same however it is written, and that a whole
// number keeps all its digits. It must never guess: a text that is not a plain decimal
// number is refused.
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
	return strconv.FormatFloat(n+0, 'f', -1, 64) // adding 0 turns -0 into 0
}

// Number parses a finite decimal number, with or without an exponent and with or
// without space around it.
func Number(text string) (n float64, ok bool) {
	text = strings.TrimSpace(text)
	if strings.Trim(text, "0123456789+-.eE") != "" { // ParseFloat would also accept 0x1p4, 1_000 and inf
		return 0, false
	}
	n, err := strconv.ParseFloat(text, 64)
	return n, err == nil
}
