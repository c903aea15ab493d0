// Package likeness owns the compression of many similar texts in memory: each is
// compressed with the first of them as the dictionary.
//
// It guarantees that Unfold returns the bytes that Fold was given, and that a folded
// text is at most one byte longer than the text. It must never be used for data that
// another process reads: the dictionary is lost with this process.
package likeness

import (
	"bytes"
	"fmt"

	"github.com/klauspost/compress/s2"
)

// Folder compresses texts. The zero value has no dictionary; the first text that is
// long enough becomes it. It is not safe for concurrent use.
type Folder struct {
	pattern *s2.Dict
	scratch []byte
}

// The first byte of a folded text says how it is stored.
const (
	whole  = 0
	folded = 1
)

// Fold compresses text. The text may be changed afterwards.
func (f *Folder) Fold(text []byte) string {
	f.scratch = append(f.scratch[:0], whole)
	if f.pattern == nil {
		f.pattern = s2.MakeDict(bytes.Clone(text), nil) // nil if the text is too short
		return string(append(f.scratch, text...))
	}
	least := 1 + s2.MaxEncodedLen(len(text))
	if cap(f.scratch) < least {
		f.scratch = make([]byte, 1, least)
	}
	if short := f.pattern.Encode(f.scratch[1:least], text); len(short) < len(text) {
		f.scratch[0] = folded
		return string(f.scratch[:1+len(short)])
	}
	return string(append(f.scratch[:1], text...))
}

// Unfold returns the text that Fold was given.
func (f *Folder) Unfold(kept string) []byte {
	if kept[0] == whole {
		return []byte(kept[1:])
	}
	text, err := f.pattern.Decode(nil, []byte(kept[1:]))
	if err != nil {
		panic(fmt.Sprintf("BUG: a text of %d bytes does not unfold: %v", len(kept), err))
	}
	return text
}
