package execution

import (
	"encoding/json"
	"os"
	"testing"
	"time"

	"butler/messages"
)

// FuzzResume: whatever a snapshot holds, an execution is taken up or refused, and
// what a machine that took it up would keep is taken up again.
func FuzzResume(f *testing.F) {
	raw, err := os.ReadFile("testdata/v1/snapshot")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(raw, false)
	f.Add(raw, true)
	f.Add([]byte(`{"v":1,"follows":[{"follow":{"since":"9999-12-31T23:59:59Z"}}]}`), false)
	now := time.Date(2026, 5, 6, 12, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, raw []byte, bare bool) {
		resume := func(raw []byte) (*Machine, error) {
			m := NewMachine(rules(everyKind(everything)), messages.Ref{})
			_, err := m.Resume(now, messages.ResumeExecution{Key: "exec-1", Snapshot: raw, Bare: bare}, 0.5)
			return m, err
		}
		m, err := resume(raw)
		if err != nil {
			return
		}
		kept := m.snapshot()
		if kept == nil || bare {
			return
		}
		if !json.Valid(kept) {
			t.Fatalf("want a document, got %q", kept)
		}
		if _, err := resume(kept); err != nil {
			t.Errorf("want what was taken up to be taken up again, got %v: %s", err, kept)
		}
	})
}
