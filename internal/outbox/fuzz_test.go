package outbox

import (
	"bytes"
	"errors"
	"testing"

	"butler/internal/journal"
)

// FuzzDecodeSeen checks that DecodeSeen and DecodeTrial return journal.ErrCorrupt for every
// input except the encoding of a record.
func FuzzDecodeSeen(f *testing.F) {
	f.Add([]byte(nil))
	f.Add(EncodeTrial(Trial{Crashes: 300, Underway: true}))
	f.Add([]byte{trialVersion, 1, 2})
	f.Add(append([]byte{seenVersion}, bytes.Repeat([]byte{0xFF}, seenSize-1)...))
	f.Fuzz(func(t *testing.T, raw []byte) {
		if seen, err := DecodeSeen(raw); err == nil && !bytes.Equal(EncodeSeen(seen), raw) || err != nil && !errors.Is(err, journal.ErrCorrupt) {
			t.Errorf("%x reads as %+v, %v", raw, seen, err)
		}
		if trial, err := DecodeTrial(raw); err == nil && !bytes.Equal(EncodeTrial(trial), raw) || err != nil && !errors.Is(err, journal.ErrCorrupt) {
			t.Errorf("%x reads as %+v, %v", raw, trial, err)
		}
	})
}
