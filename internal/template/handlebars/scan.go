package handlebars

import "strings"

// tokenKind is the kind of a token.
type tokenKind uint8

const (
	textToken     tokenKind = iota
	commentToken            // {{! }} and {{!-- --}}
	outputToken             // {{x}}
	rawToken                // {{{x}}} and {{&x}}
	openToken               // {{#x}}
	invertToken             // {{^x}}
	elseToken               // {{else}} and {{^}}
	elseOpenToken           // {{else x}}
	closeToken              // {{/x}}
	partialToken            // {{> x}}
	verbatimToken           // {{{{x}}}} with everything up to {{{{/x}}}}
)

// token is a part of the source: literal text, or one tag.
type token struct {
	kind tokenKind
	// text is the literal text, or the content of the tag without braces and sigil.
	text string
	// body is the content of a raw block.
	body string
	line int
	// trimBefore and trimAfter report the tildes of the tag.
	trimBefore, trimAfter bool
	// indent is the white space before a partial that is alone on its line.
	indent string
}

// standsAlone reports whether the line of the tag is removed if nothing else is on it.
func (t token) standsAlone() bool {
	return t.kind != textToken && t.kind != outputToken && t.kind != rawToken
}

// shown returns the tag for an error message.
func (t token) shown() string {
	switch t.kind {
	case elseToken, elseOpenToken:
		return strings.TrimSpace("else " + t.text)
	case closeToken:
		return "/" + t.text
	default:
		return t.text
	}
}

// scanner splits a source into tokens.
type scanner struct {
	src    string
	pos    int
	line   int
	tokens []token
}

func scan(source string) ([]token, error) {
	s := &scanner{src: source, line: 1}
	for s.pos < len(s.src) {
		s.literal()
		if s.pos >= len(s.src) {
			break
		}
		if err := s.tag(); err != nil {
			return nil, err
		}
	}
	return s.tokens, nil
}

// literal scans text up to the next tag. A backslash before {{ makes the braces part of
// the text; two backslashes are one, followed by a tag.
func (s *scanner) literal() {
	var text strings.Builder
	line := s.line
	for {
		at := strings.Index(s.src[s.pos:], "{{")
		if at < 0 {
			text.WriteString(s.take(len(s.src) - s.pos))
			break
		}
		before := s.take(at)
		if strings.HasSuffix(before, `\\`) {
			text.WriteString(before[:len(before)-1])
			break
		}
		if !strings.HasSuffix(before, `\`) {
			text.WriteString(before)
			break
		}
		text.WriteString(before[:len(before)-1])
		text.WriteString(s.take(2))
	}
	if text.Len() > 0 {
		s.tokens = append(s.tokens, token{kind: textToken, text: text.String(), line: line})
	}
}

// take consumes n bytes and counts line breaks.
func (s *scanner) take(n int) string {
	out := s.src[s.pos : s.pos+n]
	s.pos += n
	s.line += strings.Count(out, "\n")
	return out
}

func (s *scanner) starts(prefix string) bool { return strings.HasPrefix(s.src[s.pos:], prefix) }

// tag scans one tag. The position is at {{.
func (s *scanner) tag() error {
	t := token{line: s.line}
	if s.starts("{{{{") {
		return s.verbatim(t)
	}
	s.take(2)
	if s.starts("~") {
		t.trimBefore = true
		s.take(1)
	}
	switch {
	case s.starts("!--"):
		return s.comment(t, 3, "--")
	case s.starts("!"):
		return s.comment(t, 1, "")
	case s.starts("{"):
		s.take(1)
		t.kind = rawToken
		return s.inside(t, "}")
	}
	t.kind = outputToken
	if s.pos < len(s.src) {
		if kind, ok := sigils[s.src[s.pos]]; ok {
			t.kind = kind
			s.take(1)
		}
	}
	return s.inside(t, "")
}

// sigils are the characters after {{ that determine the kind of a tag.
var sigils = map[byte]tokenKind{'#': openToken, '^': invertToken, '/': closeToken, '>': partialToken, '&': rawToken}

// comment scans a comment that begins with open bytes, such as !--, and ends with dashes
// and }}.
func (s *scanner) comment(t token, open int, dashes string) error {
	s.take(open)
	for offset := 0; ; {
		at := strings.Index(s.src[s.pos+offset:], dashes)
		if at < 0 {
			return syntaxf(t.line, "comment is not closed")
		}
		offset += at
		rest := s.src[s.pos+offset+len(dashes):]
		if dashes == "" {
			// It ends with the first }}, with or without a tilde before it.
			end := strings.Index(rest, "}}")
			if end < 0 {
				return syntaxf(t.line, "comment is not closed")
			}
			t.trimAfter = end > 0 && rest[end-1] == '~'
			s.take(offset + end + 2)
			break
		}
		if strings.HasPrefix(rest, "}}") || strings.HasPrefix(rest, "~}}") {
			t.trimAfter = rest[0] == '~'
			s.take(offset + len(dashes) + strings.Index(rest, "}}") + 2)
			break
		}
		offset++
	}
	t.kind = commentToken
	s.tokens = append(s.tokens, t)
	return nil
}

// inside scans an expression up to the closing braces extra + "}}", except those in
// strings and [segments].
func (s *scanner) inside(t token, extra string) error {
	for i := s.pos; i < len(s.src); i++ {
		switch c := s.src[i]; c {
		case '"', '\'':
			end := closingQuote(s.src[i+1:], c)
			if end < 0 {
				return syntaxf(t.line, "text in quotes is not closed")
			}
			i += end + 1
		case '[':
			end := strings.IndexByte(s.src[i:], ']')
			if end < 0 {
				return syntaxf(t.line, "[ is not closed")
			}
			i += end
		case '}', '~':
			for _, tilde := range []string{"", "~"} {
				if closing := extra + tilde + "}}"; strings.HasPrefix(s.src[i:], closing) {
					t.text = strings.TrimSpace(s.take(i - s.pos))
					t.trimAfter = tilde != ""
					s.take(len(closing))
					return s.emit(t)
				}
			}
			return syntaxf(t.line, "unexpected %q in tag", c)
		case '{':
			return syntaxf(t.line, "tag is not closed")
		}
	}
	return syntaxf(t.line, "tag is not closed")
}

// closingQuote returns the index of the closing quote, -1 if there is none. A quote after a
// backslash is part of the text.
func closingQuote(s string, quote byte) int {
	for i := range len(s) {
		if s[i] == quote && (i == 0 || s[i-1] != '\\') {
			return i
		}
	}
	return -1
}

// emit adds the token of a tag, after it has recognised the forms of else and refused
// unsupported ones.
func (s *scanner) emit(t token) error {
	switch {
	case strings.HasPrefix(t.text, "*"), t.kind == partialToken && t.text == "":
		return syntaxf(t.line, "%q is not supported", t.text)
	case t.kind == openToken && strings.HasPrefix(t.text, ">"):
		return syntaxf(t.line, "partial blocks are not supported")
	case t.kind == invertToken && t.text == "", t.kind == outputToken && t.text == "else":
		t.kind, t.text = elseToken, ""
	case t.kind == outputToken && strings.HasPrefix(t.text, "else") && isSpace(t.text[4]):
		t.kind, t.text = elseOpenToken, strings.TrimSpace(t.text[4:])
	}
	s.tokens = append(s.tokens, t)
	return nil
}

// verbatim scans a raw block: {{{{name ...}}}} text {{{{/name}}}}.
func (s *scanner) verbatim(t token) error {
	s.take(4)
	end := strings.Index(s.src[s.pos:], "}}}}")
	if end < 0 {
		return syntaxf(t.line, "raw block is not opened properly")
	}
	t.kind, t.text = verbatimToken, strings.TrimSpace(s.take(end))
	s.take(4)
	name, _, _ := strings.Cut(t.text, " ")
	closing := "{{{{/" + name + "}}}}"
	end = strings.Index(s.src[s.pos:], closing)
	if name == "" || end < 0 {
		return syntaxf(t.line, "raw block %q is not closed", name)
	}
	t.body = s.take(end)
	s.take(len(closing))
	s.tokens = append(s.tokens, t)
	return nil
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }
