package jetstream

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"butler/internal/journal"
)

// FuzzDiary checks that any content of the diary is either used or ignored, and that a
// written diary can be read again.
func FuzzDiary(f *testing.F) {
	f.Add([]byte(`{"closed":true,"streams":{"events":{"first":3,"next":9,"top":9,"gaps":[{"First":4,"Last":5}]}}}`), uint64(1), uint64(7))
	f.Add([]byte(`{"streams":{"events":{"first":9,"next":3,"top":18446744073709551615,"gaps":[{"First":9,"Last":1}]}}}`), uint64(5), uint64(2))
	f.Fuzz(func(t *testing.T, raw []byte, first, next uint64) {
		d := parseDiary(raw)
		for name, r := range d.Streams {
			r.missing(nil)
			r.missing(spans{{journal.Seq(first), journal.Seq(next)}})
			d.Streams[name] = r.bounds(journal.Seq(first), journal.Seq(next))
		}
		kept, err := json.Marshal(d)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(d, parseDiary(kept)); diff != "" {
			t.Errorf("%q is read again as another:\n%s", raw, diff)
		}
	})
}
