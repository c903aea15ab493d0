package api

import "unicode/utf8"

// textObject parses a JSON object whose members are all strings without escapes,
// as load scripts send them, and reports whether raw is one. All other JSON is left
// to encoding/json, which takes five times as long: a tenth of a put to the
// key-value store.
func textObject(raw []byte) (map[string]any, bool) {
	rest, ok := after(raw, '{')
	if !ok || !utf8.Valid(raw) {
		return nil, false
	}
	members := map[string]any{}
	if rest, end := after(rest, '}'); end {
		return members, len(unspaced(rest)) == 0
	}
	for more := true; more; {
		var name, value string
		if name, rest, ok = plainText(rest); !ok {
			return nil, false
		}
		if rest, ok = after(rest, ':'); !ok {
			return nil, false
		}
		if value, rest, ok = plainText(rest); !ok {
			return nil, false
		}
		members[name] = value
		rest, more = after(rest, ',')
	}
	rest, ok = after(rest, '}')
	return members, ok && len(unspaced(rest)) == 0
}

// plainText parses a string without escapes at the start of b.
func plainText(b []byte) (text string, rest []byte, ok bool) {
	if b, ok = after(b, '"'); !ok {
		return "", nil, false
	}
	for i, c := range b {
		switch {
		case c == '"':
			return string(b[:i]), b[i+1:], true
		case c == '\\', c < ' ':
			return "", nil, false
		}
	}
	return "", nil, false
}

// after returns what follows sign at the start of b, and b itself when something
// else is there. Space before the sign is skipped.
func after(b []byte, sign byte) (rest []byte, ok bool) {
	if next := unspaced(b); len(next) > 0 && next[0] == sign {
		return next[1:], true
	}
	return b, false
}

// unspaced returns b without leading JSON whitespace.
func unspaced(b []byte) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\t' || b[0] == '\r' || b[0] == '\n') {
		b = b[1:]
	}
	return b
}
