// Package wire owns the binary encoding of journal records: their fields one after the
// other, in the order in which a layout function names them. The same function encodes
// and decodes, so that the two cannot differ.
//
// It guarantees that decoding arbitrary bytes does not panic and allocates no more
// memory than their length justifies. It must never know a record type or a version.
//
// It is used for the records that are written for every event, because their encoding as
// JSON took a third of the time of a decision.
package wire

import (
	"encoding/binary"
	"errors"
	"math"
	"time"
)

// Wire encodes or decodes one record. Get one from Writer or Reader.
type Wire struct {
	// data is the input that is still to be read, or the output so far.
	data []byte
	// text is a copy of the whole input. The decoded texts are substrings of it, so that
	// they need one allocation together.
	text    string
	reading bool
	err     error
}

var (
	errShort = errors.New("entry is cut off")
	errLong  = errors.New("something follows the entry")
)

// Writer returns a wire that appends to buf.
func Writer(buf []byte) Wire { return Wire{data: buf} }

// Reader returns a wire that decodes raw. Each decoded text keeps a copy of the whole
// input in memory.
func Reader(raw []byte) Wire { return Wire{data: raw, text: string(raw), reading: true} }

// Bytes returns the buffer that was given to Writer with the encoded fields appended.
func (w *Wire) Bytes() []byte { return w.data }

// More reports whether there is more input to decode. It is false when encoding.
func (w *Wire) More() bool { return w.reading && len(w.data) > 0 }

// Finish returns the first error of decoding: the input was too short, invalid, or
// longer than the record.
func (w *Wire) Finish() error {
	if w.err == nil && w.More() {
		w.fail(errLong)
	}
	return w.err
}

func (w *Wire) fail(err error) {
	if w.err == nil {
		w.err = err
	}
	w.data = nil
}

// take returns the next n bytes of the input. If there are fewer, it fails and returns nil.
func (w *Wire) take(n uint64) []byte {
	if n > uint64(len(w.data)) {
		w.fail(errShort)
		return nil
	}
	out := w.data[:n]
	w.data = w.data[n:]
	return out
}

// size encodes or decodes a length.
func (w *Wire) size(n *uint64) {
	if !w.reading {
		w.data = binary.AppendUvarint(w.data, *n)
		return
	}
	value, length := binary.Uvarint(w.data)
	if length <= 0 {
		w.fail(errShort)
		return
	}
	*n, w.data = value, w.data[length:]
}

// Texts encodes or decodes text fields.
func Texts(w *Wire, fields ...*string) {
	if w.reading {
		for _, field := range fields {
			Text(w, field)
		}
		return
	}
	data := w.data
	for _, field := range fields {
		if text := *field; len(text) < 0x80 {
			data = append(append(data, byte(len(text))), text...)
		} else {
			data = append(binary.AppendUvarint(data, uint64(len(text))), text...)
		}
	}
	w.data = data
}

// Text encodes or decodes a text field.
func Text[S ~string](w *Wire, field *S) {
	if !w.reading {
		if len(*field) < 0x80 { // a length of one byte
			w.data = append(append(w.data, byte(len(*field))), *field...)
			return
		}
		w.data = append(binary.AppendUvarint(w.data, uint64(len(*field))), *field...)
		return
	}
	var n uint64
	w.size(&n)
	length, end := len(w.take(n)), len(w.text)-len(w.data)
	*field = S(w.text[end-length : end])
}

// Number encodes or decodes an integer field. It fails for a value that N cannot hold.
func Number[N ~int | ~int64 | ~uint8](w *Wire, field *N) {
	if !w.reading {
		w.data = binary.AppendVarint(w.data, int64(*field))
		return
	}
	value, length := binary.Varint(w.data)
	if length <= 0 || int64(N(value)) != value {
		w.fail(errShort)
		return
	}
	*field, w.data = N(value), w.data[length:]
}

// Flags encodes or decodes boolean fields.
func Flags(w *Wire, fields ...*bool) {
	for _, field := range fields {
		var n uint8
		if *field {
			n = 1
		}
		if !w.reading {
			w.data = append(w.data, n<<1) // the varint encoding that Number reads
			continue
		}
		Number(w, &n)
		*field = n == 1
	}
}

// Fraction encodes or decodes a floating-point field.
func Fraction(w *Wire, field *float64) {
	if !w.reading {
		w.data = binary.BigEndian.AppendUint64(w.data, math.Float64bits(*field))
		return
	}
	if raw := w.take(8); raw != nil {
		*field = math.Float64frombits(binary.BigEndian.Uint64(raw))
	}
}

// Moment encodes or decodes a time field with the offset of its zone.
func Moment(w *Wire, field *time.Time) {
	if w.reading {
		var n uint64
		w.size(&n)
		if err := field.UnmarshalBinary(w.take(n)); err != nil {
			w.fail(err)
		}
		return
	}
	at := len(w.data)
	var err error
	if w.data, err = field.AppendBinary(append(w.data, 0)); err != nil { // the offset of the zone cannot be encoded
		w.data, _ = field.UTC().AppendBinary(w.data[:at+1])
	}
	w.data[at] = byte(len(w.data) - at - 1)
}

// Items encodes or decodes a slice field by calling item for each element. An empty slice
// is decoded as nil.
func Items[T any](w *Wire, field *[]T, item func(*Wire, *T)) {
	n := uint64(len(*field))
	w.size(&n)
	if w.reading {
		if n > uint64(len(w.data)) { // an item takes a byte at least
			w.fail(errShort)
			return
		}
		*field = nil
		if n > 0 {
			*field = make([]T, n)
		}
	}
	for i := range *field {
		item(w, &(*field)[i])
	}
}
