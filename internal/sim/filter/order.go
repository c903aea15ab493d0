package filter

import (
	"cmp"
	"reflect"
	"strings"
)

// Order is a sort order: property paths, each ascending or descending.
type Order[T any] struct {
	keys []orderKey
}

type orderKey struct {
	path       path
	descending bool
}

// ParseOrder parses "name", "name desc" or several of them separated by commas. An
// empty text keeps the order of the documents.
func ParseOrder[T any](text string) (Order[T], error) {
	var order Order[T]
	if strings.TrimSpace(text) == "" {
		return order, nil
	}
	for part := range strings.SplitSeq(text, ",") {
		words := strings.Fields(part)
		if len(words) == 0 || len(words) > 2 {
			return Order[T]{}, &SyntaxError{Reason: "a sort key is a property and a direction"}
		}
		key := orderKey{}
		if len(words) == 2 {
			key.descending = strings.EqualFold(words[1], "desc")
			if !key.descending && !strings.EqualFold(words[1], "asc") {
				return Order[T]{}, &SyntaxError{Reason: "a direction is asc or desc"}
			}
		}
		var err error
		if key.path, err = resolve(reflect.TypeFor[T](), words[0]); err != nil {
			return Order[T]{}, &SyntaxError{Reason: err.Error()}
		}
		if !key.path.scalar() {
			return Order[T]{}, &SyntaxError{Reason: "cannot sort by " + words[0]}
		}
		order.keys = append(order.keys, key)
	}
	return order, nil
}

// IsZero reports whether there is nothing to sort by.
func (o Order[T]) IsZero() bool { return len(o.keys) == 0 }

// Compare compares two documents, like cmp.Compare. A missing value comes first.
func (o Order[T]) Compare(a, b *T) int {
	for _, key := range o.keys {
		c := compareValues(key.path.first(a), key.path.first(b))
		if key.descending {
			c = -c
		}
		if c != 0 {
			return c
		}
	}
	return 0
}

// first returns the first value at the path, or the zero Value.
func (p path) first(document any) reflect.Value {
	var out reflect.Value
	p.anyOf(reflect.ValueOf(document).Elem(), func(v reflect.Value) bool {
		out = v
		return true
	})
	return out
}

func compareValues(a, b reflect.Value) int {
	switch {
	case !a.IsValid() || !b.IsValid():
		return compareBools(a.IsValid(), b.IsValid())
	case a.Kind() == reflect.Bool:
		return compareBools(a.Bool(), b.Bool())
	case a.CanInt():
		return cmp.Compare(a.Int(), b.Int())
	case a.CanFloat():
		return cmp.Compare(a.Float(), b.Float())
	}
	return strings.Compare(a.String(), b.String())
}
