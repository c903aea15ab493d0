package destination

import (
	"fmt"
	"strings"
)

// Problem is something wrong in the section of a destination. The schema covers
// types, ranges and required keys; a destination reports what only it can know.
type Problem struct {
	// Path is the key, including list items: "webhooks[0].webhookURL".
	Path string
	// Reason says what is wrong, without the value, which may be a secret.
	Reason string
	// Suggestion says what to write instead; empty if nobody can know.
	Suggestion string
	// Warning marks a problem that the service can run with.
	Warning bool
}

// Problems collects the results of a check. The zero value is ready to use.
type Problems []Problem

// Wrong notes a problem that keeps an instance from working.
func (p *Problems) Wrong(path, reason, suggestion string) {
	*p = append(*p, Problem{Path: path, Reason: reason, Suggestion: suggestion})
}

// Warn notes a problem that affects only part of the work, or only this machine.
func (p *Problems) Warn(path, reason, suggestion string) {
	*p = append(*p, Problem{Path: path, Reason: reason, Suggestion: suggestion, Warning: true})
}

// Below returns the problems with their paths prefixed by a key.
func (p Problems) Below(key string) Problems {
	out := make(Problems, len(p))
	for i, one := range p {
		out[i] = one
		out[i].Path = strings.TrimSuffix(key+"."+one.Path, ".")
	}
	return out
}

// first returns the first problem that is not a warning, or nil.
func (p Problems) first() *Problem {
	for i := range p {
		if !p[i].Warning {
			return &p[i]
		}
	}
	return nil
}

// Error returns the problem with its path and suggestion, as one line of a listing.
func (p Problem) Error() string {
	if p.Suggestion == "" {
		return fmt.Sprintf("%s: %s", p.Path, p.Reason)
	}
	return fmt.Sprintf("%s: %s (%s)", p.Path, p.Reason, p.Suggestion)
}
