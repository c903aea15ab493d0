package journal

import "encoding/binary"

// slot is the index entry of a live key. It is stored as sequence number, entry and
// size (each uvarint), followed by the value if size <= inlineValue.
type slot struct {
	seq   Seq
	entry uint32
	size  uint32 // of the value, in bytes
	// inline is the stored value, which aliases the index.
	inline []byte
}

func (s *slot) at() place { return place{s.seq, s.entry} }

// slotHead bounds the size of a stored slot without the value.
const slotHead = binary.MaxVarintLen64 + 2*binary.MaxVarintLen32

// appendSlot appends the slot of a value at a place.
func appendSlot(buf []byte, at place, value []byte) []byte {
	buf = binary.AppendUvarint(buf, uint64(at.seq))
	buf = binary.AppendUvarint(buf, uint64(at.entry))
	buf = binary.AppendUvarint(buf, uint64(len(value)))
	if len(value) <= inlineValue {
		buf = append(buf, value...)
	}
	return buf
}

// readSlot decodes a slot encoded by appendSlot.
func readSlot(raw []byte) slot {
	seq, n := binary.Uvarint(raw)
	entry, m := binary.Uvarint(raw[n:])
	size, k := binary.Uvarint(raw[n+m:])
	return slot{seq: Seq(seq), entry: uint32(entry), size: uint32(size), inline: raw[n+m+k:]}
}
