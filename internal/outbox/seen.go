package outbox

import (
	"encoding/binary"
	"fmt"
	"math"
	"time"

	"butler/internal/journal"
	"butler/messages"
)

// The buckets for the state of executions, by execution key.
const (
	// BucketSeen holds the events and alerts of an execution that were handled, so that
	// none is alerted twice.
	BucketSeen journal.Bucket = "seen"
	// BucketState holds the snapshot of an execution that follows a distribute task.
	BucketState journal.Bucket = "state"
	// BucketTrial holds the number of crashes of an execution that is retried, so that one
	// that crashes the process is not retried forever.
	BucketTrial journal.Bucket = "trial"
)

// seenVersion is the first byte of a record in BucketSeen.
const seenVersion = 1

// seenSize is the length of a record in bytes: version, families, kinds, until (ns), sequence.
const seenSize = 1 + 1 + 2 + 8 + 8

// EncodeSeen returns the durable form of s.
func EncodeSeen(s messages.Seen) []byte {
	out := make([]byte, 0, seenSize)
	out = append(out, seenVersion, s.Families)
	out = binary.BigEndian.AppendUint16(out, s.Kinds)
	out = binary.BigEndian.AppendUint64(out, uint64(s.Until.UnixNano()))
	return binary.BigEndian.AppendUint64(out, s.Seq)
}

// DecodeSeen decodes the output of EncodeSeen. The error is journal.ErrCorrupt.
func DecodeSeen(raw []byte) (messages.Seen, error) {
	if len(raw) != seenSize || raw[0] != seenVersion {
		return messages.Seen{}, fmt.Errorf("read what was seen of an execution: %w", journal.ErrCorrupt)
	}
	return messages.Seen{
		Families: raw[1],
		Kinds:    binary.BigEndian.Uint16(raw[2:]),
		Until:    time.Unix(0, int64(binary.BigEndian.Uint64(raw[4:]))).UTC(),
		Seq:      binary.BigEndian.Uint64(raw[12:]),
	}, nil
}

// NewestSeen returns the highest sequence number in BucketSeen, which is that of a record
// of the events log; 0 if the bucket is empty.
func NewestSeen(ledger Ledger) (journal.Seq, error) {
	newest := uint64(0)
	err := ledger.Range(BucketSeen, func(_ string, raw []byte) bool {
		if seen, err := DecodeSeen(raw); err == nil {
			newest = max(newest, seen.Seq)
		}
		return true
	})
	if err != nil {
		return 0, fmt.Errorf("read what was seen of executions: %w", err)
	}
	return journal.Seq(newest), nil
}

// trialVersion is the first byte of a record in BucketTrial, trialSize its length in
// bytes: version, crashes, underway.
const (
	trialVersion = 1
	trialSize    = 3
)

// Trial is the stored state of an execution that is retried.
type Trial struct {
	// Crashes counts the attempts that ended in a crash.
	Crashes int
	// Underway means that another attempt has begun. If the process crashed during it,
	// that counts as a crash, too.
	Underway bool
}

// EncodeTrial returns the durable form of t.
func EncodeTrial(t Trial) []byte {
	out := []byte{trialVersion, byte(min(t.Crashes, math.MaxUint8)), 0}
	if t.Underway {
		out[2] = 1
	}
	return out
}

// DecodeTrial decodes the output of EncodeTrial. The error is journal.ErrCorrupt.
func DecodeTrial(raw []byte) (Trial, error) {
	if len(raw) != trialSize || raw[0] != trialVersion || raw[2] > 1 {
		return Trial{}, fmt.Errorf("read the trial of an execution: %w", journal.ErrCorrupt)
	}
	return Trial{Crashes: int(raw[1]), Underway: raw[2] == 1}, nil
}
