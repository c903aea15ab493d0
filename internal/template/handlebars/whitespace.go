package handlebars

import "strings"

// trim is how much white space a tag removes from adjacent text.
type trim uint8

const (
	keepSpace trim = iota
	// trimLine removes the rest of the line of a tag that is alone on it: the indentation
	// and one line end.
	trimLine
	// trimAll removes all white space, as a tilde requests.
	trimAll
)

// stripWhitespace applies tildes and removes the lines on which a block tag, a partial or
// a comment is alone. All decisions are made with the original text, so that they do not
// depend on what other tags remove.
func stripWhitespace(tokens []token) {
	before := make([]trim, len(tokens)) // to be removed from the beginning of a text
	after := make([]trim, len(tokens))  // to be removed from the end of a text
	for i := range tokens {
		t := &tokens[i]
		if t.kind == textToken {
			continue
		}
		take := keepSpace
		if t.standsAlone() && lineStartsAt(tokens, i) && lineEndsAt(tokens, i) {
			take = trimLine
		}
		if i > 0 {
			if t.kind == partialToken && take == trimLine && !t.trimBefore {
				t.indent = indentation(tokens[i-1], before[i-1])
			}
			after[i-1] = max(after[i-1], take, tilde(t.trimBefore))
		}
		if i+1 < len(tokens) {
			before[i+1] = max(before[i+1], take, tilde(t.trimAfter))
		}
	}
	for i := range tokens {
		if tokens[i].kind == textToken {
			tokens[i].text = trimEnd(trimStart(tokens[i].text, before[i]), after[i])
		}
	}
}

func tilde(set bool) trim {
	if set {
		return trimAll
	}
	return keepSpace
}

// lineStartsAt reports whether only white space precedes token i on its line.
func lineStartsAt(tokens []token, i int) bool {
	if i == 0 {
		return true
	}
	prev := tokens[i-1]
	if prev.kind != textToken {
		return false
	}
	head, tail := cutLast(prev.text, '\n')
	return strings.TrimSpace(tail) == "" && (head || i == 1)
}

// lineEndsAt reports whether only white space follows token i on its line.
func lineEndsAt(tokens []token, i int) bool {
	if i == len(tokens)-1 {
		return true
	}
	next := tokens[i+1]
	if next.kind != textToken {
		return false
	}
	rest, _, ended := strings.Cut(next.text, "\n")
	return strings.TrimSpace(rest) == "" && (ended || i+1 == len(tokens)-1)
}

// cutLast returns the part of s after the last sep, or s if it does not contain sep.
func cutLast(s string, sep byte) (found bool, after string) {
	at := strings.LastIndexByte(s, sep)
	return at >= 0, s[at+1:]
}

// indentation returns the white space at the end of a text after taken was removed from
// its beginning: white space that the tilde of an earlier tag removes does not indent.
func indentation(t token, taken trim) string {
	if t.kind != textToken {
		return ""
	}
	left := trimStart(t.text, taken)
	return left[len(strings.TrimRight(left, " \t")):]
}

func trimStart(s string, how trim) string {
	switch how {
	case trimAll:
		return strings.TrimLeft(s, " \t\r\n\v\f")
	case trimLine:
		s = strings.TrimLeft(s, " \t")
		if rest, ok := strings.CutPrefix(s, "\r\n"); ok {
			return rest
		}
		return strings.TrimPrefix(s, "\n")
	default:
		return s
	}
}

func trimEnd(s string, how trim) string {
	switch how {
	case trimAll:
		return strings.TrimRight(s, " \t\r\n\v\f")
	case trimLine:
		return strings.TrimRight(s, " \t")
	default:
		return s
	}
}
