package likeness_test

import (
	"bytes"
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"butler/internal/likeness"
)

func TestFolder_unfoldsWhatItFolded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var f likeness.Folder
		texts := rapid.SliceOfN(rapid.OneOf(
			rapid.SliceOfN(rapid.Byte(), 0, 2000),
			rapid.Map(rapid.StringOfN(rapid.RuneFrom([]rune("ab")), 0, 400, -1), func(s string) []byte { return []byte(s) }),
		), 1, 8).Draw(t, "texts")
		var kept []string
		for _, text := range texts {
			kept = append(kept, f.Fold(text))
		}
		for i, text := range texts {
			if got := f.Unfold(kept[i]); !bytes.Equal(got, text) || len(kept[i]) > len(text)+1 {
				t.Fatalf("want %q of text %d, got %q, kept in %d bytes", text, i, got, len(kept[i]))
			}
		}
	})
}

func TestFolder_keepsWhatIsNotAlike(t *testing.T) {
	var f likeness.Folder
	text := func(n int) []byte {
		return fmt.Appendf(nil, "node %d\x00Exiting execute of Distribute task request\x00INTERNAL\\sa_scheduler\x00%032x", n, n*7919)
	}
	first, second := f.Fold(text(1)), f.Fold(text(2))
	if len(first) != len(text(1))+1 || len(second) > len(first)/2 {
		t.Errorf("want the second in half of the room of the first, got %d and %d bytes", len(first), len(second))
	}
}

func TestFolder_keepsAPatternOfItsOwn(t *testing.T) {
	var f likeness.Folder
	memory := append(make([]byte, 0, 1<<10), "Exiting execute of Distribute task request"...)
	text := bytes.Clone(memory)
	f.Fold(memory)
	kept := f.Fold(text)
	clear(memory)
	if got := f.Unfold(kept); !bytes.Equal(got, text) {
		t.Errorf("want %q, got %q", text, got)
	}
}
