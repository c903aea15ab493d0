package trail

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// FuzzDecode: what can be read can be written, and is read again as the same. Whether
// an entry names an execution is asked of bytes that nobody has checked.
func FuzzDecode(f *testing.F) {
	for _, name := range []string{"decision", "duplicate", "attempt", "end"} {
		raw, err := os.ReadFile(filepath.Join("testdata", "v1", name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		about(raw, [][]byte{[]byte("the scheduler's name"), nil})
		e, err := decode(raw)
		if err != nil {
			return
		}
		var first, second page
		New(&first).Write(e)
		again, err := decode(first.entry)
		if err != nil {
			t.Fatalf("want what was read to be readable once written, got %v: %x", err, first.entry)
		}
		New(&second).Write(again)
		if !bytes.Equal(first.entry, second.entry) {
			t.Errorf("%x is read and written as %x, and then as %x", raw, first.entry, second.entry)
		}
	})
}
