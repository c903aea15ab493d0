package qlik

import "time"

// LogFetch is one attempt at a script log.
type LogFetch struct {
	TaskID string
	// Attempt is 1 for the first.
	Attempt int
	// Began is when the first attempt began.
	Began time.Time
}

// NotYet is the error of an attempt that found no script log while a later attempt may.
// It says how long the caller should wait before that.
type NotYet struct{ After time.Duration }

// Error implements error.
func (n NotYet) Error() string { return "there is no script log yet, ask again in " + n.After.String() }
