package handlebars

import (
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
)

// toText returns the text of a value, as JavaScript would print it.
func toText(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	case bool:
		return strconv.FormatBool(v)
	case Named:
		return v.Text
	case []any:
		texts := make([]string, len(v))
		for i, item := range v {
			texts[i] = toText(item)
		}
		return strings.Join(texts, ",")
	}
	if n, ok := number(v); ok {
		return numberText(n)
	}
	return "[object Object]"
}

// numberText returns a number without grouping, and without an exponent below 1e21.
func numberText(n float64) string {
	switch {
	case math.IsNaN(n):
		return "NaN"
	case math.IsInf(n, 0):
		return strings.TrimPrefix(strconv.FormatFloat(n, 'g', -1, 64)+"inity", "+")
	case math.Abs(n) >= 1e21, n != 0 && math.Abs(n) < 1e-6:
		return strings.Replace(strconv.FormatFloat(n, 'g', -1, 64), "e-0", "e-", 1)
	default:
		return strconv.FormatFloat(n+0, 'f', -1, 64)
	}
}

// number returns v as a number, and false if it is not of a supported numeric type.
func number(v any) (float64, bool) {
	switch v := v.(type) {
	case int:
		return float64(v), true
	case int32:
		return float64(v), true
	case int64:
		return float64(v), true
	case uint64:
		return float64(v), true
	case float64:
		return v, true
	default:
		return 0, false
	}
}

// truthy reports whether a value is true in a condition: everything except nil, false, "",
// 0, NaN and an empty list. An empty object is true.
func truthy(v any) bool {
	switch v := v.(type) {
	case nil:
		return false
	case bool:
		return v
	case string:
		return v != ""
	case Named:
		return v.Text != ""
	case []any:
		return len(v) > 0
	}
	if n, ok := number(v); ok {
		return n != 0 && !math.IsNaN(n)
	}
	return true
}

// strictlyEqual compares values without conversion of types. Objects and lists are not
// equal to any value.
func strictlyEqual(a, b any) bool {
	if n, ok := a.(Named); ok {
		a = n.Text
	}
	if n, ok := b.(Named); ok {
		b = n.Text
	}
	if x, ok := number(a); ok {
		y, ok := number(b)
		return ok && x == y
	}
	switch a := a.(type) {
	case nil:
		return b == nil
	case string:
		s, ok := b.(string)
		return ok && a == s
	case bool:
		t, ok := b.(bool)
		return ok && a == t
	default:
		return false
	}
}

// resolve returns the value at a path, nil if any part is missing.
func resolve(v any, parts []string) any {
	for _, part := range parts {
		v = field(v, part)
	}
	return v
}

// field returns a field of an object, an item of a list, or the length of a list or text;
// nil if there is none.
func field(v any, name string) any {
	switch v := v.(type) {
	case map[string]any:
		return v[name]
	case Named:
		return v.Fields[name]
	case []any:
		if name == "length" {
			return len(v)
		}
		if i, err := strconv.Atoi(name); err == nil && i >= 0 && i < len(v) {
			return v[i]
		}
	case string:
		if name == "length" {
			return len(utf16.Encode([]rune(v)))
		}
	}
	return nil
}

func sortedNames(fields map[string]any) []string {
	return slices.Sorted(maps.Keys(fields))
}
