package filter

import "strings"

type tokenKind uint8

const (
	tokenWord tokenKind = iota
	tokenString
	tokenOpen
	tokenClose
)

// token is one lexical unit; the text of a string is without its quotes.
type token struct {
	kind   tokenKind
	text   string
	offset int
}

// scan splits an expression into words, quoted strings and parentheses.
func scan(text string) ([]token, error) {
	var out []token
	for at := 0; at < len(text); {
		switch c := text[at]; {
		case isSpace(c):
			at++
		case c == '(':
			out = append(out, token{kind: tokenOpen, text: "(", offset: at})
			at++
		case c == ')':
			out = append(out, token{kind: tokenClose, text: ")", offset: at})
			at++
		case c == '\'':
			content, length, ok := quoted(text[at:])
			if !ok {
				return nil, &SyntaxError{Offset: at, Reason: "a quote is not closed"}
			}
			out = append(out, token{kind: tokenString, text: content, offset: at})
			at += length
		default:
			end := at
			for end < len(text) && !isSpace(text[end]) && !strings.ContainsRune("()'", rune(text[end])) {
				end++
			}
			out = append(out, token{kind: tokenWord, text: text[at:end], offset: at})
			at = end
		}
	}
	return out, nil
}

// quoted scans a string that starts with a quote; a doubled quote is a literal one.
func quoted(text string) (content string, length int, ok bool) {
	var b strings.Builder
	for at := 1; at < len(text); at++ {
		if text[at] != '\'' {
			b.WriteByte(text[at])
			continue
		}
		if at+1 < len(text) && text[at+1] == '\'' {
			b.WriteByte('\'')
			at++
			continue
		}
		return b.String(), at + 1, true
	}
	return "", 0, false
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\n' }
