package cloud

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"butler/internal/journal"
)

// FuzzMemory checks that any input either fails with ErrCorrupt, or decodes to an event
// that survives encoding and decoding; and the same for a mark that is not expired.
func FuzzMemory(f *testing.F) {
	for _, name := range []string{"open", "done"} {
		raw, err := os.ReadFile(filepath.Join("testdata", "v1", name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		if until := decodeDone(raw); !until.IsZero() && !decodeDone(encodeDone(until)).Equal(until) {
			t.Errorf("%x reads as %s, which is not read again", raw, until)
		}
		event, err := decodeOpen(raw)
		if err != nil {
			if !errors.Is(err, journal.ErrCorrupt) {
				t.Errorf("want ErrCorrupt, got %v", err)
			}
			return
		}
		kept, err := encodeOpen(event)
		if err != nil {
			t.Fatalf("want what was read to be written, got %v", err)
		}
		again, err := decodeOpen(kept)
		if diff := cmp.Diff(event, again); err != nil || diff != "" {
			t.Errorf("%q is read again as another, %v:\n%s", raw, err, diff)
		}
	})
}
