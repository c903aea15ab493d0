package topic

import (
	"strings"
	"testing"
)

// FuzzMatches: a name is matched by itself and by what asks for everything, and
// what is matched without wildcards is the same.
func FuzzMatches(f *testing.F) {
	for _, seed := range [][2]string{{"a/+/c", "a/b/c"}, {"#", "$SYS/x"}, {"a/#", "a"}, {"+", ""}, {"a//b", "a//b"}, {"a/#/b", "a/x/b"}, {"\x00", "\xff"}} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, filter, name string) {
		matches := Matches(filter, name)
		if Check(name) != nil || CheckFilter(filter) != nil {
			return
		}
		if !Matches(name, name) || Matches("#", name) == strings.HasPrefix(name, "$") {
			t.Errorf("%q is not matched by itself, or by everything", name)
		}
		if !strings.ContainsAny(filter, "+#") && matches != (filter == name) {
			t.Errorf("%q matches %q: %v", filter, name, matches)
		}
		if matches && strings.HasPrefix(name, "$") && !strings.HasPrefix(filter, "$") {
			t.Errorf("%q asks for %q", filter, name)
		}
	})
}
