package quarantine

import (
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// FuzzQuarantine: an entry of the quarantine reads back as it was written, or is left
// out, and what stands beside it is still listed.
func FuzzQuarantine(f *testing.F) {
	raw, err := os.ReadFile("testdata/v1/quarantined")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(keyOf(1), raw)
	f.Add("18446744073709551615", raw)
	f.Add("not a number", []byte("{}"))
	f.Fuzz(func(t *testing.T, key string, foreign []byte) {
		c := newCabinet()
		c.values[key] = foreign
		found := list(t, open(t, c), 10)
		if len(found) > 1 {
			t.Fatalf("want one entry at most, got %+v", found)
		}
		if len(found) == 0 {
			return
		}
		again := newCabinet()
		open(t, again).Keep(found[0])
		want := found[0]
		want.ID, want.GivenUp = 1, true
		if kept := list(t, open(t, again), 10); len(kept) == 1 {
			if diff := cmp.Diff(want, kept[0]); diff != "" {
				t.Errorf("%q is read again as another:\n%s", foreign, diff)
			}
		}
	})
}
