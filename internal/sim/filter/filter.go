// Package filter owns the query language of the QRS: filter expressions, sort
// orders and property paths, as a caller writes them into a URL.
//
// It guarantees that an expression is checked against the document type before
// it is run - a property that does not exist is an error, as in the QRS - and
// that hostile text costs bounded time and stack. A property path through a list
// matches when any element does, separately for each comparison: two conditions on
// customProperties may be satisfied by two different properties.
//
// It must never know a document type by name; it reads JSON tags.
package filter

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"
)

// Limits of an expression. A longer or deeper one is an error.
const (
	MaxLength = 64 << 10
	MaxDepth  = 64
)

// SyntaxError is why an expression is refused. Offset is in bytes.
type SyntaxError struct {
	Offset int
	Reason string
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("malformed filter at offset %d: %s", e.Offset, e.Reason)
}

// Filter is a checked expression over documents of type T, a struct.
type Filter[T any] struct {
	root node
}

// Parse parses an expression. The filter of an empty text matches everything.
func Parse[T any](text string) (*Filter[T], error) {
	root, err := parse(text, reflect.TypeFor[T]())
	if err != nil {
		return nil, err
	}
	return &Filter[T]{root: root}, nil
}

// Match reports whether the document satisfies the filter.
func (f *Filter[T]) Match(document *T) bool {
	return f.root == nil || f.root.match(reflect.ValueOf(document).Elem())
}

// IDs returns the only identifiers that can match, in lower case and without
// repetition; false when the filter does not restrict the identifier. With them a
// store can fetch a few documents instead of trying all.
func (f *Filter[T]) IDs() ([]string, bool) {
	if f.root == nil {
		return nil, false
	}
	return f.root.ids()
}

// node is one part of an expression.
type node interface {
	match(document reflect.Value) bool
	ids() ([]string, bool)
}

type allOf []node

func (n allOf) match(document reflect.Value) bool {
	for _, part := range n {
		if !part.match(document) {
			return false
		}
	}
	return true
}

// ids returns the identifiers that every restricting part allows.
func (n allOf) ids() ([]string, bool) {
	var out []string
	narrowed := false
	for _, part := range n {
		ids, ok := part.ids()
		switch {
		case !ok:
		case !narrowed:
			out, narrowed = ids, true
		default:
			out = slices.DeleteFunc(slices.Clone(out), func(id string) bool { return !slices.Contains(ids, id) })
		}
	}
	return out, narrowed
}

type anyOf []node

func (n anyOf) match(document reflect.Value) bool {
	for _, part := range n {
		if part.match(document) {
			return true
		}
	}
	return false
}

// ids returns the identifiers of all parts, if every part restricts them.
func (n anyOf) ids() ([]string, bool) {
	var out []string
	seen := make(map[string]struct{})
	for _, part := range n {
		ids, ok := part.ids()
		if !ok {
			return nil, false
		}
		for _, id := range ids {
			if _, known := seen[id]; !known {
				seen[id] = struct{}{}
				out = append(out, id)
			}
		}
	}
	return out, true
}

type negation struct{ of node }

func (n negation) match(document reflect.Value) bool { return !n.of.match(document) }
func (n negation) ids() ([]string, bool)             { return nil, false }

// comparison is one path, one operator, one literal.
type comparison struct {
	path    path
	op      operator
	literal literal
}

// match reports whether any value at the path satisfies the operator; for ne, whether
// no value is equal.
func (c comparison) match(document reflect.Value) bool {
	if c.op == opNotEqual {
		return !c.path.anyOf(document, func(v reflect.Value) bool { return c.literal.compare(v) == 0 })
	}
	return c.path.anyOf(document, func(v reflect.Value) bool { return c.holds(v) })
}

func (c comparison) holds(v reflect.Value) bool {
	switch c.op {
	case opContains:
		return strings.Contains(v.String(), c.literal.text)
	case opStartsWith:
		return strings.HasPrefix(v.String(), c.literal.text)
	case opEndsWith:
		return strings.HasSuffix(v.String(), c.literal.text)
	case opEqual:
		return c.literal.compare(v) == 0
	case opNotEqual:
		return c.literal.compare(v) != 0
	case opGreater:
		return c.literal.compare(v) > 0
	case opGreaterEqual:
		return c.literal.compare(v) >= 0
	case opLess:
		return c.literal.compare(v) < 0
	case opLessEqual:
		return c.literal.compare(v) <= 0
	}
	return false
}

func (c comparison) ids() ([]string, bool) {
	if c.op != opEqual || !strings.EqualFold(c.path.text, "id") {
		return nil, false
	}
	return []string{strings.ToLower(c.literal.text)}, true
}

// property is the shorthand @Name for a custom property with that name and a value.
type property struct {
	list  path // customProperties
	name  path // definition.name, within an element
	value comparison
	want  string
}

func (p property) match(document reflect.Value) bool {
	return p.list.anyOf(document, func(element reflect.Value) bool {
		named := p.name.anyOf(element, func(v reflect.Value) bool { return v.String() == p.want })
		return named && p.value.match(element)
	})
}

func (p property) ids() ([]string, bool) { return nil, false }

// literal is the right-hand side of a comparison, in every type it can be read as.
type literal struct {
	text    string
	number  float64
	isNum   bool
	boolean bool
	isBool  bool
	date    time.Time
	isDate  bool
	isGUID  bool
}

// compare compares the document's value with the literal, like cmp.Compare.
func (l literal) compare(v reflect.Value) int {
	switch {
	case v.Kind() == reflect.Bool:
		return compareBools(v.Bool(), l.boolean)
	case v.CanInt():
		return cmp.Compare(float64(v.Int()), l.number)
	case v.CanFloat():
		return cmp.Compare(v.Float(), l.number)
	}
	return l.compareText(v.String())
}

func (l literal) compareText(text string) int {
	if l.isGUID && strings.EqualFold(text, l.text) {
		return 0
	}
	if l.isDate {
		if date, ok := parseDate(text); ok {
			return date.Compare(l.date)
		}
	}
	return strings.Compare(text, l.text)
}

func compareBools(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	default:
		return -1
	}
}

// dateLayouts are the forms of a date in a document or a filter.
var dateLayouts = [...]string{
	time.RFC3339Nano, "2006-01-02T15:04:05.999999999", "2006-01-02 15:04:05.999999999", "2006-01-02",
}

func parseDate(text string) (time.Time, bool) {
	if len(text) < len("2006-01-02") || text[4] != '-' {
		return time.Time{}, false
	}
	for _, layout := range dateLayouts {
		if date, err := time.Parse(layout, text); err == nil {
			return date, true
		}
	}
	return time.Time{}, false
}
