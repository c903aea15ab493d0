package destination

import (
	"cmp"
	"fmt"
	"strings"
	"time"
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
		problem, remedy = "the configuration does not work", "correct the address or the credentials at or above "+i.Path
	case Transient:
		problem, remedy = "no success this time", "check whether the address at or above "+i.Path+" is right and reachable from this machine; the service tries again by itself"
	}
	return problem, remedy
}

// UnknownName returns the error for a name that no enabled destination has.
func UnknownName(name string, known []string) error {
	return fmt.Errorf("no enabled destination is called %q; there are %s", name, cmp.Or(strings.Join(known, ", "), "none"))
}
