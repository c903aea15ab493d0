package qrs

import (
	"bytes"
	"encoding/json"
)

// maxMetadata bounds a document that is passed on as it came: larger ones are not.
const maxMetadata = 256 << 10

// original is a document together with how the QRS wrote it.
type original[T interface{ key() string }] struct {
	document T
	written  string
}

// UnmarshalJSON implements json.Unmarshaler.
func (o *original[T]) UnmarshalJSON(raw []byte) error {
	var compact bytes.Buffer
	if len(raw) <= maxMetadata && json.Compact(&compact, raw) == nil {
		o.written = compact.String()
	}
	return understand(&cursor{text: raw}, &o.document)
}

func (o original[T]) key() string { return o.document.key() }
