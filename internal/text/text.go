// Package text owns the sanitising of untrusted text before it is shown: it cannot
// break out of its line, move the cursor or reverse the direction of writing, and has a
// bounded length.
//
// It guarantees that Line, Prose and Excerpt return valid UTF-8, and that text which
// needs no change is returned as it is. It must never escape for a medium, which is up
// to the caller, and never look for secrets.
package text

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Line makes untrusted text safe to show on one line of at most limit characters: it
// removes control characters and those that reorder the text around them.
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

// Excerpt returns untrusted text for a message: every run of white space becomes one
// space, control and format characters are removed, and a longer text is cut to limit
// characters, the last of which is an ellipsis.
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

// Visible returns r, or a question mark if r cannot be printed, so that a reader sees
// that something is odd. It is for strings.Map.
func Visible(r rune) rune {
	if unicode.IsPrint(r) {
		return r
	}
	return '?'
}

// IsHostile reports whether r is a control character, a line or paragraph separator, or
// a character that overrides the direction of writing.
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

// Count returns a number with what is counted, such as "1 warning" or "2 warnings".
func Count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.Itoa(n) + " " + many
}

// FirstBytes returns at most the first limit bytes of s, cut between two characters.
func FirstBytes(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	for limit > 0 && !utf8.RuneStart(s[limit]) {
		limit--
	}
	return s[:limit]
}
