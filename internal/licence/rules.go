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

// Rules say which licences may be released.
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

// TypeRules are the rules for one type of licence.
type TypeRules struct {
	Type qrs.AccessType
	// Days is the number of days without use after which a licence may be released, at
	// least 1.
	Days int
}

// Never lists the users whose licences are kept. Texts are compared without regard to
// case, as Qlik Sense does with users; for the others that can only protect more users.
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

// When says for which value of a state the licence is kept: "yes", "no", or neither for
// any other text.
type When string

// protects returns why a user with the state keeps the licence, "" when the state does
// not protect it. A nil state is not known.
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

// protects returns why the licence of a user is kept, "" when it may be released.
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
	if a.TagsUnclear && len(n.Tags) > 0 {
		return "it is not known which tags the user has"
	}
	for _, p := range a.Properties {
		if slices.ContainsFunc(n.Properties, func(kept messages.Property) bool { return same(kept.Name, p.Name) && same(kept.Value, p.Value) }) {
			return fmt.Sprintf("the user has the custom property %s = %s", p.Name, p.Value)
		}
	}
	if a.PropertiesUnclear && len(n.Properties) > 0 {
		return "it is not known which custom properties the user has"
	}
	if slices.ContainsFunc(n.Directories, func(d string) bool { return same(d, l.UserDirectory) }) {
		return "the user directory is on the list"
	}
	return cmp.Or(n.Inactive.protects("inactive", a.Inactive), n.Blocked.protects("blocked", a.Blocked),
		n.RemovedOutside.protects("removed externally", a.RemovedExternally))
}

// cutoff returns the latest time of last use with which a licence may be released: the
// end of the day that many days ago, in the time zone of now.
func cutoff(now time.Time, days int) time.Time {
	day := now.AddDate(0, 0, -days)
	return time.Date(day.Year(), day.Month(), day.Day(), 23, 59, 59, 999e6, now.Location())
}

// idleSince returns since when a licence is unused. For one that was never used that is
// when it was allocated, or where the repository does not say, when it was seen first.
// known is false when the repository's time of last use cannot be parsed.
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
