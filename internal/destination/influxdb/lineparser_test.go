package influxdb

import (
	"fmt"
	"strconv"
	"strings"
)

// parsed is a line as a server reads it. The parser is written from the
// documentation of the protocol, so that the encoder is not tested with itself.
type parsed struct {
	Measurement string
	Tags        map[string]string
	Fields      map[string]any
	Time        int64
}

// parseLines reads a body; every line break outside of a quoted text ends a point.
func parseLines(body string) ([]parsed, error) {
	var out []parsed
	for rest := body; rest != ""; {
		p, after, err := parseLine(rest)
		if err != nil {
			return nil, fmt.Errorf("%w in %.200q", err, rest)
		}
		out = append(out, p)
		rest = strings.TrimPrefix(after, "\n")
	}
	return out, nil
}

func parseLine(s string) (parsed, string, error) {
	p := parsed{Tags: map[string]string{}, Fields: map[string]any{}}
	p.Measurement, s = word(s, ", ")
	for strings.HasPrefix(s, ",") {
		var key, value string
		key, s = word(s[1:], "=, \n")
		if !strings.HasPrefix(s, "=") {
			return p, s, fmt.Errorf("tag %q has no value", key)
		}
		value, s = word(s[1:], "=, \n")
		if key == "" || value == "" || strings.HasPrefix(s, "=") {
			return p, s, fmt.Errorf("tag %q=%q is malformed", key, value)
		}
		if _, twice := p.Tags[key]; twice {
			return p, s, fmt.Errorf("tag %q stands twice", key)
		}
		p.Tags[key] = value
	}
	if !strings.HasPrefix(s, " ") {
		return p, s, fmt.Errorf("no fields")
	}
	for separator := " "; strings.HasPrefix(s, separator); separator = "," {
		var key string
		key, s = word(s[1:], "=, \n")
		if key == "" || !strings.HasPrefix(s, "=") {
			return p, s, fmt.Errorf("field %q has no value", key)
		}
		value, rest, err := fieldValue(s[1:])
		if err != nil {
			return p, s, err
		}
		if _, twice := p.Fields[key]; twice {
			return p, s, fmt.Errorf("field %q stands twice", key)
		}
		p.Fields[key], s = value, rest
	}
	if !strings.HasPrefix(s, " ") {
		return p, s, fmt.Errorf("no timestamp")
	}
	stamp, rest := word(s[1:], "\n")
	at, err := strconv.ParseInt(stamp, 10, 64)
	p.Time = at
	return p, rest, err
}

// word reads up to an unescaped byte of ends; a backslash before one of comma, equals and space is an escape.
func word(s, ends string) (string, string) {
	var out strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\\' && i+1 < len(s) && strings.IndexByte(",= ", s[i+1]) >= 0:
			i++
			out.WriteByte(s[i])
		case strings.IndexByte(ends, s[i]) >= 0:
			return out.String(), s[i:]
		default:
			out.WriteByte(s[i])
		}
	}
	return out.String(), ""
}

func fieldValue(s string) (any, string, error) {
	if !strings.HasPrefix(s, `"`) {
		text, rest := word(s, ", \n")
		if text == "true" || text == "false" {
			return text == "true", rest, nil
		}
		number, err := strconv.ParseFloat(text, 64)
		return number, rest, err
	}
	var out strings.Builder
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == '\\' && i+1 < len(s) && (s[i+1] == '"' || s[i+1] == '\\'):
			i++
			out.WriteByte(s[i])
		case s[i] == '"':
			return out.String(), s[i+1:], nil
		default:
			out.WriteByte(s[i])
		}
	}
	return nil, "", fmt.Errorf("text without an end")
}
