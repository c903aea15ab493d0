package kv

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"butler/internal/journal"
)

// FuzzDecode checks that any input either fails with ErrCorrupt, or decodes to a key, a
// namespace or a value that is encoded as the same bytes.
func FuzzDecode(f *testing.F) {
	for _, name := range []string{"namespace", "value"} {
		raw, err := os.ReadFile(filepath.Join("testdata", "v1", name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	f.Add([]byte(valueKey(7, "a\x00b")))
	f.Fuzz(func(t *testing.T, raw []byte) {
		wants := func(what string, err error, written func() []byte) {
			if err != nil && !errors.Is(err, journal.ErrCorrupt) {
				t.Errorf("%s: want ErrCorrupt, got %v", what, err)
			}
			if err == nil && !bytes.Equal(written(), raw) {
				t.Errorf("%s: %x is written as %x", what, raw, written())
			}
		}
		id, key, err := splitKey(string(raw))
		wants("key", err, func() []byte { return []byte(valueKey(id, key)) })
		name, err := decodeNamespace(raw)
		wants("namespace", err, func() []byte { return encodeNamespace(name) })
		value, err := decodeValue("k", raw)
		wants("value", err, func() []byte { return encodeValue(value) })
	})
}
