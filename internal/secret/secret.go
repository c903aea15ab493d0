// Package secret owns the type of passwords, tokens and other values that must not be
// shown.
//
// It guarantees that a String prints, marshals and logs as Mask. The plain text is
// available only through Reveal, so that its uses can be found by a search. It must
// never log.
package secret

import "fmt"

// Mask is printed instead of a secret.
const Mask = "***"

// String is a secret text.
type String string

// Reveal returns the plain text.
func (s String) Reveal() string { return string(s) }

// IsSet reports whether the secret is not empty.
func (s String) IsSet() bool { return s != "" }

// String returns Mask, or "" for an empty secret.
func (s String) String() string {
	if s == "" {
		return ""
	}
	return Mask
}

// GoString masks the secret under %#v.
func (s String) GoString() string { return fmt.Sprintf("secret.String(%q)", s.String()) }

// MarshalText masks the secret in JSON, YAML and other text encodings.
func (s String) MarshalText() ([]byte, error) { return []byte(s.String()), nil }
