package influxdb

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"butler/internal/text"
)

// Limits of an InfluxDB server that a hostile or careless name could exceed:
// the series key has 65,535 bytes, a text field 65,536.
const (
	maxName  = 1000
	maxField = 65_000
)

// point is one row of a measurement.
type point struct {
	measurement string
	tags        map[string]string
	// fields are float64, string or bool. Integers are never written: existing
	// databases have floats, and a server refuses the other type.
	fields map[string]any
	at     time.Time
}

// composer writes points. What one needs serves the next: a batch has one.
type composer struct {
	// room is an empty point whenever one is made.
	room   point
	tags   []named[string]
	fields []named[any]
}

func newComposer() *composer { return &composer{room: newPoint()} }

// line appends p in line protocol, with the line break at its end. Tags and fields
// are sorted. Empty tags and numbers that are none are left out; a point that has no
// field is no line.
func (c *composer) line(dst []byte, p point) []byte {
	c.fields = cleanFields(c.fields[:0], p.fields)
	if len(c.fields) == 0 {
		return dst
	}
	c.tags = cleanTags(c.tags[:0], p.tags)
	dst = appendEscaped(dst, cleanName(p.measurement), inMeasurement)
	for _, t := range c.tags {
		dst = appendKey(append(dst, ','), t.name)
		dst = appendKey(append(dst, '='), t.value)
	}
	separator := byte(' ')
	for _, f := range c.fields {
		dst = appendKey(append(dst, separator), f.name)
		dst = appendValue(append(dst, '='), f.value)
		separator = ','
	}
	return append(strconv.AppendInt(append(dst, ' '), p.at.UnixNano(), 10), '\n')
}

// reservedTags are names that servers refuse or drop as a tag.
var reservedTags = []string{"time", "_field", "_measurement"}

// named is a tag or a field with a name that can be written, and the one that it was given.
type named[T any] struct {
	name, given string
	value       T
}

// cleanTags appends the tags as they can be written, sorted.
func cleanTags(out []named[string], tags map[string]string) []named[string] {
	for key, tag := range tags {
		name, value := cleanName(key), cleanName(tag)
		if name == "" || value == "" || slices.Contains(reservedTags, name) {
			continue
		}
		out = append(out, named[string]{name, key, value})
	}
	return unique(out)
}

// cleanFields appends the fields as they can be written, sorted.
func cleanFields(out []named[any], fields map[string]any) []named[any] {
	for key, value := range fields {
		number, isNumber := value.(float64)
		if isNumber && (math.IsNaN(number) || math.IsInf(number, 0)) {
			continue
		}
		if name := cleanName(key); name != "" {
			out = append(out, named[any]{name, key, value})
		}
	}
	return unique(out)
}

// unique sorts by name. Of two that clean to one name only the one whose given name
// is the last is left, always the same one: a line with a name twice is refused.
func unique[T any](list []named[T]) []named[T] {
	slices.SortFunc(list, func(a, b named[T]) int {
		if order := strings.Compare(a.name, b.name); order != 0 {
			return order
		}
		return strings.Compare(a.given, b.given)
	})
	out := list[:0]
	for i, n := range list {
		if i+1 == len(list) || list[i+1].name != n.name {
			out = append(out, n)
		}
	}
	return out
}

// cleanName makes a tag value, or the name of a tag or field, fit for a line: a
// line break, which would begin the next point, is a space, and a backslash at
// the end, which would escape what follows, is gone.
func cleanName(s string) string {
	if isClean(s) {
		return s
	}
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, valid(s))
	return strings.TrimRight(text.FirstBytes(s, maxName), `\`)
}

// isClean is the quick look at a name that is fit as it is, as nearly all are.
func isClean(s string) bool {
	if len(s) > maxName {
		return false
	}
	for i := range len(s) {
		if s[i] < ' ' || s[i] >= 0x7f {
			return false
		}
	}
	return !strings.HasSuffix(s, `\`)
}

// special says which bytes take a backslash before them.
type special [256]bool

func specialOf(text string) *special {
	var out special
	for i := range len(text) {
		out[text[i]] = true
	}
	return &out
}

// What is special in a measurement, in the name of a tag or field or the value of a
// tag, and in a text.
var (
	inMeasurement = specialOf(", ")
	inKey         = specialOf(",= ")
	inText        = specialOf(`"\`)
)

// appendKey appends the name of a tag or field, or the value of a tag.
func appendKey(dst []byte, s string) []byte { return appendEscaped(dst, s, inKey) }

// appendEscaped appends s with a backslash before each special byte.
func appendEscaped(dst []byte, s string, in *special) []byte {
	from := 0
	for i := range len(s) {
		if in[s[i]] {
			dst = append(append(dst, s[from:i]...), '\\')
			from = i
		}
	}
	return append(dst, s[from:]...)
}

func appendValue(dst []byte, value any) []byte {
	switch v := value.(type) {
	case float64:
		return strconv.AppendFloat(dst, v, 'f', -1, 64)
	case bool:
		return strconv.AppendBool(dst, v)
	case string:
		dst = appendEscaped(append(dst, '"'), text.FirstBytes(valid(v), maxField), inText)
		return append(dst, '"')
	}
	panic("BUG: a field of a point is neither number, text nor boolean")
}

// valid returns s with every byte that is no UTF-8 replaced.
func valid(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }

// cutFront returns the last bytes of s, at most limit of them, beginning between two characters.
func cutFront(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	s = s[len(s)-max(limit, 0):]
	for len(s) > 0 && !utf8.RuneStart(s[0]) {
		s = s[1:]
	}
	return s
}
