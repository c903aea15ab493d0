package qrs

import (
	"fmt"
	"strings"

	"butler/internal/qlik"
)

const zeroGUID = qlik.ZeroGUID

// Filter is a filter of the QRS, built from parts that cannot change its
// meaning: fields come from a closed set, texts are quoted, identifiers are
// checked. The zero value is no filter.
type Filter struct {
	text string
	// objects is how many IDs it names, where it does nothing else.
	objects int
}

// Field is something that a filter can compare.
type Field uint8

// The fields that filters compare.
const (
	FieldName Field = iota
	FieldTagName
	FieldObjectTypes
	FieldPropertyName
	FieldPropertyValue
	FieldLastUsed
)

var fieldPaths = [...]string{
	FieldName:          "name",
	FieldTagName:       "tags.name",
	FieldObjectTypes:   "objectTypes",
	FieldPropertyName:  "customProperties.definition.name",
	FieldPropertyValue: "customProperties.value",
	FieldLastUsed:      "lastUsed",
}

// IDs returns the filter that matches any of the given objects. Every ID must be a GUID.
func IDs(ids ...string) (Filter, error) {
	parts := make([]string, len(ids))
	for i, id := range ids {
		if !qlik.IsGUID(id) {
			return Filter{}, fmt.Errorf("%q is not an object ID", shorten(id, 60))
		}
		parts[i] = "id eq " + id
	}
	return Filter{text: strings.Join(parts, " or "), objects: len(ids)}, nil
}

// Named matches objects that go by one of the names, which are arbitrary texts: a GUID is an ID.
func Named(names ...string) Filter {
	parts := make([]string, len(names))
	for i, name := range names {
		if qlik.IsGUID(name) {
			parts[i] = "id eq " + name
		} else {
			parts[i] = Equal(FieldName, name).text
		}
	}
	return Filter{text: strings.Join(parts, " or ")}
}

// Equal matches objects whose field is value, an arbitrary text.
func Equal(f Field, value string) Filter { return compare(f, "eq", value) }

// AtMost matches objects whose field is value or less.
func AtMost(f Field, value string) Filter { return compare(f, "le", value) }

func compare(f Field, operator, value string) Filter {
	return Filter{text: fieldPaths[f] + " " + operator + " '" + strings.ReplaceAll(value, "'", "''") + "'"}
}

// And matches objects that both filters match.
func (f Filter) And(other Filter) Filter {
	return Filter{text: "(" + f.text + ") and (" + other.text + ")"}
}

// IsZero reports whether f is no filter.
func (f Filter) IsZero() bool { return f.text == "" }

// String returns the filter as the QRS reads it.
func (f Filter) String() string { return f.text }

// summary describes the filter for an error text: for several IDs, only their number, since
// the caller may have asked for one of them only.
func (f Filter) summary() string {
	if f.objects > 1 {
		return fmt.Sprintf("id eq one of %d", f.objects)
	}
	return f.text
}

// Encode returns the filter as a query value: everything but letters, digits,
// parentheses and "-._~" is percent-encoded, a space as %20.
func (f Filter) Encode() string { return escape(strings.ToValidUTF8(f.text, "\uFFFD"), "-._~()") }

const hexDigits = "0123456789ABCDEF"

// escape percent-encodes every byte but letters, digits and those of keep.
func escape(s, keep string) string {
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		if isAlphanumeric(c) || strings.IndexByte(keep, c) >= 0 {
			b.WriteByte(c)
			continue
		}
		b.WriteByte('%')
		b.WriteByte(hexDigits[c>>4])
		b.WriteByte(hexDigits[c&0xF])
	}
	return b.String()
}

func isAlphanumeric(c byte) bool {
	return c-'0' <= 9 || c|0x20 >= 'a' && c|0x20 <= 'z'
}
