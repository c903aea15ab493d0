package trail

import (
	"bytes"
	"context"
	"testing"
	"time"

	"butler/internal/journal"
	"butler/internal/journal/journaltest"
	"butler/internal/qlik"
	"butler/messages"
)

// page is where the last step is noted.
type page struct{ entry []byte }

func (p *page) Add(entry []byte)                                        { p.entry = bytes.Clone(entry) }
func (p *page) Flush(context.Context) error                             { return nil }
func (p *page) Range(context.Context, func(journal.Record) error) error { return nil }
func (p *page) Tail(context.Context, int, func(journal.Record) error) (bool, error) {
	return false, nil
}

func TestEntry_readsEveryVersion(t *testing.T) {
	at := time.Date(2026, 5, 6, 12, 0, 0, 123_456_000, time.UTC)
	head := Head{Key: "6e9b2c1a-7d7f-4f0e-8a53-0d2b7f7a9a10", ExecutionID: "the scheduler's name", At: at}
	place := messages.EventPosition{Seq: 1 << 40, Index: 127}
	for name, step := range map[string]Entry{
		"decision": &Decision{
			Head: head, Place: place, Family: messages.FamilyDistribute, Received: at.Add(-time.Second), Source: "10.0.0.5", Host: "sense-1",
			TaskID: "task-1", TaskName: "Säles", AppName: "Sales", TaskKnown: true, TaskType: qlik.TaskDistribute,
			Outcome: "alerted", Text: "alert decided", Alert: messages.DistributeTaskFailed,
			Lookups: []Lookup{
				{What: "task", Asked: at, Answered: at, AsOf: at.Add(-time.Minute), Times: 3, Memory: true, Along: "app"},
				{What: "app owner", Asked: at, Times: 1, Stale: true, Failure: "timeout"},
			},
			Degraded:    []string{"the app owner could not be looked up"},
			Notified:    []Notified{{ID: "n1", Instance: "email/reload_task_failed", Recipient: "anna@example.com"}},
			NotNotified: []NotNotified{{Instance: "slack/reload_task_failed", Reason: "no route"}}, More: 2,
		},
		"duplicate": &Duplicate{Head: head, Place: place, Family: messages.FamilyFailed, Received: at, Source: "2001:db8::7"},
		"attempt":   &Attempt{Head: head, Notice: "n1", Instance: "email/reload_task_failed", Number: 3, Took: 1500 * time.Microsecond, Failure: "transient", Err: "421 later"},
		"end": &End{
			Head: head, Notice: "n1", Instance: "email/reload_task_failed", Recipient: "anna@example.com", Alert: messages.ReloadTaskFailed,
			Outcome: messages.NoticeParked, Attempts: 9, Reason: "550 no such user",
		},
		"drop": &Drop{Head: head, Notice: "n1", Instance: "email/reload_task_failed", Recipient: "anna@example.com", Why: ByOperator},
	} {
		write := func(e Entry) []byte {
			var p page
			New(&p).Write(e)
			return p.entry
		}
		journaltest.Record[Entry]{Name: name, Version: version, Want: step, Write: write, Read: decode}.Test(t)
	}
}
