package filter

import (
	"fmt"
	"reflect"
	"strings"
)

// path is a property path, resolved to struct fields.
type path struct {
	text  string
	steps []int
	leaf  reflect.Type
}

// resolve resolves a dotted path in a document type, ignoring case.
func resolve(document reflect.Type, text string) (path, error) {
	p := path{text: text, leaf: document}
	for name := range strings.SplitSeq(text, ".") {
		index, ok := fieldNamed(element(p.leaf), name)
		if !ok {
			return path{}, fmt.Errorf("there is no property %q", text)
		}
		p.leaf = element(p.leaf).Field(index).Type
		p.steps = append(p.steps, index)
	}
	p.leaf = element(p.leaf)
	return p, nil
}

// scalar reports whether the path ends at something that can be compared.
func (p path) scalar() bool {
	switch p.leaf.Kind() {
	case reflect.String, reflect.Bool, reflect.Int, reflect.Int64, reflect.Float64:
		return true
	default:
		return false
	}
}

// anyOf reports whether want holds for any value the path leads to.
func (p path) anyOf(document reflect.Value, want func(reflect.Value) bool) bool {
	return follow(document, p.steps, want)
}

func follow(v reflect.Value, steps []int, want func(reflect.Value) bool) bool {
	switch v.Kind() {
	case reflect.Pointer:
		return !v.IsNil() && follow(v.Elem(), steps, want)
	case reflect.Slice:
		for i := range v.Len() {
			if follow(v.Index(i), steps, want) {
				return true
			}
		}
		return false
	default:
		return len(steps) == 0 && want(v) || len(steps) > 0 && follow(v.Field(steps[0]), steps[1:], want)
	}
}

// element returns the type behind pointers and lists.
func element(t reflect.Type) reflect.Type {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	return t
}

func fieldNamed(t reflect.Type, name string) (int, bool) {
	if t.Kind() != reflect.Struct {
		return 0, false
	}
	for i := range t.NumField() {
		tag, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		if tag != "" && tag != "-" && strings.EqualFold(tag, name) {
			return i, true
		}
	}
	return 0, false
}

// Column is a property path whose value can be returned.
type Column[T any] struct{ path path }

// ParseColumn parses a property path.
func ParseColumn[T any](text string) (Column[T], error) {
	p, err := resolve(reflect.TypeFor[T](), strings.TrimSpace(text))
	if err != nil {
		return Column[T]{}, &SyntaxError{Reason: err.Error()}
	}
	return Column[T]{path: p}, nil
}

// Value returns the value at the path: the first one where it goes through a list,
// nil where there is none.
func (c Column[T]) Value(document *T) any {
	var out any
	c.path.anyOf(reflect.ValueOf(document).Elem(), func(v reflect.Value) bool {
		out = v.Interface()
		return true
	})
	return out
}
