package licence

import (
	"errors"
	"fmt"
	"time"

	"butler/internal/qlik/qrs"
)

// Action is the decision about a licence, or its result.
type Action string

// The actions.
const (
	// ActionPlanned: it is going to be released; in a dry run it stays so.
	ActionPlanned Action = "would be released"
	// ActionReleased: it was taken from its user.
	ActionReleased Action = "released"
	// ActionFailed: the call failed. The repository may have released it nevertheless.
	ActionFailed Action = "failed"
	// ActionKept: it is not released, see Reason.
	ActionKept Action = "kept"
	// ActionLater: the run has reached its limit.
	ActionLater Action = "left for the next run"
)

// Entry is one licence in a report.
type Entry struct {
	ID string `json:"licenseId"`
	// User is the directory and the ID of its user: CORP\joe.
	User string `json:"user"`
	// LastUsed is the text of the repository.
	LastUsed  string `json:"lastUsed"`
	NeverUsed bool   `json:"neverUsed"`
	// DaysUnused are whole days.
	DaysUnused int    `json:"daysSinceLastUse"`
	Action     Action `json:"action"`
	Reason     string `json:"reason"`
}

// TypeReport is the part of a report about one type of licence.
type TypeReport struct {
	Type   string `json:"licenseType"`
	access qrs.AccessType
	Days   int `json:"releaseThresholdDays"`
	// UnusedSince is the cutoff: a licence that was used after it is kept.
	UnusedSince time.Time `json:"unusedSince"`
	// Error says what kept licences of this type from being released.
	Error   string  `json:"error,omitempty"`
	Entries []Entry `json:"licenses"`
}

// Report is what a run has done, or in a dry run would do, and why.
type Report struct {
	Began  time.Time `json:"began"`
	DryRun bool      `json:"dryRun"`
	// Limit is how many licences the run may release, 0 for any number.
	Limit int          `json:"maxPerRun"`
	Types []TypeReport `json:"types"`
}

// Count returns the number of licences with an action.
func (r Report) Count(a Action) int {
	n := 0
	for _, t := range r.Types {
		for _, e := range t.Entries {
			if e.Action == a {
				n++
			}
		}
	}
	return n
}

// planned reports whether anything was to be released.
func (r Report) planned() bool {
	return r.Count(ActionPlanned)+r.Count(ActionReleased)+r.Count(ActionFailed) > 0
}

// allot defers planned licences beyond the limit to the next run.
func (r *Report) allot(limit int) {
	left := limit
	for _, t := range r.Types {
		for i := range t.Entries {
			e := &t.Entries[i]
			if limit <= 0 || e.Action != ActionPlanned {
				continue
			}
			if left--; left < 0 {
				e.Action, e.Reason = ActionLater, fmt.Sprintf("a run releases at most %d licences", limit)
			}
		}
	}
}

// err joins what went wrong.
func (r Report) err() error {
	var all []error
	for _, t := range r.Types {
		if t.Error != "" {
			all = append(all, errors.New(t.Error))
		}
	}
	if n := r.Count(ActionFailed); n > 0 {
		all = append(all, fmt.Errorf("licences that could not be released: %d", n))
	}
	return errors.Join(all...)
}
