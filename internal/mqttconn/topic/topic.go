// Package topic owns the syntax of MQTT topics: the names to publish to, the filters to
// subscribe to, and the conversion of arbitrary text to one level of a name.
//
// It guarantees that a name or filter that passes the checks is valid for every broker.
// It must never know a connection.
package topic

import (
	"errors"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	// maxBytes is the longest topic of the protocol.
	maxBytes = 65_535
	// maxSeparators is what Mosquitto takes; with more it ends the connection.
	maxSeparators = 200
)

// Check returns why a text is not a valid name to publish to, nil when it is.
func Check(name string) error {
	if strings.ContainsAny(name, "+#") {
		return errors.New("holds + or #, which only a filter may")
	}
	return checkText(name)
}

// CheckFilter returns why a text is not a valid filter to subscribe to, nil when it is.
func CheckFilter(filter string) error {
	levels := strings.Split(filter, "/")
	for i, level := range levels {
		if strings.ContainsAny(level, "+#") && len(level) > 1 {
			return errors.New("has a level with + or # beside something else")
		}
		if level == "#" && i < len(levels)-1 {
			return errors.New("has # before its end")
		}
	}
	return checkText(filter)
}

// Matches reports whether a filter matches a name. Names that begin with $ belong to the
// broker and are not matched by a wildcard.
func Matches(filter, name string) bool {
	if strings.HasPrefix(name, "$") && strings.ContainsAny(filter[:min(len(filter), 1)], "+#") {
		return false
	}
	levels := strings.Split(name, "/")
	for i, want := range strings.Split(filter, "/") {
		if want == "#" {
			return true
		}
		if i >= len(levels) || want != "+" && want != levels[i] {
			return false
		}
	}
	return strings.Count(filter, "/") == len(levels)-1
}

func checkText(s string) error {
	switch {
	case s == "":
		return errors.New("is empty")
	case len(s) > maxBytes:
		return errors.New("has more than 65,535 bytes")
	case !utf8.ValidString(s):
		return errors.New("is not valid UTF-8")
	case strings.ContainsFunc(s, unicode.IsControl):
		return errors.New("holds control characters")
	case strings.ContainsFunc(s, isNoncharacter):
		return errors.New("holds code points that are no characters")
	case strings.Count(s, "/") > maxSeparators:
		return errors.New("has too many levels")
	}
	return nil
}

// isNoncharacter reports whether Unicode has reserved a code point for ever. A broker may
// end the connection of a client that sends one; Mosquitto does.
func isNoncharacter(r rune) bool {
	return r&0xFFFE == 0xFFFE || r >= 0xFDD0 && r <= 0xFDEF
}

// maxLevel bounds a level that Level returns, in characters.
const maxLevel = 255

// Level converts any text to one level of a name. Separators, wildcards and invalid
// characters become underscores. An empty text becomes an underscore, too, so that the
// number of levels is always the same.
func Level(text string) string {
	level := []rune(strings.Map(func(r rune) rune {
		if strings.ContainsRune("/+#", r) || !unicode.IsGraphic(r) || r == utf8.RuneError {
			return '_'
		}
		return r
	}, text))
	if len(level) == 0 {
		return "_"
	}
	return string(level[:min(len(level), maxLevel)])
}
