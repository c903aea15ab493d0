// Package text owns what becomes of text that somebody else wrote before it is
// shown: it stays on its line, moves no cursor, turns nothing around, and ends.
//
// It guarantees that what it returns is valid UTF-8 wherever it looks at
// characters, and that text which needs nothing is returned as it is. It must
// never escape for a medium, which is its own to do, and never look for secrets.
package text

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

// Excerpt returns foreign text for a message: every run of white space is one
// space, control and format characters are gone, and it has at most limit
// characters, the last of which is an ellipsis where something was cut.
func Excerpt(s string, limit int) string {
	kept := strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case !unicode.IsGraphic(r) || r == unicode.ReplacementChar:
			return -1
		}
		return r
	}, s)
	runes := []rune(strings.Join(strings.Fields(kept), " "))
	if len(runes) > limit {
		runes = append(runes[:max(limit-1, 0)], '…')
	}
	return string(runes)
}

// Visible returns r, or a question mark for what cannot be printed: for text of
// which is to be seen that something is odd. Give it to strings.Map.
func Visible(r rune) rune {
	if unicode.IsPrint(r) {
		return r
	}
	return '?'
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
