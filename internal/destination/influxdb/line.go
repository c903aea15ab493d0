package influxdb

import (
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
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

// encode returns the line protocol of p, without a line break. Tags and fields
// are sorted. Empty tags and numbers that are none are left out; a point that
// has no field is no line.
func encode(p point) []byte {
	line := []byte(escapeMeasurement(p.measurement))
	tags := cleanTags(p.tags)
	for _, key := range slices.Sorted(maps.Keys(tags)) {
		line = append(line, ',')
		line = append(line, escapeKey(key)...)
		line = append(line, '=')
		line = append(line, escapeKey(tags[key])...)
	}
	fields := cleanFields(p.fields)
	if len(fields) == 0 {
		return nil
	}
	separator := byte(' ')
	for _, key := range slices.Sorted(maps.Keys(fields)) {
		line = append(line, separator)
		line = append(line, escapeKey(key)...)
		line = append(line, '=')
		line = appendValue(line, fields[key])
		separator = ','
	}
	line = append(line, ' ')
	return strconv.AppendInt(line, p.at.UnixNano(), 10)
}

// reservedTags are names that servers refuse or drop as a tag.
var reservedTags = []string{"time", "_field", "_measurement"}

// cleanTags returns the tags as they can be written. Two names that become one
// are one tag: a line with a name twice is refused.
func cleanTags(tags map[string]string) map[string]string {
	out := make(map[string]string, len(tags))
	for _, key := range slices.Sorted(maps.Keys(tags)) {
		name, value := cleanName(key), cleanName(tags[key])
		if name == "" || value == "" || slices.Contains(reservedTags, name) {
			continue
		}
		out[name] = value
	}
	return out
}

func cleanFields(fields map[string]any) map[string]any {
	out := make(map[string]any, len(fields))
	for _, key := range slices.Sorted(maps.Keys(fields)) { // of two that clean to one name, always the same wins
		value := fields[key]
		number, isNumber := value.(float64)
		if isNumber && (math.IsNaN(number) || math.IsInf(number, 0)) {
			continue
		}
		if name := cleanName(key); name != "" {
			out[name] = value
		}
	}
	return out
}

// cleanName makes a tag value, or the name of a tag or field, fit for a line: a
// line break, which would begin the next point, is a space, and a backslash at
// the end, which would escape what follows, is gone.
func cleanName(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, valid(s))
	return strings.TrimRight(cut(s, maxName), `\`)
}

var (
	keyEscaper         = strings.NewReplacer(",", `\,`, "=", `\=`, " ", `\ `)
	measurementEscaper = strings.NewReplacer(",", `\,`, " ", `\ `)
	stringEscaper      = strings.NewReplacer(`"`, `\"`, `\`, `\\`)
)

func escapeKey(s string) string         { return keyEscaper.Replace(s) }
func escapeMeasurement(s string) string { return measurementEscaper.Replace(cleanName(s)) }

func appendValue(dst []byte, value any) []byte {
	switch v := value.(type) {
	case float64:
		return strconv.AppendFloat(dst, v, 'f', -1, 64)
	case bool:
		return strconv.AppendBool(dst, v)
	case string:
		dst = append(dst, '"')
		dst = append(dst, stringEscaper.Replace(cut(valid(v), maxField))...)
		return append(dst, '"')
	}
	panic("BUG: a field of a point is neither number, text nor boolean")
}

// valid returns s with every byte that is no UTF-8 replaced.
func valid(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }

// cut returns the first bytes of s, at most limit of them, ending between two characters.
func cut(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	for limit > 0 && !utf8.RuneStart(s[limit]) {
		limit--
	}
	return s[:limit]
}

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
