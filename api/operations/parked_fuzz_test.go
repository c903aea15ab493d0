package operations

import (
	"encoding/json"
	"testing"
	"unicode/utf8"
)

// Whatever a body holds, it means some notices in one way, or it is refused in
// words that are no longer than needed; written down again it means the same.
func FuzzParkedChange(f *testing.F) {
	f.Add([]byte(`{"ids":["a"]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		var change parkedChange
		if err := change.read(body); err != nil {
			if text := err.Error(); len(text) > 300 || !utf8.ValidString(text) {
				t.Errorf("want a short text, got %d bytes: %.300q", len(text), text)
			}
			return
		}
		ways := 0
		for _, used := range []bool{len(change.IDs) > 0, change.Instance != "", change.All} {
			if used {
				ways++
			}
		}
		if ways != 1 || len(change.IDs) > MaxList {
			t.Errorf("want one way to say which notices are meant, got %+v", change)
		}
		written, err := json.Marshal(map[string]any{"ids": change.IDs, "instance": change.Instance, "all": change.All})
		if err != nil {
			t.Fatal(err)
		}
		var again parkedChange
		if err := again.read(written); err != nil || again.Instance != change.Instance || len(again.IDs) != len(change.IDs) || again.All != change.All {
			t.Errorf("%+v written down again is %+v, %v", change, again, err)
		}
	})
}

func TestParkedChange_saysWhatIsOddAboutIt(t *testing.T) {
	err := new(parkedChange).read([]byte(`{"ids":"a"}`))
	if want := "the body has a JSON string at ids where a list is wanted"; err == nil || err.Error() != want {
		t.Errorf("want %q, got %v", want, err)
	}
}
