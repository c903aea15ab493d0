package schedule

import (
	"encoding/json"
	"fmt"
	"time"

	"butler/internal/journal"
)

// bucket is the ledger bucket of the marks.
const bucket journal.Bucket = "schedule"

// Ledger stores the marks durably; *journal.Ledger implements it.
type Ledger interface {
	Commit(ops []journal.Op, done func(error))
	Range(b journal.Bucket, visit func(key string, value []byte) bool) error
}

// mark is the time up to which the runs of a schedule are done. It is valid only while
// the schedule has the due times of Spec.
type mark struct {
	ID   string    `json:"id"`
	Spec string    `json:"spec"`
	At   time.Time `json:"at"`
}

// recall returns the marks in the ledger. Marks that cannot be decoded are left out.
func recall(l Ledger) (map[string]mark, error) {
	marks := map[string]mark{}
	if l == nil {
		return marks, nil
	}
	err := l.Range(bucket, func(key string, value []byte) bool {
		var m mark
		if json.Unmarshal(value, &m) == nil && m.ID == key {
			marks[key] = m
		}
		return true
	})
	if err != nil {
		return nil, fmt.Errorf("read which runs are done: %w", err)
	}
	return marks, nil
}

// keep stores a mark without waiting for it: when it is lost, a run is repeated.
func keep(l Ledger, m mark) {
	if l == nil {
		return
	}
	m.At = m.At.UTC()
	value, err := json.Marshal(m)
	if err != nil {
		return // a year that JSON cannot represent
	}
	l.Commit([]journal.Op{{Bucket: bucket, Key: m.ID, Value: value}}, func(error) {})
}

// drop deletes the mark of a schedule.
func drop(l Ledger, id string) {
	if l != nil {
		l.Commit([]journal.Op{{Bucket: bucket, Key: id}}, func(error) {})
	}
}
