package destination

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"butler/internal/text"
)

// Advise describes in words what kind of failure an error is, and how to fix it.
func Advise(err error, i Instance) (problem, remedy string) {
	kind, after := KindOf(err)
	switch kind {
	case ThrottledKind:
		problem, remedy = "the provider asks to wait", "try again later; the service waits and sends then"
		if after > 0 {
			remedy = fmt.Sprintf("try again in %s; the service waits that long and sends then", after.Round(time.Second))
		}
	case DeferredKind:
		problem, remedy = "the provider does not take this message now", "look at its answer, and at the recipient below "+i.Path+"; the service tries again by itself"
	case PermanentKind:
		problem, remedy = "the provider refuses this message", "look at its answer, and at the recipient and the template below "+i.Path+"; the service parks such a message"
	case MisconfiguredKind:
		problem, remedy = "the configuration does not work", "correct the address, the credentials or what the answer names, at or above "+i.Path
	case Transient:
		problem, remedy = "no success this time", "if the provider has answered, look at its answer; otherwise check whether the address at or above "+i.Path+" is right and reachable from this machine; the service tries again by itself"
	}
	return problem, remedy
}

// UnknownName returns the error for a name that no enabled destination has. known are
// names of instances; what is before their first slash means all of a destination.
func UnknownName(name string, known []string) error {
	hint := ""
	if near := misspelt(name, known); near != "" {
		hint = " (did you mean " + near + "?)"
	}
	return fmt.Errorf("no enabled destination is called %q%s; there are %s", name, hint, cmp.Or(strings.Join(known, ", "), "none"))
}

// misspelt returns what the name is most likely a misspelling of, of the same kind of
// destination, or "".
func misspelt(name string, known []string) string {
	kinds := make([]string, len(known))
	for i, k := range known {
		kinds[i], _, _ = strings.Cut(k, "/")
	}
	kind, _, whole := strings.Cut(name, "/")
	near := text.Nearest(kind, kinds)
	if near == "" || !whole {
		return near
	}
	return text.Nearest(name, slices.DeleteFunc(slices.Clone(known), func(k string) bool { return !strings.HasPrefix(k, near+"/") }))
}
