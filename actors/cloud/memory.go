package cloud

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"butler/internal/journal"
	"butler/messages"
)

// The buckets of the ledger. Their keys are reload IDs.
const (
	// bucketOpen holds the events without a decision.
	bucketOpen journal.Bucket = "cloud_open"
	// bucketDone holds the marks of decided reloads, with the time until which to keep them.
	bucketDone journal.Bucket = "cloud_done"
)

// version is the first byte of every value.
const version = 1

// encodeOpen encodes an event. It fails only for a time beyond the year 9999, which JSON
// cannot represent.
func encodeOpen(e messages.CloudEvent) ([]byte, error) {
	text, err := json.Marshal(e)
	return append([]byte{version}, text...), err
}

func decodeOpen(value []byte) (messages.CloudEvent, error) {
	var e messages.CloudEvent
	if len(value) == 0 || value[0] != version {
		return e, fmt.Errorf("read an event of Qlik Cloud: %w", journal.ErrCorrupt)
	}
	if err := json.Unmarshal(value[1:], &e); err != nil {
		return e, fmt.Errorf("read an event of Qlik Cloud: %w: %w", journal.ErrCorrupt, err)
	}
	return e, nil
}

func encodeDone(until time.Time) []byte {
	return binary.BigEndian.AppendUint64([]byte{version}, uint64(until.UnixNano()))
}

// decodeDone decodes a mark. A mark that cannot be decoded counts as expired.
func decodeDone(value []byte) time.Time {
	if len(value) != 9 || value[0] != version {
		return time.Time{}
	}
	return time.Unix(0, int64(binary.BigEndian.Uint64(value[1:])))
}

// damaged is an event that cannot be decoded.
type damaged struct {
	key   string
	value []byte
	err   error
}

// recall reads the ledger. The events are ordered by the time of their arrival.
func recall(l Ledger) (f found, lost []damaged, err error) {
	f.done = map[string]time.Time{}
	err = l.Range(bucketOpen, func(key string, value []byte) bool {
		event, err := decodeOpen(value)
		if err != nil {
			lost = append(lost, damaged{key, slices.Clone(value), err})
			return true
		}
		f.open = append(f.open, openEvent{key: key, event: event})
		return true
	})
	if err == nil {
		err = l.Range(bucketDone, func(key string, value []byte) bool {
			f.done[key] = decodeDone(value)
			return true
		})
	}
	if err != nil {
		return found{}, nil, fmt.Errorf("read the events of Qlik Cloud: %w", err)
	}
	slices.SortFunc(f.open, func(a, b openEvent) int {
		if c := a.event.At.Compare(b.event.At); c != 0 {
			return c
		}
		return strings.Compare(a.key, b.key)
	})
	return f, lost, nil
}

// done returns the changes of the ledger that end an event and mark its reload as decided.
func done(key string, until time.Time) []journal.Op {
	return []journal.Op{{Bucket: bucketOpen, Key: key}, {Bucket: bucketDone, Key: key, Value: encodeDone(until)}}
}

// Undecided returns how many events wait for a decision. It is for a service that
// has no actor for them.
func Undecided(l Ledger) (n int, err error) {
	err = l.Range(bucketOpen, func(string, []byte) bool {
		n++
		return true
	})
	return n, err
}
