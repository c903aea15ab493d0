package qlik

import (
	"strings"
	"testing"
)

func FuzzParseTime(f *testing.F) {
	for _, seed := range []string{"2026-05-04T03:02:01.000Z", "1753-01-01T00:00:00.000Z", "2026-05-04 03:02:01", "", "\xff"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if at, ok := ParseTime(text); ok && at.IsZero() && !strings.HasPrefix(text, "0001") {
			t.Errorf("%q is the time %s", text, at)
		}
	})
}
