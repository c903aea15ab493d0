package sink

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Point is one point of line protocol.
type Point struct {
	Measurement string
	Tags        map[string]string
	// Fields hold float64, int64, uint64, bool and string.
	Fields map[string]any
	// Time is zero when the line had none.
	Time time.Time
}

// units are the factors of the precision parameter, v1 and v2 spellings.
var units = map[string]time.Duration{
	"": time.Nanosecond, "n": time.Nanosecond, "ns": time.Nanosecond, "u": time.Microsecond, "us": time.Microsecond,
	"ms": time.Millisecond, "s": time.Second, "m": time.Minute, "h": time.Hour,
}

// The characters that a backslash escapes, in a text field and in a key or tag value.
const (
	textSpecial = `"\`
	keySpecial  = ",= "
)

// ParseLines reads a body of line protocol. Empty lines and comments are
// skipped; the first bad line is the error.
func ParseLines(body, precision string) ([]Point, error) {
	unit, ok := units[precision]
	if !ok {
		return nil, fmt.Errorf("invalid precision %q", precision)
	}
	if !utf8.ValidString(body) {
		return nil, errors.New("the body is not UTF-8")
	}
	var out []Point
	for rest := body; rest != ""; {
		var line string
		line, rest = nextLine(strings.TrimLeft(rest, " \t\r\n"))
		if line == "" {
			continue
		}
		point, err := parseLine(line, unit)
		if err != nil {
			return out, fmt.Errorf("unable to parse '%.200s': %w", line, err)
		}
		out = append(out, point)
	}
	return out, nil
}

// nextLine splits off the first line of a body. A line feed in a quoted field value
// does not end the line; a comment is returned as an empty line.
func nextLine(body string) (line, rest string) {
	if strings.HasPrefix(body, "#") {
		_, rest, _ = strings.Cut(body, "\n")
		return "", rest
	}
	end := keyEnd(body)
	end += fieldsEnd(body[end:], '\n')
	line = strings.TrimRight(body[:end], " \t\r")
	return line, body[min(end+1, len(body)):]
}

// keyEnd returns where measurement and tags end. In the key a backslash before a
// separator escapes it, even if another backslash precedes that.
func keyEnd(text string) int {
	for i := range len(text) {
		if text[i] == '\n' || text[i] == ' ' && (i == 0 || text[i-1] != '\\') {
			return i
		}
	}
	return len(text)
}

// fieldsEnd returns the position of the first stop outside quotes. In the fields a
// backslash escapes the byte after it.
func fieldsEnd(text string, stop byte) int {
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case stop:
			return i
		case '\\':
			i++
		case '"':
			i += 1 + quoteEnd(text[i+1:])
		}
	}
	return len(text)
}

func parseLine(line string, unit time.Duration) (Point, error) {
	end := keyEnd(line)
	point, err := parseKey(line[:end])
	if err != nil {
		return Point{}, err
	}
	rest := strings.TrimLeft(line[end:], " ")
	end = fieldsEnd(rest, ' ')
	if point.Fields, err = parseFields(rest[:end]); err != nil {
		return Point{}, err
	}
	stamp := strings.TrimSpace(rest[end:])
	if stamp == "" {
		return point, nil
	}
	ticks, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil {
		return Point{}, errors.New("bad timestamp")
	}
	if ticks > math.MaxInt64/int64(unit) || ticks < math.MinInt64/int64(unit) {
		return Point{}, errors.New("time outside range")
	}
	point.Time = time.Unix(0, ticks*int64(unit)).UTC()
	return point, nil
}

// usualPairs is the initial capacity for the tags and the fields of a point.
const usualPairs = 16

func parseKey(text string) (Point, error) {
	measurement, rest, more := cutKey(text, ',')
	point := Point{Measurement: unescape(measurement, keySpecial), Tags: make(map[string]string, usualPairs)}
	if point.Measurement == "" {
		return Point{}, errors.New("missing measurement")
	}
	for more {
		var tag string
		tag, rest, more = cutKey(rest, ',')
		key, value, found := cutKey(tag, '=')
		if _, _, again := cutKey(value, '='); !found || again || key == "" || value == "" {
			return Point{}, errors.New("missing tag key or value")
		}
		key = unescape(key, keySpecial)
		if _, twice := point.Tags[key]; twice {
			return Point{}, fmt.Errorf("duplicate tag %q", key)
		}
		point.Tags[key] = unescape(value, keySpecial)
	}
	return point, nil
}

func parseFields(text string) (map[string]any, error) {
	fields := make(map[string]any, usualPairs)
	for {
		end := fieldsEnd(text, ',')
		key, value, found := strings.Cut(text[:end], "=")
		for found && strings.HasSuffix(key, `\`) {
			var more string
			more, value, found = strings.Cut(value, "=")
			key += "=" + more
		}
		if !found || key == "" || value == "" {
			return nil, errors.New("missing field key or value")
		}
		parsed, err := parseValue(value)
		if err != nil {
			return nil, err
		}
		fields[unescape(key, keySpecial)] = parsed
		if end == len(text) {
			return fields, nil
		}
		text = text[end+1:]
	}
}

func parseValue(text string) (any, error) {
	if text[0] == '"' {
		if closing := 1 + quoteEnd(text[1:]); closing != len(text)-1 {
			return nil, errors.New("unbalanced quotes")
		}
		return unescape(text[1:len(text)-1], textSpecial), nil
	}
	switch text {
	case "t", "T", "true", "True", "TRUE":
		return true, nil
	case "f", "F", "false", "False", "FALSE":
		return false, nil
	}
	if digits, isInt := strings.CutSuffix(text, "i"); isInt {
		return wrapNumber(strconv.ParseInt(digits, 10, 64))
	}
	if digits, isUint := strings.CutSuffix(text, "u"); isUint {
		return wrapNumber(strconv.ParseUint(digits, 10, 64))
	}
	if strings.ContainsAny(text, "xXpPnN_") { // forms that Go reads and InfluxDB does not
		return nil, fmt.Errorf("invalid number %q", text)
	}
	return wrapNumber(strconv.ParseFloat(text, 64))
}

func wrapNumber[T any](number T, err error) (any, error) {
	if err != nil {
		return nil, fmt.Errorf("invalid number: %w", err)
	}
	return number, nil
}

// quoteEnd returns the position of the quote that closes the quoted text.
func quoteEnd(text string) int {
	for from := 0; ; {
		i := strings.IndexByte(text[from:], '"')
		if i < 0 {
			return len(text)
		}
		i += from
		if !escaped(text[from:i]) {
			return i
		}
		from = i + 1
	}
}

// escaped reports whether a backslash at the end of text escapes the next byte.
func escaped(text string) bool {
	return (len(text)-len(strings.TrimRight(text, `\`)))%2 == 1
}

// cutKey cuts text at the first separator without a backslash before it.
func cutKey(text string, separator byte) (before, after string, found bool) {
	for from := 0; ; {
		i := strings.IndexByte(text[from:], separator)
		if i < 0 {
			return text, "", false
		}
		i += from
		if i == 0 || text[i-1] != '\\' {
			return text[:i], text[i+1:], true
		}
		from = i + 1
	}
}

// unescape removes the backslashes before special bytes.
func unescape(text, special string) string {
	at := strings.IndexByte(text, '\\')
	if at < 0 {
		return text
	}
	out := make([]byte, 0, len(text))
	for ; at >= 0 && at+1 < len(text); at = strings.IndexByte(text, '\\') {
		out = append(out, text[:at]...)
		text = text[at+1:]
		if strings.IndexByte(special, text[0]) < 0 {
			out = append(out, '\\')
			continue
		}
		out = append(out, text[0])
		text = text[1:]
	}
	return string(append(out, text...))
}
