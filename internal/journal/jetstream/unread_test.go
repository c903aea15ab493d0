package jetstream_test

import (
	"errors"
	"os"
	"slices"
	"testing"

	"butler/internal/journal"
)

// A file that is unreadable for a moment, as when the process has no file descriptors
// left, must not count as a loss.
func TestLog_doesNotCallLostWhatItCannotReadNow(t *testing.T) {
	const records = 500
	y := newYard(t, records)
	store := y.open()
	defer y.close(store)
	log := openLog(t, store, journal.Limits{})
	away := y.blocks()[1]
	for _, err := range []error{os.Rename(away, away+".away"), os.Mkdir(away, 0o700)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	var seen []journal.Seq
	see := func(seq journal.Seq, _ []byte) error {
		seen = append(seen, seq)
		return nil
	}
	err := log.Read(t.Context(), 1, see)
	if !errors.Is(err, journal.ErrUnavailable) {
		t.Errorf("%d of %d records are read, and then %v; want journal.ErrUnavailable", len(seen), records, err)
	}
	for _, err := range []error{os.Remove(away), os.Rename(away+".away", away)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	seen = seen[:0]
	if err := log.Read(t.Context(), 1, see); err != nil || len(seen) != records || !slices.IsSorted(seen) {
		t.Errorf("%d of %d records are read when the file is there again (%v)", len(seen), records, err)
	}
}
