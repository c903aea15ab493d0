// Package topic owns what an MQTT topic may look like: the names that messages
// are published under, the filters that subscriptions ask for, and foreign text
// as one level of a name.
//
// It guarantees that a name or filter that passes is one that every broker takes.
// It must never know a connection.
package topic

import (
	"errors"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxBytes is the length that the protocol has room for.
const maxBytes = 65_535

// Check returns what keeps a text from being a name to publish under.
func Check(name string) error {
	if strings.ContainsAny(name, "+#") {
		return errors.New("holds + or #, which only a filter may")
	}
	return checkText(name)
}

// CheckFilter returns what keeps a text from being a filter to subscribe to.
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

// Matches reports whether a filter asks for what is published under a name. What
// begins with $ belongs to the broker and is not asked for by wildcards.
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
		return errors.New("is no UTF-8")
	case strings.ContainsFunc(s, unicode.IsControl):
		return errors.New("holds control characters")
	}
	return nil
}

// maxLevel bounds a level that is made of foreign text, in characters.
const maxLevel = 255

// Level makes one level of a name of any text: what would end the level, be a
// wildcard or cannot be in a name at all becomes an underscore. An empty text
// becomes one, too, so that a name always has the same number of levels.
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
