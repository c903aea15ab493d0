package qrs

import (
	"bytes"
	"encoding/json"
)

// cursor reads JSON in one pass, and accepts what package encoding/json accepts. It sets
// bad at a syntax error; everything that was read is invalid then. The zero value with a
// text is at its beginning.
type cursor struct {
	text  []byte
	at    int
	depth int
	bad   bool
}

// maxDepth bounds arrays and objects within each other, as encoding/json does.
const maxDepth = 10_000

// next returns the next byte that is not space, without passing it; 0 at the end.
func (c *cursor) next() byte {
	for ; c.at < len(c.text); c.at++ {
		switch b := c.text[c.at]; b {
		case ' ', '\t', '\r', '\n':
		default:
			return b
		}
	}
	return 0
}

// pass consumes a byte, which has to be next.
func (c *cursor) pass(b byte) {
	if c.next() != b {
		c.fail()
		return
	}
	c.at++
}

// fail ends the reading at a syntax error.
func (c *cursor) fail() { c.bad, c.at = true, len(c.text) }

// each calls do before each part of what opens and closes with these bytes; do
// has to read that part.
func (c *cursor) each(opens, closes byte, do func()) {
	c.pass(opens)
	if c.depth++; c.depth > maxDepth {
		c.fail()
	}
	for first := true; !c.bad && (c.next() != closes || !first); first = false {
		if do(); c.next() != ',' {
			break
		}
		c.at++
	}
	c.depth--
	c.pass(closes)
}

// members calls do before the value of each member of an object; do has to read
// the value. A value of another kind is read and has none.
func (c *cursor) members(do func(key []byte)) {
	if c.next() != '{' {
		c.value()
		return
	}
	c.each('{', '}', func() {
		if key := c.key(); !c.bad {
			do(unquoted(key))
		}
	})
}

// key reads the name of a member and what stands between it and its value.
func (c *cursor) key() []byte {
	if c.next() != '"' {
		c.fail()
		return nil
	}
	key := c.value()
	c.pass(':')
	return key
}

// elements calls do before each element of an array; do has to read it. A value
// of another kind is read and has none.
func (c *cursor) elements(do func()) {
	if c.next() != '[' {
		c.value()
		return
	}
	c.each('[', ']', do)
}

// unquoted returns the value of a JSON string.
func unquoted(raw []byte) []byte {
	if isPlain(raw) {
		return raw[1 : len(raw)-1]
	}
	var s string
	_ = json.Unmarshal(raw, &s) // the cursor has found that it is a string
	return []byte(s)
}

// value reads one value of any kind and returns it as it is written.
func (c *cursor) value() []byte {
	first := c.next()
	from := c.at
	switch {
	case first == '"':
		c.quoted()
	case first == '{':
		c.each('{', '}', func() { c.key(); c.value() })
	case first == '[':
		c.each('[', ']', func() { c.value() })
	case first == '-' || isDigit(first):
		c.number()
	default:
		c.word()
	}
	if c.bad {
		return []byte("null")
	}
	return c.text[from:c.at]
}

// quoted reads a string.
func (c *cursor) quoted() {
	for c.at++; c.at < len(c.text); c.at++ {
		switch b := c.text[c.at]; {
		case b == '"':
			c.at++
			return
		case b == '\\':
			c.escape()
		case b < ' ':
			c.fail()
		}
	}
	c.fail()
}

// escape reads what follows a backslash, but for its last byte.
func (c *cursor) escape() {
	if c.at++; c.at >= len(c.text) {
		c.fail()
		return
	}
	switch c.text[c.at] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
	case 'u':
		for range 4 {
			if c.at++; c.at >= len(c.text) || !isHex(c.text[c.at]) {
				c.fail()
				return
			}
		}
	default:
		c.fail()
	}
}

func isDigit(b byte) bool { return b-'0' <= 9 }

func isHex(b byte) bool { return isDigit(b) || b|0x20 >= 'a' && b|0x20 <= 'f' }

// number reads a number.
func (c *cursor) number() {
	if c.text[c.at] == '-' {
		c.at++
	}
	if whole := c.digits(); whole > 1 && c.text[c.at-whole] == '0' {
		c.fail() // a leading zero
	}
	if c.at < len(c.text) && c.text[c.at] == '.' {
		c.at++
		c.digits()
	}
	if c.at < len(c.text) && c.text[c.at]|0x20 == 'e' {
		if c.at++; c.at < len(c.text) && (c.text[c.at] == '+' || c.text[c.at] == '-') {
			c.at++
		}
		c.digits()
	}
}

// digits reads digits, at least one, and returns how many there were.
func (c *cursor) digits() int {
	from := c.at
	for c.at < len(c.text) && isDigit(c.text[c.at]) {
		c.at++
	}
	if c.at == from {
		c.fail()
	}
	return c.at - from
}

var words = [][]byte{[]byte("null"), []byte("true"), []byte("false")}

// word reads true, false or null.
func (c *cursor) word() {
	for _, word := range words {
		if bytes.HasPrefix(c.text[c.at:], word) {
			c.at += len(word)
			return
		}
	}
	c.fail()
}
