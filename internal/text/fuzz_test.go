package text

import (
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzLine checks that the result for any text is valid, bounded and harmless.
func FuzzLine(f *testing.F) {
	for _, seed := range []string{"Reload of Sales", "a\r\nb\tc", "\x1b[31mred\x1b[0m", "\u202egnp.exe", "\xff\xfe", "\u2028\u2029\u0085\x00", strings.Repeat("ä", 100)} {
		f.Add(seed, 50)
	}
	f.Fuzz(func(t *testing.T, in string, limit int) {
		limit = max(0, limit%1000)
		line, prose := Line(in, limit), Prose(in, limit)
		for _, got := range []string{line, prose} {
			if !utf8.ValidString(got) || utf8.RuneCountInString(got) > limit {
				t.Errorf("%q of at most %d characters", got, limit)
			}
			if bare := strings.NewReplacer("\n", "", "\t", "").Replace(got); strings.ContainsFunc(bare, IsHostile) {
				t.Errorf("%q holds what it must not", got)
			}
		}
		if strings.ContainsAny(line, "\r\n\t") {
			t.Errorf("%q is more than a line", line)
		}
		if Line(line, limit) != line || Prose(prose, limit) != prose {
			t.Errorf("cleaning %q twice is not cleaning it once", in)
		}
	})
}
