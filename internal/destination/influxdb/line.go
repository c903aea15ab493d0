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

// Limits in bytes, so that names and texts from outside stay within those of InfluxDB:
// 65,535 for a series key, 65,536 for a text field.
const (
	maxName  = 1000
	maxField = 65_000
)

// point is one row of a measurement. If a tag or field is set twice, the last value counts.
type point struct {
	measurement string
	tags        []named[string]
	fields      []named[value]
	at          time.Time
}

// named is a tag or field with the given name and, once cleaned, the name to write.
type named[T any] struct {
	given, name string
	value       T
}

// value is the value of a field. Integers are never written: the fields of existing
// databases are floats, and a server refuses a different type.
type value struct {
	kind   valueKind
	number float64
	text   string
}

type valueKind uint8

const (
	aNumber valueKind = iota
	aText
	aTruth
)

func (p *point) tag(name, value string) {
	p.tags = append(p.tags, named[string]{given: name, value: value})
}

func (p *point) number(name string, n float64) { p.field(name, value{kind: aNumber, number: n}) }

func (p *point) text(name, s string) { p.field(name, value{kind: aText, text: s}) }

func (p *point) truth(name string, is bool) {
	v := value{kind: aTruth}
	if is {
		v.number = 1
	}
	p.field(name, v)
}

func (p *point) field(name string, v value) {
	p.fields = append(p.fields, named[value]{given: name, value: v})
}

// reset empties p and keeps its memory.
func (p *point) reset() { *p = point{tags: p.tags[:0], fields: p.fields[:0]} }

// appendLine appends p in line protocol, including the line break. It cleans and sorts
// the tags and fields of p. Empty tags, NaN and infinite numbers are omitted; a point
// without a field is not written.
func (p *point) appendLine(dst []byte) []byte {
	if p.fields = cleanFields(p.fields); len(p.fields) == 0 {
		return dst
	}
	p.tags = cleanTags(p.tags)
	dst = appendEscaped(dst, cleanName(p.measurement), inMeasurement)
	for _, t := range p.tags {
		dst = appendKey(append(dst, ','), t.name)
		dst = appendKey(append(dst, '='), t.value)
	}
	separator := byte(' ')
	for _, f := range p.fields {
		dst = appendKey(append(dst, separator), f.name)
		dst = appendValue(append(dst, '='), f.value)
		separator = ','
	}
	return append(strconv.AppendInt(append(dst, ' '), p.at.UnixNano(), 10), '\n')
}

// reservedTags are tag names that servers refuse or drop.
var reservedTags = []string{"time", "_field", "_measurement"}

// cleanTags returns the tags that can be written, cleaned and sorted, in the same memory.
func cleanTags(tags []named[string]) []named[string] {
	for i := range tags {
		t := &tags[i]
		t.name, t.value = cleanName(t.given), cleanName(t.value)
	}
	return unique(tags, func(t *named[string]) bool { return t.value != "" && !slices.Contains(reservedTags, t.name) })
}

// cleanFields returns the fields that can be written, cleaned and sorted, in the same memory.
func cleanFields(fields []named[value]) []named[value] {
	for i := range fields {
		fields[i].name = cleanName(fields[i].given)
	}
	return unique(fields, func(f *named[value]) bool { return !math.IsNaN(f.value.number) && !math.IsInf(f.value.number, 0) })
}

// unique sorts list by name, in place, and drops elements without a name or that are not
// fit. A server refuses a line with duplicate names: of elements with the same given name
// the last is kept, and of different given names that are cleaned to the same name the
// one that sorts last, so that the result does not depend on their order.
func unique[T any](list []named[T], fit func(*named[T]) bool) []named[T] {
	slices.SortStableFunc(list, func(a, b named[T]) int {
		if order := strings.Compare(a.name, b.name); order != 0 {
			return order
		}
		return strings.Compare(a.given, b.given)
	})
	out := list[:0]
	for i := range list {
		n := &list[i]
		again := i+1 < len(list) && list[i+1].given == n.given
		if again || n.name == "" || !fit(n) {
			continue
		}
		if last := len(out) - 1; last >= 0 && out[last].name == n.name {
			out = out[:last]
		}
		out = append(out, *n)
	}
	return out
}

// cleanName returns a name or tag value in a form that is safe in a line: valid UTF-8 of
// at most maxName bytes, with spaces instead of control characters, because a line break
// would begin the next point, and without backslashes at the end, which would escape the
// following separator.
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

// isClean reports whether cleanName need not change s, without allocating. It is false
// for some clean names, for instance all that are not ASCII.
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

// special is the set of bytes that have to be escaped with a backslash.
type special [256]bool

func specialOf(text string) *special {
	var out special
	for i := range len(text) {
		out[text[i]] = true
	}
	return &out
}

// anyOf reports whether a byte of the text is special.
func (in *special) anyOf(text string) bool {
	for i := range len(text) {
		if in[text[i]] {
			return true
		}
	}
	return false
}

// The special bytes of a measurement, of names and tag values, and of a text field.
// inJSON are those that json.Marshal escapes.
var (
	inMeasurement = specialOf(", ")
	inKey         = specialOf(",= ")
	inText        = specialOf(`"\`)
	inJSON        = specialOf(`"\<>&`)
)

// appendKey appends the name of a tag or field or the value of a tag, escaped.
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

func appendValue(dst []byte, v value) []byte {
	switch v.kind {
	case aNumber:
		return strconv.AppendFloat(dst, v.number, 'f', -1, 64)
	case aTruth:
		return strconv.AppendBool(dst, v.number != 0)
	default:
		dst = appendEscaped(append(dst, '"'), text.FirstBytes(valid(v.text), maxField), inText)
		return append(dst, '"')
	}
}

// valid returns s with the replacement character in place of invalid UTF-8.
func valid(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }

// cutFront returns the end of s, at most limit bytes, without splitting a character.
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
