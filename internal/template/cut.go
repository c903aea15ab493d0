package template

import (
	"strings"

	"butler/internal/template/handlebars"
)

// Cutting text for a provider's limit. A limit counts what weigh says of each
// character: one, or the length of the entity that it becomes. Text is cut
// before it is escaped, so that a cut never splits an escape.

// Marker stands where something was cut off.
const Marker = "---- cut here ----"

// Units weighs a character as most providers count it: in UTF-16 units.
func Units(r rune) int {
	if r > 0xFFFF {
		return 2
	}
	return 1
}

// CutEnd keeps the beginning of s. What stays, with an ellipsis in place of the rest, weighs at most limit.
func CutEnd(s string, limit int, weigh func(rune) int) string {
	keep, whole := prefix(s, limit, limit-weigh('…'), weigh)
	if whole {
		return s
	}
	return s[:keep] + "…"
}

// CutLinesEnd keeps the beginning of s and ends it with a line that says so.
func CutLinesEnd(s string, limit int, weigh func(rune) int) string {
	keep, whole := prefix(s, limit, limit-len(Marker)-1, weigh)
	if whole {
		return s
	}
	return strings.TrimRight(s[:keep], "\r\n") + "\n" + Marker
}

// CutLinesStart keeps the end of s and begins it with a line that says so.
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

// CutTexts cuts the end off every text in fields that weighs more than limit.
func CutTexts(fields map[string]any, limit int, weigh func(rune) int) {
	MapTexts(fields, func(s string) string { return CutEnd(s, limit, weigh) })
}

// MapTexts replaces every text in fields, however deep, by what f makes of it.
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
	return value // as it was: to wrap a text again would be memory for every field of every message
}

// prefix returns how many bytes of s weigh at most room, and whether all of s weighs at most limit.
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
