package trail_test

import (
	"context"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"butler/internal/journal"
	"butler/internal/journal/memory"
	"butler/internal/qlik"
	"butler/internal/trail"
	"butler/messages"
)

var noon = time.Date(2026, 5, 6, 12, 0, 0, 0, time.UTC)

// decision is one as most of them are.
func decision(key string) *trail.Decision {
	return &trail.Decision{
		Head:  trail.Head{Key: messages.ExecutionKey(key), ExecutionID: key, At: noon.Add(2 * time.Millisecond)},
		Place: messages.EventPosition{Seq: 7, Index: 3}, Family: messages.FamilyFailed, Received: noon, Source: "10.0.0.5",
		Host: "sense-1", TaskID: "0d815a99-0b1e-4cb1-9c1c-4a4e3a8f1b11", TaskName: "Daily sales", AppName: "Sales",
		TaskKnown: true, TaskType: qlik.TaskReload, Outcome: "alerted", Text: "alert decided", Alert: messages.ReloadTaskFailed,
		Lookups:     []trail.Lookup{{What: "task", Asked: noon, Answered: noon, AsOf: noon.Add(-3 * time.Second), Memory: true, Times: 1, Along: "app"}},
		Notified:    []trail.Notified{{ID: "1f0c5a2c7d9e4b6f8a01", Instance: "webhook/reload_task_failed/1"}},
		NotNotified: []trail.NotNotified{{Instance: "slack/reload_task_failed", Reason: "the app owner is not on the list"}},
	}
}

func open(tb testing.TB) (*trail.Trail, *journal.Notes) {
	tb.Helper()
	log, err := memory.New().Open(context.Background(), "trail", journal.Limits{})
	if err != nil {
		tb.Fatal(err)
	}
	notes := journal.OpenNotes(context.Background(), log, journal.NotesOptions{KeepFor: time.Hour, KeepBytes: 64 << 20})
	tb.Cleanup(func() { _ = notes.Close(context.Background()) })
	return trail.New(notes), notes
}

func find(t *testing.T, steps *trail.Trail, names ...string) trail.Found {
	t.Helper()
	found, err := steps.Find(t.Context(), names, 100)
	if err != nil {
		t.Fatalf("find %v: %v", names, err)
	}
	return found
}

func TestTrail_findsWhatWasNoted(t *testing.T) {
	steps, _ := open(t)
	key := "6e9b2c1a-7d7f-4f0e-8a53-0d2b7f7a9a10"
	head := trail.Head{Key: messages.ExecutionKey(key), At: noon}
	written := []trail.Entry{
		decision(key),
		&trail.Duplicate{Head: head, Place: messages.EventPosition{Seq: 8}, Family: messages.FamilyFailed, Received: noon, Source: "10.0.0.6"},
		&trail.Attempt{Head: head, Notice: "n1", Instance: "email/x", Number: 2, Took: time.Second, Failure: "timeout", Err: "no answer"},
		&trail.End{Head: head, Notice: "n1", Instance: "email/x", Recipient: "a@b", Alert: messages.ReloadTaskFailed, Outcome: messages.NoticeParked, Attempts: 3, Reason: "no"},
		&trail.Drop{Head: head, Notice: "n1", Instance: "email/x", Recipient: "a@b", Why: trail.ByOperator},
	}
	for _, e := range written {
		steps.Write(e)
		steps.Write(decision("another execution"))
	}
	got := find(t, steps, strings.ToUpper(key))
	if diff := cmp.Diff(written, got.Entries); diff != "" {
		t.Errorf("found (-want +got):\n%s", diff)
	}
	if got.Unreadable != 0 || got.Since.IsZero() {
		t.Errorf("unreadable %d, since %v", got.Unreadable, got.Since)
	}
}

func TestTrail_findsByExecutionIDWhatHasAnotherKey(t *testing.T) {
	steps, _ := open(t)
	d := decision("event/7/3")
	d.ExecutionID = "6e9b2c1a"
	steps.Write(d)
	for _, name := range []string{"event/7/3", "6E9B2C1A"} {
		if got := find(t, steps, name); len(got.Entries) != 1 {
			t.Errorf("%s: found %d entries, want 1", name, len(got.Entries))
		}
	}
	if got := find(t, steps, "6e9b2c1"); len(got.Entries) != 0 {
		t.Error("a part of an ID was taken for the whole")
	}
}

func TestTrail_boundsWhatAnEntrySays(t *testing.T) {
	steps, _ := open(t)
	d := decision("key")
	d.TaskName = strings.Repeat("ü", 1000)
	for i := range 1000 {
		d.NotNotified = append(d.NotNotified, trail.NotNotified{Instance: fmt.Sprint(i), Reason: strings.Repeat("x", 1000)})
	}
	steps.Write(d)
	got := find(t, steps, "key").Entries[0].(*trail.Decision)
	if len(got.TaskName) != 300 || len(got.NotNotified) != 100 || got.More != 901 || len(got.NotNotified[5].Reason) != 300 {
		t.Errorf("kept %d bytes of a name, %d omissions and %d more", len(got.TaskName), len(got.NotNotified), got.More)
	}
}

func TestTrail_passesOverWhatItCannotRead(t *testing.T) {
	steps, notes := open(t)
	notes.Add([]byte{9, 1, 3, 'k', 'e', 'y', 0, 2}) // of a later release
	notes.Add([]byte{1, 1, 3, 'k', 'e', 'y', 0, 2}) // cut off
	notes.Add([]byte{1})
	steps.Write(decision("key"))
	if got := find(t, steps, "key"); len(got.Entries) != 1 || got.Unreadable != 2 {
		t.Errorf("found %d entries and %d that cannot be read, want 1 and 2", len(got.Entries), got.Unreadable)
	}
}

func TestTrail_ofNobodyNotesAndFindsNothing(t *testing.T) {
	var steps *trail.Trail
	steps.Write(decision("key"))
	if got := find(t, steps, "key"); !reflect.DeepEqual(got, trail.Found{}) {
		t.Errorf("found %+v", got)
	}
}

// BenchmarkTrail is what a decision costs more because it can be explained.
func BenchmarkTrail(b *testing.B) {
	steps, _ := open(b)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		steps.Write(decision("6e9b2c1a-7d7f-4f0e-8a53-0d2b7f7a9a10"))
	}
}
