package schedule

import (
	"encoding/json"
	"fmt"
	"time"

	"butler/internal/journal"
)

// bucket is where the marks are in the ledger.
const bucket journal.Bucket = "schedule"

// Ledger is the durable memory of the scheduler; *journal.Ledger is the one in use.
type Ledger interface {
	Commit(ops []journal.Op, done func(error))
	Range(b journal.Bucket, visit func(key string, value []byte) bool) error
}

// mark says up to when the runs of a schedule are dealt with. It holds for the
// times that Spec stands for only.
type mark struct {
	ID   string    `json:"id"`
	Spec string    `json:"spec"`
	At   time.Time `json:"at"`
}

// recall returns the marks that the ledger holds. One that cannot be read counts as none.
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

// keep writes a mark. Nobody waits for it: when it is lost, a run is repeated.
func keep(l Ledger, m mark) {
	if l == nil {
		return
	}
	m.At = m.At.UTC()
	value, err := json.Marshal(m)
	if err != nil {
		return // a time outside the years that JSON knows, which no clock gives
	}
	l.Commit([]journal.Op{{Bucket: bucket, Key: m.ID, Value: value}}, func(error) {})
}

// drop removes the mark of a schedule that is no more.
func drop(l Ledger, id string) {
	if l != nil {
		l.Commit([]journal.Op{{Bucket: bucket, Key: id}}, func(error) {})
	}
}
