package outbox

import (
	"encoding/binary"
	"fmt"
	"time"

	"butler/internal/journal"
	"butler/messages"
)

// The buckets of what is remembered of executions, by execution key.
const (
	// BucketSeen holds what was seen of an execution, so that nobody is told twice.
	BucketSeen journal.Bucket = "seen"
	// BucketState holds the snapshot of an execution that lives on.
	BucketState journal.Bucket = "state"
)

// seenVersion is the first byte of a record in BucketSeen.
const seenVersion = 1

// seenSize is its length: version, classes, kinds, until (ns), sequence.
const seenSize = 1 + 1 + 2 + 8 + 8

// EncodeSeen returns the durable form of s.
func EncodeSeen(s messages.Seen) []byte {
	out := make([]byte, 0, seenSize)
	out = append(out, seenVersion, s.Classes)
	out = binary.BigEndian.AppendUint16(out, s.Kinds)
	out = binary.BigEndian.AppendUint64(out, uint64(s.Until.UnixNano()))
	return binary.BigEndian.AppendUint64(out, s.Seq)
}

// DecodeSeen reads what EncodeSeen wrote; any other input is an error.
func DecodeSeen(raw []byte) (messages.Seen, error) {
	if len(raw) != seenSize || raw[0] != seenVersion {
		return messages.Seen{}, fmt.Errorf("read what was seen of an execution: %w", journal.ErrCorrupt)
	}
	return messages.Seen{
		Classes: raw[1],
		Kinds:   binary.BigEndian.Uint16(raw[2:]),
		Until:   time.Unix(0, int64(binary.BigEndian.Uint64(raw[4:]))).UTC(),
		Seq:     binary.BigEndian.Uint64(raw[12:]),
	}, nil
}
