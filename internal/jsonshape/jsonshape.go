// Package jsonshape owns how it is told that a JSON document has another shape than
// the one that is read.
//
// It guarantees one short line that a person understands who knows JSON and not this
// program. It must never show what the document holds.
package jsonshape

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
)

// Mismatch says what has another type than it should, where an error of the decoder is
// of that: "a JSON string at error.code where a whole number is wanted". whole reports
// that it is the document itself, of which nothing was read then.
func Mismatch(err error) (said string, whole, ok bool) {
	odd, ok := errors.AsType[*json.UnmarshalTypeError](err)
	if !ok {
		return "", false, false
	}
	is, _, _ := strings.Cut(odd.Value, " ") // behind the kind of a number are its digits
	said = "a JSON " + is
	if odd.Field != "" {
		said += " at " + odd.Field
	}
	return said + " where " + wanted(odd.Type) + " is wanted", odd.Field == "", true
}

// wanted is what a type is read from.
func wanted(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return "a whole number"
	case reflect.Float32, reflect.Float64:
		return "a number"
	case reflect.String:
		return "text"
	case reflect.Slice, reflect.Array:
		return "a list"
	case reflect.Struct, reflect.Map:
		return "an object"
	default:
		return "something else"
	}
}
