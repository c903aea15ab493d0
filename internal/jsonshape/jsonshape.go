// Package jsonshape owns the error text for a JSON value of another type than
// expected.
//
// It guarantees one short line in terms of JSON, without Go types or field names of
// this program. It must never show a value of the document.
package jsonshape

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
)

// Mismatch describes a *json.UnmarshalTypeError, such as "a JSON string at error.code
// where a whole number is wanted"; ok is false for any other error. whole reports that
// the document itself has the wrong type, so that nothing of it was decoded.
func Mismatch(err error) (said string, whole, ok bool) {
	odd, ok := errors.AsType[*json.UnmarshalTypeError](err)
	if !ok {
		return "", false, false
	}
	is, _, _ := strings.Cut(odd.Value, " ") // "number 1.5" would show the value
	said = "a JSON " + is
	if odd.Field != "" {
		said += " at " + odd.Field
	}
	return said + " where " + wanted(odd.Type) + " is wanted", odd.Field == "", true
}

// wanted names the JSON value that a Go type is decoded from.
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
