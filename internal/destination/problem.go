package destination

import (
	"fmt"
	"strings"
)

// Problem is one thing in the section of a destination that is not as it should
// be. Types, ranges and required keys are the schema's business; a destination
// tells what only it can know.
type Problem struct {
	// Path names the key, list items included: "webhooks[0].webhookURL".
	Path string
	// Reason says what is wrong, without the value: it may be a secret.
	Reason string
	// Suggestion says what to write instead; empty when nobody can know.
	Suggestion string
	// Warning marks what the service can run with.
	Warning bool
}

// Problems collects what a check finds. The zero value is ready to use.
type Problems []Problem

// Wrong notes what keeps an instance from working.
func (p *Problems) Wrong(path, reason, suggestion string) {
	*p = append(*p, Problem{Path: path, Reason: reason, Suggestion: suggestion})
}

// Warn notes what costs a part of the work, or only on this machine.
func (p *Problems) Warn(path, reason, suggestion string) {
	*p = append(*p, Problem{Path: path, Reason: reason, Suggestion: suggestion, Warning: true})
}

// Below returns the problems with their paths below a key.
func (p Problems) Below(key string) Problems {
	out := make(Problems, len(p))
	for i, one := range p {
		out[i] = one
		out[i].Path = strings.TrimSuffix(key+"."+one.Path, ".")
	}
	return out
}

// first returns the first problem that keeps something from working, or nil.
func (p Problems) first() *Problem {
	for i := range p {
		if !p[i].Warning {
			return &p[i]
		}
	}
	return nil
}

// Error returns the problem as it follows the place in a listing.
func (p Problem) Error() string {
	if p.Suggestion == "" {
		return fmt.Sprintf("%s: %s", p.Path, p.Reason)
	}
	return fmt.Sprintf("%s: %s (%s)", p.Path, p.Reason, p.Suggestion)
}
