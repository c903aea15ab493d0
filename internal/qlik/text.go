package qlik

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Line makes untrusted text fit for one line of at most limit characters: no
// control characters, nothing that reorders the text around it.
func Line(s string, limit int) string { return clean(s, limit, "") }

// Prose is Line for text that may have several lines.
func Prose(s string, limit int) string { return clean(s, limit, "\n\t") }

func clean(s string, limit int, keep string) string {
	if !needsCleaning(s) {
		return Shorten(s, limit)
	}
	var b strings.Builder
	for _, r := range strings.ToValidUTF8(s, "\uFFFD") {
		switch {
		case strings.ContainsRune(keep, r):
			b.WriteRune(r)
		case r == '\n' || r == '\t':
			b.WriteByte(' ')
		case IsHostile(r):
		default:
			b.WriteRune(r)
		}
	}
	return Shorten(b.String(), limit)
}

func needsCleaning(s string) bool {
	return !utf8.ValidString(s) || strings.ContainsFunc(s, IsHostile)
}

// IsHostile reports whether r can do more to a reader than be read: control
// characters, line and paragraph separators, and what overrides the direction of text.
func IsHostile(r rune) bool {
	return unicode.IsControl(r) || r >= 0x2028 && r <= 0x202E || r >= 0x2066 && r <= 0x2069
}

// Shorten returns the first limit characters of s.
func Shorten(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	count := 0
	for i := range s {
		if count == limit {
			return s[:i]
		}
		count++
	}
	return s
}

// FirstBytes returns the beginning of s, at most limit bytes that end between two characters.
func FirstBytes(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	for limit > 0 && !utf8.RuneStart(s[limit]) {
		limit--
	}
	return s[:limit]
}
