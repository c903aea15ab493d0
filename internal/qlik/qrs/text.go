package qrs

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Bounds of what is kept of a document: characters and entries.
const (
	maxName        = 500
	maxDescription = 4000
	maxStamp       = 64
	maxEntries     = 200
	maxDetails     = 500
)

// line makes untrusted text fit for one line of at most limit characters: no
// control characters, nothing that reorders the text around it.
func line(s string, limit int) string { return clean(s, limit, "") }

// prose is line for text that may have several lines.
func prose(s string, limit int) string { return clean(s, limit, "\n\t") }

func clean(s string, limit int, keep string) string {
	if !needsCleaning(s) {
		return shorten(s, limit)
	}
	var b strings.Builder
	for _, r := range strings.ToValidUTF8(s, "\uFFFD") {
		switch {
		case strings.ContainsRune(keep, r):
			b.WriteRune(r)
		case r == '\n' || r == '\t':
			b.WriteByte(' ')
		case isHostile(r):
		default:
			b.WriteRune(r)
		}
	}
	return shorten(b.String(), limit)
}

func needsCleaning(s string) bool {
	return !utf8.ValidString(s) || strings.ContainsFunc(s, isHostile)
}

// isHostile reports whether r can do more to a reader than be read: control
// characters, line and paragraph separators, and what overrides the direction of text.
func isHostile(r rune) bool {
	return unicode.IsControl(r) || r >= 0x2028 && r <= 0x202E || r >= 0x2066 && r <= 0x2069
}

// shorten returns the first limit characters of s.
func shorten(s string, limit int) string {
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
