package execution

import (
	"encoding/json"
	"testing"
	"time"

	"butler/internal/journal/journaltest"
	"butler/internal/qlik"
	"butler/messages"
)

func TestSnapshot_readsEveryVersion(t *testing.T) {
	at := time.Date(2026, 5, 6, 12, 0, 0, 123_456_000, time.UTC)
	event := messages.TaskEvent{
		Family: messages.FamilyDistribute, MessageType: "/scheduler-distribute/", HostName: "sense-1", TaskName: "Distribute «Säles»",
		User: `LAB\anna`, TaskID: "0d815a99-0b1e-4cb1-9c1c-4a4e3a8f1b11", LogTimestamp: "2026-05-06 14:00:00,123", LogLevel: "INFO",
		ExecutionID: "exec-1", LogMessage: "boom <&>", Source: "10.0.0.7", At: at, Sanitised: true,
	}
	early := event
	early.At, early.LogMessage = at.Add(-time.Minute), ""
	resumed := func(raw []byte, bare bool) (*Machine, error) {
		m := NewMachine(rules(everyKind(everything)), messages.Ref{})
		_, err := m.Resume(at.Add(time.Hour), messages.ResumeExecution{Key: "exec-1", Snapshot: raw, Bare: bare}, 0.5)
		return m, err
	}
	journaltest.Record[Snapshot]{
		Name: "snapshot", Version: snapshotVersion, Want: Snapshot{Version: snapshotVersion, Follows: []FollowedEvent{
			{Event: early, Follow: following{Since: early.At, Status: qlik.StatusUnknown}},
			{Event: event, Follow: following{Since: at, ResultID: "1f0c5a2c-7d9e-4b6f-8a01-000000000001", Status: qlik.StatusStarted}},
		}},
		Write: func(s Snapshot) []byte {
			raw, err := json.Marshal(s)
			if err != nil {
				t.Fatal(err)
			}
			return raw
		},
		// What a machine that took it up would write again is what it read.
		Read: func(raw []byte) (Snapshot, error) {
			if _, err := resumed(raw, true); err != nil {
				t.Errorf("want an end of the following to be possible, too, got %v", err)
			}
			m, err := resumed(raw, false)
			if err != nil {
				return Snapshot{}, err
			}
			var again Snapshot
			err = json.Unmarshal(m.snapshot(), &again)
			return again, err
		},
	}.Test(t)
}
