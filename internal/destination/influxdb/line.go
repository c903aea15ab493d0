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

// point is one row of a measurement. A tag or field that is given twice is what it
// was given last.
type point struct {
	measurement string
	tags        []named[string]
	fields      []named[value]
	at          time.Time
}

// named is a tag or a field with the name that it was given, and the one that can be written.
type named[T any] struct {
	given, name string
	value       T
}

// value is what a field holds. Integers are never written: existing databases
// have floats, and a server refuses the other type.
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

// reset empties a point whose memory serves the next one.
func (p *point) reset() { *p = point{tags: p.tags[:0], fields: p.fields[:0]} }

// appendLine appends p in line protocol, with the line break at its end. Tags and
// fields are sorted, which they are in p, too, from then on. Empty tags and numbers
// that are none are left out; a point that has no field is no line.
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

// reservedTags are names that servers refuse or drop as a tag.
var reservedTags = []string{"time", "_field", "_measurement"}

// cleanTags returns the tags as they can be written, sorted, in the same memory.
func cleanTags(tags []named[string]) []named[string] {
	for i := range tags {
		t := &tags[i]
		t.name, t.value = cleanName(t.given), cleanName(t.value)
	}
	return unique(tags, func(t *named[string]) bool { return t.value != "" && !slices.Contains(reservedTags, t.name) })
}

// cleanFields returns the fields as they can be written, sorted, in the same memory.
func cleanFields(fields []named[value]) []named[value] {
	for i := range fields {
		fields[i].name = cleanName(fields[i].given)
	}
	return unique(fields, func(f *named[value]) bool { return !math.IsNaN(f.value.number) && !math.IsInf(f.value.number, 0) })
}

// unique sorts by name and leaves out what has none or cannot be written. Of what is
// given twice the last one counts. Of two that clean to one name only the one whose
// given name is the last is left, always the same one: a line with a name twice is refused.
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

// anyOf reports whether a byte of the text is special.
func (in *special) anyOf(text string) bool {
	for i := range len(text) {
		if in[text[i]] {
			return true
		}
	}
	return false
}

// What is special in a measurement, in the name of a tag or field or the value of a
// tag, in a text, and in a text of JSON.
var (
	inMeasurement = specialOf(", ")
	inKey         = specialOf(",= ")
	inText        = specialOf(`"\`)
	inJSON        = specialOf(`"\<>&`)
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
