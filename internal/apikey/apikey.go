// Package apikey owns who may call the REST API and what for: keys and client
// certificates, the scopes that they carry, and what a scope allows.
//
// A key is the text butler_<id>_<secret>. The secret is 256 random bits, and only
// its SHA-256 is stored. A slow, salted hash, as for passwords, would protect
// nothing here: it makes each guess of a weak secret expensive, and a secret of 256
// random bits cannot be guessed anyway. It would cost time on every call, and let
// anybody who sends invalid keys use up the processor.
//
// It guarantees that a refused caller does not learn the reason, neither from the
// text of the error nor from the time it takes, while the log has the exact reason;
// that only an exactly spelled key is a key; and that a principal bound to tags
// starts no task without one of them. It must never read a file, read the clock, or
// store a secret.
package apikey

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Scope is a part of the REST API.
type Scope string

// The scopes. Admin holds all others.
const (
	Read  Scope = "read"
	Start Scope = "start"
	KV    Scope = "kv"
	Files Scope = "files"
	// Events is the delivery of events of Qlik Cloud, and nothing else.
	Events Scope = "events"
	Admin  Scope = "admin"
)

// Scopes returns every scope, the least powerful first.
func Scopes() []Scope { return []Scope{Read, Start, KV, Files, Events, Admin} }

// Principal is the caller of the API. The slices are frozen.
type Principal struct {
	// Name is the name of the key, or the common name of the certificate.
	Name string
	// Credential identifies the key or certificate in the log, since two principals may
	// share a name.
	Credential string
	Scopes     []Scope
	// Tags restrict the scope start to tasks with one of them; empty means all tasks.
	Tags []string
}

// Has reports whether a principal has a scope at all. For start, Allows also checks
// Tags, task by task.
func (p Principal) Has(s Scope) bool {
	return slices.Contains(p.Scopes, s) || slices.Contains(p.Scopes, Admin)
}

// Allows reports whether a scope permits a call of a principal. tags are the tags of
// the task to start, as in the repository; other scopes ignore them.
func Allows(p Principal, s Scope, tags []string) bool {
	if !p.Has(s) {
		return false
	}
	if s != Start || len(p.Tags) == 0 {
		return true
	}
	return slices.ContainsFunc(tags, func(tag string) bool { return slices.Contains(p.Tags, tag) })
}

// Reason is why a caller was refused. It is for the log, never for the caller.
type Reason string

// The reasons.
const (
	// Missing is a call without any credentials.
	Missing Reason = "missing"
	// Malformed is a text that is not spelled like a key.
	Malformed Reason = "malformed"
	// Unknown is a key whose ID does not exist.
	Unknown Reason = "unknown"
	// WrongSecret is a key whose ID exists and whose secret is wrong.
	WrongSecret Reason = "wrong_secret"
	Expired     Reason = "expired"
	Revoked     Reason = "revoked"
	// Unverified is a certificate that no trusted authority has signed.
	Unverified Reason = "unverified"
	// Unlisted is a certificate whose common name the configuration does not list.
	Unlisted Reason = "unlisted"
)

// Refusal is the error for credentials that are not accepted. Its text is the
// same for every reason.
type Refusal struct {
	Reason Reason
	// Credential identifies the presented credentials, if known. It is safe to log.
	Credential string
}

// Error implements error.
func (Refusal) Error() string { return "the credentials are not accepted" }

// The bounds of names and tags of keys.
const (
	maxName = 64
	maxTags = 32
	maxTag  = 256
)

// CheckName returns what is wrong with the name of a key. Names appear in logs and
// tables, so they must not look like anything else there: ASCII letters and digits,
// with blanks and . _ @ - between them.
func CheckName(name string) error {
	if name == "" {
		return errors.New("a name is needed, such as who uses the key")
	}
	if TidyName(name) == name {
		return nil
	}
	return fmt.Errorf("the name is not made of at most %d ASCII letters and digits, with blanks and . _ @ - between them", maxName)
}

// TidyName returns the valid name closest to a text, "" when there is none.
func TidyName(text string) string {
	var b strings.Builder
	for _, r := range text {
		if b.Len() == maxName {
			break
		}
		switch {
		case isAlphanumeric(r), b.Len() > 0 && strings.ContainsRune(" ._@-", r):
			b.WriteRune(r)
		case b.Len() > 0 && !strings.HasSuffix(b.String(), "-"):
			b.WriteByte('-')
		}
	}
	return strings.TrimRight(b.String(), " ._@-")
}

func isAlphanumeric(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
}

// checkGrant returns what is wrong with scopes and tags.
func checkGrant(scopes []Scope, tags []string) error {
	if len(scopes) == 0 {
		return errors.New("a scope is needed: " + scopeNames())
	}
	for i, s := range scopes {
		if !slices.Contains(Scopes(), s) {
			return fmt.Errorf("the scope %.40q is none of %s", string(s), scopeNames())
		}
		if slices.Contains(scopes[:i], s) {
			return fmt.Errorf("the scope %s is there twice", s)
		}
	}
	switch {
	case len(tags) == 0:
		return nil
	case len(tags) > maxTags:
		return fmt.Errorf("%d tags are more than %d", len(tags), maxTags)
	case slices.Contains(scopes, Admin):
		return errors.New("tags bind nothing with the scope admin, which may start every task")
	case !slices.Contains(scopes, Start):
		return errors.New("tags are for the scope start, which is not there")
	}
	for i, tag := range tags {
		if err := checkTag(tag); err != nil {
			return err
		}
		if slices.Contains(tags[:i], tag) {
			return fmt.Errorf("the tag %q is there twice", tag)
		}
	}
	return nil
}

func scopeNames() string {
	names := make([]string, len(Scopes()))
	for i, s := range Scopes() {
		names[i] = string(s)
	}
	return strings.Join(names, ", ")
}

// checkTag refuses an invalid tag name. Only the repository knows which tags exist.
func checkTag(tag string) error {
	hidden := func(r rune) bool { return !unicode.IsPrint(r) || r == utf8.RuneError }
	switch {
	case tag == "":
		return errors.New("a tag is empty")
	case len(tag) > maxTag:
		return fmt.Errorf("the tag %.20q... is longer than %d bytes", tag, maxTag)
	case strings.TrimSpace(tag) != tag, strings.ContainsFunc(tag, hidden):
		return fmt.Errorf("the tag %q has blanks around it, or characters that nobody sees", tag)
	}
	return nil
}
