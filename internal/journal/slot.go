package journal

import "encoding/binary"

// slot is the index entry of a live key. It is stored as bytes: sequence, entry and
// size (uvarint), followed by the value if size <= inlineValue.
type slot struct {
	seq   Seq
	entry uint32
	size  uint32 // of the value
	// inline aliases the index.
	inline []byte
}

func (s *slot) at() place { return place{s.seq, s.entry} }

// slotHead bounds what stands before the value.
const slotHead = binary.MaxVarintLen64 + 2*binary.MaxVarintLen32

// appendSlot appends a slot for a value at a place.
func appendSlot(buf []byte, at place, value []byte) []byte {
	buf = binary.AppendUvarint(buf, uint64(at.seq))
	buf = binary.AppendUvarint(buf, uint64(at.entry))
	buf = binary.AppendUvarint(buf, uint64(len(value)))
	if len(value) <= inlineValue {
		buf = append(buf, value...)
	}
	return buf
}

// readSlot reads what appendSlot wrote.
func readSlot(raw []byte) slot {
	seq, n := binary.Uvarint(raw)
	entry, m := binary.Uvarint(raw[n:])
	size, k := binary.Uvarint(raw[n+m:])
	return slot{seq: Seq(seq), entry: uint32(entry), size: uint32(size), inline: raw[n+m+k:]}
}
