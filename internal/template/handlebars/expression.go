package handlebars

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// operand is something that has a value.
type operand interface {
	value(r *run, s *scope) (any, error)
}

type (
	literal struct{ v any }
	// path refers to a value of this, of an outer scope (up), or of private data such as
	// @index (data).
	path struct {
		data  bool
		up    int
		parts []string
		// explicit means that the path begins with this, . or .. and so is not a helper.
		explicit bool
	}
	// call is the content of a tag or of parentheses: a helper with arguments, or a path.
	call struct {
		head *path
		// name is the head as written.
		name  string
		args  []operand
		named []namedArg
		line  int
	}
	namedArg struct {
		name  string
		value operand
	}
)

// simpleName returns the name of the call if it may be that of a helper, "" otherwise.
func (c *call) simpleName() string {
	if c.head.data || c.head.explicit || len(c.head.parts) != 1 {
		return ""
	}
	return c.head.parts[0]
}

// expression parses the content of one tag.
type expression struct {
	src   string
	pos   int
	line  int
	depth int
}

func parseCall(src string, line int) (*call, error) {
	c, params, err := parseOpening(src, line)
	if err == nil && params != nil {
		return nil, syntaxf(line, "only blocks have block parameters")
	}
	return c, err
}

// parseOpening parses a call with optional block parameters.
func parseOpening(src string, line int) (*call, []string, error) {
	e := &expression{src: src, line: line}
	c, err := e.call()
	if err != nil {
		return nil, nil, err
	}
	params, err := e.blockParams()
	if err != nil {
		return nil, nil, err
	}
	if e.peek() != 0 {
		return nil, nil, e.unexpected()
	}
	return c, params, nil
}

func parsePartial(t token) (*partial, error) {
	e := &expression{src: t.text, line: t.line}
	p := &partial{indent: t.indent, line: t.line, args: &call{line: t.line}}
	if e.peek() == '(' {
		sub, err := e.sub()
		if err != nil {
			return nil, err
		}
		p.dynamic = sub
	} else {
		head, name, err := e.head()
		if err != nil {
			return nil, err
		}
		if head.data {
			return nil, syntaxf(t.line, "partial %s is not supported", name)
		}
		p.name = name
	}
	if err := e.arguments(p.args); err != nil {
		return nil, err
	}
	if e.peek() != 0 {
		return nil, e.unexpected()
	}
	if len(p.args.args) > 1 {
		return nil, syntaxf(t.line, "a partial takes one context")
	}
	return p, nil
}

// peek skips white space and returns the next byte, 0 at the end.
func (e *expression) peek() byte {
	for e.pos < len(e.src) && isSpace(e.src[e.pos]) {
		e.pos++
	}
	if e.pos == len(e.src) {
		return 0
	}
	return e.src[e.pos]
}

func (e *expression) unexpected() error {
	if e.peek() == 0 {
		return syntaxf(e.line, "tag ends too early")
	}
	r, _ := utf8.DecodeRuneInString(e.src[e.pos:])
	return syntaxf(e.line, "unexpected %q in tag", r)
}

// call parses a head and its arguments.
func (e *expression) call() (*call, error) {
	head, name, err := e.head()
	if err != nil {
		return nil, err
	}
	c := &call{head: head, name: name, line: e.line}
	return c, e.arguments(c)
}

// head parses the name of a call, and returns it also as written. A literal is the name of
// a field.
func (e *expression) head() (*path, string, error) {
	e.peek()
	start := e.pos
	if lit, ok, err := e.literal(); err != nil || ok {
		name := toText(lit)
		if lit == nil {
			name = strings.TrimSpace(e.src[start:e.pos])
		}
		return &path{parts: []string{name}}, name, err
	}
	p, err := e.path()
	return p, e.src[start:e.pos], err
}

func (e *expression) arguments(c *call) error {
	for {
		switch b := e.peek(); {
		case b == 0, b == ')', e.atBlockParams():
			return nil
		}
		if name, ok := e.argumentName(); ok {
			v, err := e.operand()
			if err != nil {
				return err
			}
			c.named = append(c.named, namedArg{name, v})
			continue
		}
		if len(c.named) > 0 {
			return syntaxf(e.line, "an argument follows a named argument")
		}
		v, err := e.operand()
		if err != nil {
			return err
		}
		c.args = append(c.args, v)
	}
}

// argumentName parses "name =", if that is next.
func (e *expression) argumentName() (string, bool) {
	start := e.pos
	name := e.identifier()
	if name != "" && e.peek() == '=' {
		e.pos++
		return name, true
	}
	e.pos = start
	return "", false
}

func (e *expression) operand() (operand, error) {
	if e.peek() == '(' {
		return e.sub()
	}
	if v, ok, err := e.literal(); err != nil || ok {
		return literal{v}, err
	}
	return e.path()
}

// sub parses a call in parentheses.
func (e *expression) sub() (*call, error) {
	if e.depth++; e.depth > maxNesting {
		return nil, syntaxf(e.line, "parentheses are nested too deep")
	}
	e.pos++
	c, err := e.call()
	if err != nil {
		return nil, err
	}
	if e.peek() != ')' {
		return nil, e.unexpected()
	}
	e.pos++
	e.depth--
	return c, nil
}

// literal parses a quoted text, a number or a constant. It returns false if there is none.
func (e *expression) literal() (any, bool, error) {
	if quote := e.peek(); quote == '"' || quote == '\'' {
		end := closingQuote(e.src[e.pos+1:], quote)
		if end < 0 {
			return nil, false, syntaxf(e.line, "text in quotes is not closed")
		}
		raw := e.src[e.pos+1 : e.pos+1+end]
		e.pos += end + 2
		return strings.ReplaceAll(raw, `\`+string(quote), string(quote)), true, nil
	}
	end := strings.IndexAny(e.src[e.pos:], " \t\r\n)")
	if end < 0 {
		end = len(e.src) - e.pos
	}
	word := e.src[e.pos : e.pos+end]
	v, ok := constant(word)
	if ok {
		e.pos += end
	}
	return v, ok, nil
}

// constant returns the value of a word that is not a path: a number, boolean or null.
func constant(word string) (any, bool) {
	switch word {
	case "true":
		return true, true
	case "false":
		return false, true
	case "null", "undefined":
		return nil, true
	}
	if strings.Trim(word, "-.0123456789") != "" || strings.TrimLeft(word, "-.") == "" || word[0] == '.' {
		return nil, false
	}
	n, err := strconv.ParseFloat(word, 64)
	return n, err == nil
}

// path parses a.b, a/b, this.a, ./a, ../a, @a and a.[any text].
func (e *expression) path() (*path, error) {
	p := &path{}
	if e.peek() == '@' {
		p.data = true
		e.pos++
	}
	for first := true; ; first = false {
		if err := e.segment(p, first); err != nil {
			return nil, err
		}
		if e.pos == len(e.src) || e.src[e.pos] != '.' && e.src[e.pos] != '/' {
			return p, nil
		}
		e.pos++
	}
}

func (e *expression) segment(p *path, first bool) error {
	rest := e.src[e.pos:]
	switch {
	case strings.HasPrefix(rest, ".."):
		if len(p.parts) > 0 || (!first && p.up == 0) {
			return syntaxf(e.line, "../ is only allowed at the beginning of a path")
		}
		e.pos += 2
		p.up++
		p.explicit = true
		return nil
	case strings.HasPrefix(rest, "."):
		e.pos++
		p.explicit = true
		return nil
	case strings.HasPrefix(rest, "["):
		end := strings.IndexByte(rest, ']')
		if end < 0 {
			return syntaxf(e.line, "[ is not closed")
		}
		e.pos += end + 1
		p.parts = append(p.parts, rest[1:end])
		return nil
	}
	name := e.identifier()
	switch {
	case name == "":
		return e.unexpected()
	case name == "this" && len(p.parts) == 0 && !p.data:
		p.explicit = true
	default:
		p.parts = append(p.parts, name)
	}
	return nil
}

// notInIdentifier are the characters that end a name.
const notInIdentifier = " \t\r\n!\"#%&'()*+,./;<=>@[\\]^`{|}~"

func (e *expression) identifier() string {
	end := strings.IndexAny(e.src[e.pos:], notInIdentifier)
	if end < 0 {
		end = len(e.src) - e.pos
	}
	name := e.src[e.pos : e.pos+end]
	e.pos += end
	return name
}

// atBlockParams reports whether "as |" follows.
func (e *expression) atBlockParams() bool {
	rest, ok := strings.CutPrefix(e.src[e.pos:], "as")
	if !ok || rest == "" || !isSpace(rest[0]) {
		return false
	}
	return strings.HasPrefix(strings.TrimLeft(rest, " \t\r\n"), "|")
}

// blockParams parses "as |a b|". It returns nil if there are none.
func (e *expression) blockParams() ([]string, error) {
	if e.peek() == 0 || !e.atBlockParams() {
		return nil, nil
	}
	_, list, _ := strings.Cut(e.src[e.pos:], "|")
	list, rest, closed := strings.Cut(list, "|")
	names := strings.Fields(list)
	if !closed || len(names) == 0 {
		return nil, syntaxf(e.line, "block parameters are not closed or empty")
	}
	e.pos = len(e.src) - len(rest)
	return names, nil
}
