package trail_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"butler/internal/trail"
	"butler/messages"
)

func TestTrail_listsTheNewestDecisions(t *testing.T) {
	steps, notes := open(t)
	const decisions = 100
	for i := range decisions {
		d := decision(fmt.Sprintf("execution-%d", i))
		d.At = noon.Add(time.Duration(i) * time.Second)
		steps.Write(d)
		steps.Write(&trail.Attempt{Head: d.Head, Notice: "n1", Instance: "email/x", Number: 1})
		if err := notes.Flush(t.Context()); err != nil { // each is in a record of its own
			t.Fatal(err)
		}
	}
	for _, limit := range []int{-1, 0, 1, 50, 1000} {
		got, err := steps.Latest(t.Context(), limit)
		if want := min(max(limit, 0), decisions); err != nil || len(got) != want {
			t.Fatalf("limit %d: want %d decisions, got %d, %v", limit, want, len(got), err)
		}
		for i, h := range got {
			if want := fmt.Sprintf("execution-%d", decisions-1-i); h.ExecutionID != want {
				t.Fatalf("limit %d: want %s at place %d, got %s", limit, want, i, h.ExecutionID)
			}
		}
	}
	got, err := steps.Latest(t.Context(), 1)
	want := []trail.Headline{{
		At: noon.Add((decisions - 1) * time.Second), ExecutionID: "execution-99", TaskName: "Daily sales", Event: messages.FamilyFailed.String(),
		Summary: "alert decided: reload_task_failed, notified 1, not notified 1",
	}}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

func TestTrail_ofOneRecordListsItsNewestDecisions(t *testing.T) {
	steps, _ := open(t)
	for i := range 10 {
		steps.Write(decision(fmt.Sprintf("execution-%d", i)))
	}
	got, err := steps.Latest(t.Context(), 2)
	if err != nil || len(got) != 2 || got[0].ExecutionID != "execution-9" || got[1].ExecutionID != "execution-8" {
		t.Errorf("want the last two, got %v, %v", got, err)
	}
}

func TestTrail_thatRecordsNothingHasNoDecisions(t *testing.T) {
	var none *trail.Trail
	if got, err := none.Latest(t.Context(), 10); err != nil || got == nil || len(got) != 0 {
		t.Errorf("want an empty list, got %v, %v", got, err)
	}
}
