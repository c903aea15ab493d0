// Package handlebars owns the language of message templates: it parses and renders
// Handlebars 4, so that existing templates of operators can be used.
//
// It guarantees a result or an error for any template and any data: the time of parsing
// is proportional to the source, rendering is bounded in steps, output and nesting, and
// nothing panics. A parsed Template never changes and can be rendered by several
// goroutines at once. Values that are missing in the data are empty text.
//
// It must never read a file, keep global state or start a goroutine. Blocks, partials,
// sub-expressions, block parameters, whitespace control and raw blocks are supported.
// Decorators, partial blocks and other helpers are refused with the number of the line.
package handlebars

import (
	"errors"
	"fmt"
	"strings"
)

// The limits of the language. Real templates are far below all of them.
const (
	// MaxSource is the maximum length of a template, in bytes.
	MaxSource = 512 << 10
	// MaxOutput is the maximum length of a rendered text, in bytes.
	MaxOutput = 1 << 20
	// maxNesting bounds blocks in blocks, sub-expressions and partials in partials.
	maxNesting = 64
	// maxSteps bounds the nodes that one rendering visits.
	maxSteps = 500_000
)

// byteOrderMark is at the beginning of files of some Windows editors.
const byteOrderMark = "\ufeff"

// ErrTooLarge is the error for a template that exceeds MaxSource, or whose rendering
// exceeds MaxOutput or the number of steps.
var ErrTooLarge = errors.New("template is too large or renders too much")

// Template is a parsed template. It is immutable and safe for concurrent use.
type Template struct {
	root *program
}

// Options are the options of Render.
type Options struct {
	// Escape turns a value into text for {{x}}; nil means EscapeHTML.
	Escape func(string) string
	// Raw turns a value into text for {{{x}}} and {{&x}}; nil means unchanged.
	Raw func(string) string
	// Partial returns the template of {{> name}}; nil means that there are none.
	Partial func(name string) (*Template, error)
}

// Named is an object that is also a text: {{stream}} renders Text, and {{stream.name}} a
// value of Fields. In conditions it is true if Text is not empty.
type Named struct {
	Text   string
	Fields map[string]any
}

// SyntaxError is a template that cannot be parsed or evaluated as written.
type SyntaxError struct {
	Line int
	Text string
}

func (e *SyntaxError) Error() string { return fmt.Sprintf("line %d: %s", e.Line, e.Text) }

func syntaxf(line int, format string, args ...any) error {
	return &SyntaxError{Line: line, Text: fmt.Sprintf(format, args...)}
}

// Parse parses a template. The error is a *SyntaxError or ErrTooLarge.
func Parse(source string) (*Template, error) {
	if len(source) > MaxSource {
		return nil, ErrTooLarge
	}
	tokens, err := scan(strings.TrimPrefix(source, byteOrderMark))
	if err != nil {
		return nil, err
	}
	stripWhitespace(tokens)
	p := &parser{tokens: tokens}
	root, err := p.program(0)
	if err != nil {
		return nil, err
	}
	if p.pos < len(tokens) {
		return nil, syntaxf(tokens[p.pos].line, "{{%s}} closes or continues no block", tokens[p.pos].shown())
	}
	return &Template{root: root}, nil
}

// Render evaluates the template. data consists of nil, bool, string, int, int32, int64,
// uint64, float64, []any, map[string]any and Named; other values are rendered as
// [object Object]. The error is a *SyntaxError or ErrTooLarge.
func (t *Template) Render(data any, o Options) (string, error) {
	if o.Escape == nil {
		o.Escape = EscapeHTML
	}
	if o.Raw == nil {
		o.Raw = func(s string) string { return s }
	}
	r := &run{options: o, root: data, out: &strings.Builder{}}
	if err := r.program(t.root, &scope{this: data, data: &frame{}}); err != nil {
		return "", err
	}
	return r.out.String(), nil
}

var htmlEntities = strings.NewReplacer(
	"&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;", "'", "&#x27;", "`", "&#x60;", "=", "&#x3D;",
)

// EscapeHTML replaces the seven characters that Handlebars escapes.
func EscapeHTML(s string) string { return htmlEntities.Replace(s) }
