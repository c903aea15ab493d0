package schedule

import (
	"fmt"
	"testing"
	"time"

	"butler/internal/journal"
	"butler/internal/journal/journaltest"
)

// slip is a ledger with room for one entry.
type slip struct{ op journal.Op }

func (s *slip) Commit(ops []journal.Op, _ func(error)) { s.op = ops[0] }

func (s *slip) Range(_ journal.Bucket, visit func(key string, value []byte) bool) error {
	visit(s.op.Key, s.op.Value)
	return nil
}

func TestMemory_readsEveryVersion(t *testing.T) {
	want := mark{ID: "nightly", Spec: "0 2 * * * in Europe/Stockholm", At: time.Date(2026, 5, 6, 0, 0, 0, 0, time.UTC)}
	journaltest.Record[mark]{
		Name: "mark", Version: 1, Want: want,
		Write: func(m mark) []byte {
			var s slip
			keep(&s, m)
			return s.op.Value
		},
		Read: func(raw []byte) (mark, error) {
			marks, err := recall(&slip{journal.Op{Key: want.ID, Value: raw}})
			if len(marks) != 1 {
				return mark{}, fmt.Errorf("%d marks are read: %w", len(marks), err)
			}
			return marks[want.ID], err
		},
	}.Test(t)
}
