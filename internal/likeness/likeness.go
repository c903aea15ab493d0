// Package likeness owns texts that are kept in great number and are much alike:
// each is kept as what it does not have in common with the first of them.
//
// It guarantees that what was folded unfolds to the same bytes, and that a text is
// never kept longer than it is by more than a byte. It must never be used for what
// another process reads: the pattern ends with this one.
package likeness

import (
	"bytes"
	"fmt"

	"github.com/klauspost/compress/s2"
)

// Folder folds texts. The zero value has no pattern yet; it takes the first text
// that can be one. It is not safe for concurrent use.
type Folder struct {
	pattern *s2.Dict
	scratch []byte
}

// How a text is kept, which its first byte says.
const (
	whole  = 0
	folded = 1
)

// Fold returns text as it is kept. The text may be changed afterwards.
func (f *Folder) Fold(text []byte) string {
	f.scratch = append(f.scratch[:0], whole)
	if f.pattern == nil {
		f.pattern = s2.MakeDict(bytes.Clone(text), nil) // nil where it is too short to be one
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
