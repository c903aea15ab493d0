// Package secret owns the type of every value that must not be shown.
//
// It guarantees that a String prints, marshals and logs as a mask. The plain
// text leaves it through Reveal alone, which a reviewer can search for. It must
// never log and never compare in a way that leaks.
package secret

import "fmt"

// Mask is what stands in place of a secret wherever it would be shown.
const Mask = "***"

// String is a secret text.
type String string

// Reveal returns the plain text, for the one call that needs it.
func (s String) Reveal() string { return string(s) }

// IsSet reports whether there is a secret at all.
func (s String) IsSet() bool { return s != "" }

// String returns the mask, or nothing for an empty secret.
func (s String) String() string {
	if s == "" {
		return ""
	}
	return Mask
}

// GoString keeps %#v from showing the text.
func (s String) GoString() string { return fmt.Sprintf("secret.String(%q)", s.String()) }

// MarshalText keeps JSON, YAML and every other text encoding from showing it.
func (s String) MarshalText() ([]byte, error) { return []byte(s.String()), nil }
