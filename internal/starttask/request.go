package starttask

import (
	"fmt"
	"net/http"
	"time"

	"butler/messages"
)

// The bounds of a request.
const (
	// MaxBytes is how long a body or a message may be.
	MaxBytes = 1 << 20
	// MaxSelectors is how many tasks, tags, properties and pairs it may name together.
	MaxSelectors = 1000
	// MaxText is how long an ID, a tag, or the name or value of a property may be, in
	// bytes. The repository accepts a query with two such texts, encoded.
	MaxText = 512
)

// Request says which tasks to start: the union of what its selectors find. IDs are as
// they were given; the answer lists those that are not valid.
type Request struct {
	// PathID is the ID in the address, or all that a message consists of; "" for none.
	PathID     string
	IDs        []string
	Tags       []string
	Properties []messages.Property
	// KeyValues are stored before a task is started.
	KeyValues []KeyValue
	// AllTaskIDsMustExist starts no task by its ID unless all of the IDs exist.
	AllTaskIDsMustExist bool
	// DryRun reports what would be started and stored, and does neither.
	DryRun bool
	// Wait is how long the answer may wait for the executions to end; 0 does not wait.
	Wait time.Duration
	Form Form
	// Remarks say, for people, what was skipped while parsing.
	Remarks []string
}

// Form is how a request is written. It decides how a request with only an invalid ID is
// answered.
type Form uint8

// The forms.
const (
	// FormNone has no body.
	FormNone Form = iota
	// FormObject is a JSON object with lists of selectors.
	FormObject
	// FormArray is a JSON array of items with a type.
	FormArray
)

// KeyValue is a pair to be stored.
type KeyValue struct {
	Namespace, Key, Value string
	// TTL is how long it lives; 0 is for ever.
	TTL time.Duration
}

// ids returns all IDs, that of the address first.
func (r Request) ids() []string {
	if r.PathID == "" {
		return r.IDs
	}
	return append([]string{r.PathID}, r.IDs...)
}

// onlyPath reports whether the ID in the address is the only selector.
func (r Request) onlyPath() bool {
	return r.PathID != "" && len(r.IDs)+len(r.Tags)+len(r.Properties) == 0
}

// Problem is a request that cannot be understood. It says where, what is wrong
// there, and how to fix it.
type Problem struct {
	Kind ProblemKind
	// Place is body, querystring or params, with the path within: "body/2/payload/tag".
	Place string
	// Reason completes the sentence that Place begins: "must be text".
	Reason string
	Remedy string
}

// ProblemKind is what sort of problem it is.
type ProblemKind uint8

// The kinds of problems.
const (
	// NotJSON: the body is no JSON at all.
	NotJSON ProblemKind = iota
	// NotValid: it is JSON, but not a valid request.
	NotValid
	// TooLarge: it exceeds a limit.
	TooLarge
)

// Error implements error.
func (p *Problem) Error() string { return p.Place + " " + p.Reason + ": " + p.Remedy }

// Status returns the HTTP status for the problem.
func (p *Problem) Status() int {
	if p.Kind == TooLarge {
		return http.StatusRequestEntityTooLarge
	}
	return http.StatusBadRequest
}

// counter counts the selectors and pairs of a request.
type counter int

// add counts one more thing at a place.
func (c *counter) add(place string) error {
	if *c++; *c <= MaxSelectors {
		return nil
	}
	return &Problem{TooLarge, place, "is more than a request may name", fmt.Sprintf("send several requests of at most %d tasks, tags, properties and pairs", MaxSelectors)}
}

// bounded refuses a text that is empty or too long.
func bounded(place, text, what string) error {
	switch {
	case text == "":
		return &Problem{NotValid, place, "must not be empty", "give " + what + ", or leave the entry out"}
	case len(text) > MaxText:
		return &Problem{TooLarge, place, fmt.Sprintf("must not be longer than %d bytes", MaxText), "give " + what}
	}
	return nil
}

// clamp returns n units as a duration between nothing and a bound.
func clamp(n float64, unit, bound time.Duration) time.Duration {
	switch {
	case n <= 0:
		return 0
	case n >= float64(bound/unit):
		return bound
	}
	return time.Duration(n) * unit
}
