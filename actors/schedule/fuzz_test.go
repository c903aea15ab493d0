package schedule

import (
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"

	"butler/internal/journal"
)

// FuzzRecall: a mark reads back as it was written, or counts as none.
func FuzzRecall(f *testing.F) {
	raw, err := os.ReadFile("testdata/v1/mark")
	if err != nil {
		f.Fatal(err)
	}
	f.Add("nightly", raw)
	f.Add("", []byte(`{"at":"0000-01-01T00:00:00+23:59"}`))
	f.Fuzz(func(t *testing.T, key string, raw []byte) {
		marks, err := recall(&slip{journal.Op{Key: key, Value: raw}})
		if err != nil || len(marks) > 1 {
			t.Fatalf("want one mark at most, got %v, %v", marks, err)
		}
		m, found := marks[key]
		if !found {
			return
		}
		var kept slip
		keep(&kept, m)
		if kept.op.Value == nil {
			return // a time that only this text knows
		}
		again, err := recall(&kept)
		if diff := cmp.Diff(marks, again); err != nil || diff != "" {
			t.Errorf("%q is read again as another, %v:\n%s", raw, err, diff)
		}
	})
}
