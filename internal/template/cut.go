package template

import (
	"strings"

	"butler/internal/template/handlebars"
)

// Cutting text to the limit of a provider. The size of a text is the sum of weigh for its
// characters: for instance 1, or the length of the entity that a character is escaped to.
// Text is cut before it is escaped, so that no escape sequence is split.

// Marker replaces lines that were cut off.
const Marker = "---- cut here ----"

// Units returns the size of a character in UTF-16 units, which most providers count.
func Units(r rune) int {
	if r > 0xFFFF {
		return 2
	}
	return 1
}

// CutEnd returns s if its size is at most limit. Otherwise it returns the beginning of s
// with an ellipsis, with a total size of at most limit.
func CutEnd(s string, limit int, weigh func(rune) int) string {
	keep, whole := prefix(s, limit, limit-weigh('…'), weigh)
	if whole {
		return s
	}
	return s[:keep] + "…"
}

// CutLinesEnd is CutEnd for multi-line text, with Marker on a line of its own instead of
// the ellipsis. The characters of Marker count as 1.
func CutLinesEnd(s string, limit int, weigh func(rune) int) string {
	keep, whole := prefix(s, limit, limit-len(Marker)-1, weigh)
	if whole {
		return s
	}
	return strings.TrimRight(s[:keep], "\r\n") + "\n" + Marker
}

// LongTexts are the multi-line fields, with the functions that cut them: the head of a
// log keeps its beginning, its tail and the history keep their end.
var LongTexts = map[string]func(s string, limit int, weigh func(rune) int) string{
	"scriptLogHead":                CutLinesEnd,
	"scriptLogTail":                CutLinesStart,
	"executionHistory":             CutLinesStart,
	"executionDetailsConcatenated": CutLinesStart,
	"executionDetailsText":         CutLinesStart,
}

// CutLinesStart is CutLinesEnd that keeps the end of s and begins with Marker.
func CutLinesStart(s string, limit int, weigh func(rune) int) string {
	total := 0
	for _, r := range s {
		total += weigh(r)
	}
	if total <= limit {
		return s
	}
	room := limit - len(Marker) - 1
	for at, r := range s {
		if total <= room {
			return Marker + "\n" + strings.TrimLeft(s[at:], "\r\n")
		}
		total -= weigh(r)
	}
	return Marker
}

// CutTexts replaces every text in fields by its CutEnd.
func CutTexts(fields map[string]any, limit int, weigh func(rune) int) {
	MapTexts(fields, func(s string) string { return CutEnd(s, limit, weigh) })
}

// MapTexts replaces every text in fields by f of it, in place, at any depth.
func MapTexts(fields map[string]any, f func(string) string) {
	for name, v := range fields {
		fields[name] = mapText(v, f)
	}
}

func mapText(value any, f func(string) string) any {
	switch v := value.(type) {
	case string:
		if mapped := f(v); mapped != v {
			return mapped
		}
	case []any:
		for i := range v {
			v[i] = mapText(v[i], f)
		}
	case map[string]any:
		MapTexts(v, f)
	case handlebars.Named:
		MapTexts(v.Fields, f)
		return handlebars.Named{Text: f(v.Text), Fields: v.Fields}
	}
	return value // not v: converting a text to an interface again would allocate
}

// prefix returns len(s) and true if the size of s is at most limit. Otherwise it returns
// the length in bytes of the longest beginning of s with a size of at most room, and false.
func prefix(s string, limit, room int, weigh func(rune) int) (keep int, whole bool) {
	total := 0
	for at, r := range s {
		total += weigh(r)
		if total <= room {
			keep = at + len(string(r))
		}
		if total > limit {
			return keep, false
		}
	}
	return len(s), true
}
