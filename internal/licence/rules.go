package licence

import (
	"cmp"
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

// Never lists whose licences are kept. Texts are compared without regard to case:
// Qlik Sense does so with users, and elsewhere it can only protect more of them.
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

// protects returns why a user in a state keeps the licence, "" when that does not matter.
func (w When) protects(name string, state *bool) string {
	switch {
	case w != "yes" && w != "no":
		return ""
	case state == nil:
		return "it is not known whether the user is " + name
	case *state == (w == "yes"):
		return fmt.Sprintf("users with %s = %s are kept", name, w)
	}
	return ""
}

// protects returns why the licence of a user is kept, "" when it may go.
func (n Never) protects(l qrs.Allocation, a qrs.Account) string {
	same := strings.EqualFold
	if slices.ContainsFunc(n.Users, func(u User) bool { return same(u.Directory, l.UserDirectory) && same(u.ID, l.UserID) }) {
		return "the user is on the list of users"
	}
	for _, tag := range a.Tags {
		if slices.ContainsFunc(n.Tags, func(kept string) bool { return same(kept, tag) }) {
			return fmt.Sprintf("the user has the tag %q", tag)
		}
	}
	for _, p := range a.Properties {
		if slices.ContainsFunc(n.Properties, func(kept messages.Property) bool { return same(kept.Name, p.Name) && same(kept.Value, p.Value) }) {
			return fmt.Sprintf("the user has the custom property %s = %s", p.Name, p.Value)
		}
	}
	if slices.ContainsFunc(n.Directories, func(d string) bool { return same(d, l.UserDirectory) }) {
		return "the user directory is on the list"
	}
	return cmp.Or(n.Inactive.protects("inactive", a.Inactive), n.Blocked.protects("blocked", a.Blocked),
		n.RemovedOutside.protects("removed externally", a.RemovedExternally))
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
