package licence

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"butler/internal/qlik"
	"butler/internal/qlik/qrs"
	"butler/messages"
)

// Rules say what may be released.
type Rules struct {
	// DryRun releases nothing.
	DryRun bool
	// Limit is how many licences one run releases at most, of all types together;
	// 0 means no limit.
	Limit int
	// Types are handled in order.
	Types []TypeRules
	Never Never
}

// TypeRules are those of one type of licence.
type TypeRules struct {
	Type qrs.AccessType
	// Days is after how many days without use a licence may be released; at least 1.
	Days int
}

// Never lists whose licences are kept. Users and directories are compared
// without regard to case, as Qlik Sense does.
type Never struct {
	Users          []User
	Tags           []string
	Properties     []messages.Property
	Directories    []string
	Inactive       When
	Blocked        When
	RemovedOutside When
}

// User is a user of Qlik Sense.
type User struct{ Directory, ID string }

// When says which state of an account keeps its licence: "yes", "no", or anything else for neither.
type When string

func (w When) protects(state bool) bool {
	return w == "yes" && state || w == "no" && !state
}

// protects returns why the licence of a user is kept, "" when it may go.
func (n Never) protects(l qrs.Allocation, a qrs.Account) string {
	same := strings.EqualFold
	if slices.ContainsFunc(n.Users, func(u User) bool { return same(u.Directory, l.UserDirectory) && same(u.ID, l.UserID) }) {
		return "the user is on the list of users"
	}
	for _, tag := range a.Tags {
		if slices.Contains(n.Tags, tag) {
			return fmt.Sprintf("the user has the tag %q", tag)
		}
	}
	for _, p := range a.Properties {
		if slices.Contains(n.Properties, p) {
			return fmt.Sprintf("the user has the custom property %s = %s", p.Name, p.Value)
		}
	}
	if slices.ContainsFunc(n.Directories, func(d string) bool { return same(d, l.UserDirectory) }) {
		return "the user directory is on the list"
	}
	for _, state := range []struct {
		name string
		when When
		is   bool
	}{{"inactive", n.Inactive, a.Inactive}, {"blocked", n.Blocked, a.Blocked}, {"removed externally", n.RemovedOutside, a.RemovedExternally}} {
		if state.when.protects(state.is) {
			return fmt.Sprintf("users with %s = %s are kept", state.name, state.when)
		}
	}
	return ""
}

// cutoff returns the last moment of use at which a licence may be released: the
// end of the day that many days ago, in the time zone of now.
func cutoff(now time.Time, days int) time.Time {
	day := now.AddDate(0, 0, -days)
	return time.Date(day.Year(), day.Month(), day.Day(), 23, 59, 59, 999e6, now.Location())
}

// idleSince returns since when a licence is not used. One that was never used
// counts from when it was given to its user, and where the repository does not
// say that, from when it was first seen. It is false for what cannot be told.
func idleSince(l qrs.Allocation, firstSeen func(id string) time.Time) (since time.Time, used, known bool) {
	if at, ok := qlik.ParseTime(l.LastUsed); ok {
		return at, true, true
	}
	if !qlik.IsNever(l.LastUsed) {
		return time.Time{}, false, false
	}
	created, haveCreated := qlik.ParseTime(l.Created)
	modified, haveModified := qlik.ParseTime(l.Modified)
	switch {
	case haveModified && modified.After(created):
		return modified, false, true
	case haveCreated:
		return created, false, true
	}
	return firstSeen(l.ID), false, true
}
