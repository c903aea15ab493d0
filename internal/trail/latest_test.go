package trail_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"butler/internal/outbox"
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
		got, err := steps.Decisions(t.Context(), trail.Query{Limit: limit})
		if want := min(max(limit, 0), decisions); err != nil || len(got) != want {
			t.Fatalf("limit %d: want %d decisions, got %d, %v", limit, want, len(got), err)
		}
		for i, h := range got {
			if want := fmt.Sprintf("execution-%d", decisions-1-i); string(h.Key) != want {
				t.Fatalf("limit %d: want %s at place %d, got %s", limit, want, i, h.Key)
			}
		}
	}
}

func TestTrail_selectsDecisions(t *testing.T) {
	steps, _ := open(t)
	for i := range 2000 {
		d := decision(fmt.Sprintf("execution-%d", i))
		d.At = noon.Add(time.Duration(i) * time.Second)
		if i == 3 || i == 5 {
			d.TaskName, d.TaskID = "Nightly FINANCE", "1111"
		}
		if i == 5 {
			d.Family = messages.FamilyAborted
		}
		steps.Write(d)
	}
	for name, row := range map[string]struct {
		query trail.Query
		want  []string
	}{
		"by a part of the name":  {trail.Query{Limit: 10, Task: "finance"}, []string{"execution-5", "execution-3"}},
		"by the ID of the task":  {trail.Query{Limit: 10, Task: "1111"}, []string{"execution-5", "execution-3"}},
		"no more than the limit": {trail.Query{Limit: 1, Task: "1111"}, []string{"execution-5"}},
		"by event":               {trail.Query{Limit: 10, Event: "aborted"}, []string{"execution-5"}},
		"by time":                {trail.Query{Limit: 2, Before: noon.Add(2 * time.Second)}, []string{"execution-1", "execution-0"}},
		"by all of them":         {trail.Query{Limit: 10, Task: "finance", Event: "failed", Before: noon.Add(5 * time.Second)}, []string{"execution-3"}},
		"none":                   {trail.Query{Limit: 10, Task: "11"}, nil},
	} {
		decisions, err := steps.Decisions(t.Context(), row.query)
		var got []string
		for _, d := range decisions {
			got = append(got, string(d.Key))
		}
		if !slices.Equal(got, row.want) || err != nil {
			t.Errorf("%s: want %v, got %v, %v", name, row.want, got, err)
		}
	}
}

func TestQuery_pagesThroughDecisionsOfTheSameTime(t *testing.T) {
	steps, notes := open(t)
	var want []string
	for i, second := range []int{0, 1, 1, 1, 1, 1, 1, 1, 2, 2, 3} {
		d := decision(fmt.Sprint("execution-", i))
		d.At = noon.Add(time.Duration(second) * time.Second)
		steps.Write(d)
		want = append(want, string(d.Key))
		if err := notes.Flush(t.Context()); err != nil { // each is in a record of its own
			t.Fatal(err)
		}
	}
	slices.Reverse(want)
	for limit := 1; limit <= len(want)+1; limit++ {
		var got []string
		for query, more := (trail.Query{Limit: limit}), true; more; {
			page, err := steps.Decisions(t.Context(), query)
			if err != nil || len(page) > limit || len(got) > len(want) {
				t.Fatalf("limit %d: want pages up to it, got %d after %v, %v", limit, len(page), got, err)
			}
			var list []trail.Headline
			for _, d := range page {
				got = append(got, string(d.Key))
				list = append(list, trail.Headline{At: d.At})
			}
			query, more = query.Older(list)
		}
		if !slices.Equal(got, want) {
			t.Errorf("limit %d: want every decision once, %v, got %v", limit, want, got)
		}
	}
}

func TestTrail_leavesOutRoutineSuccesses(t *testing.T) {
	steps, _ := open(t)
	for i, id := range []string{"routine", "of no task", "left out", "told"} {
		d := decision(id)
		d.Family, d.At = messages.FamilySucceeded, noon.Add(time.Duration(i)*time.Second)
		if id != "told" {
			d.Notified = nil
		}
		if id == "of no task" {
			d.Alert, d.NotNotified, d.Outcome = "", nil, "task_not_found"
		}
		if id == "routine" {
			d.Alert, d.NotNotified, d.Outcome = "", nil, trail.NoRoute
		}
		steps.Write(d)
	}
	for want, query := range map[string]trail.Query{
		"[told left out of no task]":          {Limit: 10},
		"[told left out of no task routine]":  {Limit: 10, Event: "succeeded"},
		"[told left out of no task routine ]": {Limit: 10, Task: "daily"},
	} {
		list, err := steps.Decisions(t.Context(), query)
		var got []string
		for _, d := range list {
			got = append(got, string(d.Key))
		}
		if err != nil || fmt.Sprint(got) != strings.Replace(want, " ]", "]", 1) {
			t.Errorf("%+v: want %s, got %v, %v", query, want, got, err)
		}
	}
}

func TestTrail_looksAtTheNewestStepsAtAGlance(t *testing.T) {
	steps, notes := open(t)
	steps.Write(decision("failed long ago"))
	routine := decision("routine")
	routine.Family, routine.Outcome = messages.FamilySucceeded, trail.NoRoute
	for range 9000 { // more records than are searched at a glance
		if err := notes.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		steps.Write(routine)
	}
	for want, query := range map[int]trail.Query{0: {Limit: 10, Glance: true}, 1: {Limit: 10}} {
		if got, err := steps.Decisions(t.Context(), query); len(got) != want || err != nil {
			t.Errorf("%+v: want %d decisions, got %d, %v", query, want, len(got), err)
		}
	}
}

// A decision lists at most so many of its notices; what became of the others still counts.
func TestDecided_knowsTheNoticesThatItDoesNotList(t *testing.T) {
	steps, _ := open(t)
	d := decision("e")
	d.NotNotified = nil
	d.Notified = nil
	for i := range 150 {
		d.Notified = append(d.Notified, trail.Notified{ID: messages.NoticeID(fmt.Sprint("n", i)), Instance: "email/x"})
	}
	steps.Write(d)
	for i := range 149 {
		steps.Write(&trail.Attempt{Head: trail.Head{Key: "e", At: noon}, Notice: messages.NoticeID(fmt.Sprint("n", i)), Instance: "email/x", Number: 1})
	}
	headline := func(waiting []outbox.OpenNotice, parked []outbox.Parked) string {
		t.Helper()
		h := newest(t, steps).Headline(waiting, parked)
		return fmt.Sprintf("%s: %s", h.State, h.Summary)
	}
	other := outbox.OpenNotice{ID: "o", Kind: "reload_task_aborted", Key: "e", Instance: "email/x"}
	for want, got := range map[string]string{
		"delivered: reload_task_failed: 149 messages, all delivered; 1 more not listed": headline([]outbox.OpenNotice{other}, nil),
		"parked: reload_task_failed: 150 messages: 149 delivered, 1 parked":             headline(nil, []outbox.Parked{{ID: "n149", Kind: d.Alert, Key: "e", Instance: "email/x"}}),
		"waiting: reload_task_failed: 150 messages: 149 delivered, 1 waiting":           headline([]outbox.OpenNotice{{ID: "n149", Kind: d.Alert, Key: "e", Instance: "email/x"}}, nil),
	} {
		if got != want {
			t.Errorf("want %q, got %q", want, got)
		}
	}
}

func TestTrail_followsWhatEndedAfterTheDecisionsWereRead(t *testing.T) {
	steps, _ := open(t)
	d := decision("e")
	steps.Write(d)
	list, err := steps.Decisions(t.Context(), trail.Query{Limit: 1})
	if err != nil || len(list) != 1 {
		t.Fatalf("want a decision, got %v, %v", list, err)
	}
	for _, n := range d.Notified {
		steps.Write(&trail.Attempt{Head: trail.Head{Key: "e", At: noon}, Notice: n.ID, Instance: n.Instance, Number: 1})
	}
	if err := steps.Follow(t.Context(), list); err != nil {
		t.Fatal(err)
	}
	if h := list[0].Headline(nil, nil); h.State != trail.Delivered {
		t.Errorf("want delivered, got %+v", h)
	}
}

// newest returns the newest decision, with what followed.
func newest(t *testing.T, steps *trail.Trail) *trail.Decided {
	t.Helper()
	list, err := steps.Decisions(t.Context(), trail.Query{Limit: 1})
	if err != nil || len(list) != 1 {
		t.Fatalf("want a decision, got %v, %v", list, err)
	}
	if err := steps.Follow(t.Context(), list); err != nil {
		t.Fatal(err)
	}
	return list[0]
}

func TestDecided_hasAHeadline(t *testing.T) {
	steps, _ := open(t)
	headline := trail.Headline{ExecutionID: "e", TaskName: "Daily sales", Event: "failed", At: noon.Add(2 * time.Millisecond)}
	want := func(when string, got trail.Headline, state trail.State, summary string) {
		t.Helper()
		headline.State, headline.Summary = state, summary
		if diff := cmp.Diff(headline, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", when, diff)
		}
	}
	d := decision("e")
	d.Notified = []trail.Notified{{ID: "n1", Instance: "email/x", Recipient: "anna"}, {ID: "n2", Instance: "email/x", Recipient: "bert"}}
	head := trail.Head{Key: "e", At: noon.Add(time.Second)}
	steps.Write(&trail.Attempt{Head: head, Notice: "n1", Instance: "email/x", Number: 1}) // before the decision is noted
	steps.Write(d)
	waiting := []outbox.OpenNotice{{ID: "other"}, {ID: "n2", Instance: "email/x"}}
	want("one waits", newest(t, steps).Headline(waiting, nil), trail.Waiting, "reload_task_failed: 2 messages: 1 delivered, 1 waiting; 1 destination not notified")

	steps.Write(&trail.Attempt{Head: trail.Head{Key: "other"}, Notice: "n2", Instance: "email/x", Number: 1})
	steps.Write(&trail.End{Head: head, Notice: "n2", Instance: "email/x", Outcome: messages.NoticeSuppressed})
	want("one was held back", newest(t, steps).Headline(nil, nil), trail.PartlyDelivered,
		"reload_task_failed: 2 messages: 1 delivered, 1 suppressed; 1 destination not notified")
	want("one is parked", newest(t, steps).Headline(nil, []outbox.Parked{{ID: "other"}, {ID: "n2", Instance: "email/x"}}), trail.Parked,
		"reload_task_failed: 2 messages: 1 delivered, 1 parked; 1 destination not notified")

	steps.Write(&trail.Drop{Head: head, Notice: "n2", Instance: "email/x", Why: trail.ByOperator})
	want("one was dropped", newest(t, steps).Headline(nil, nil), trail.Dropped, "reload_task_failed: 2 messages: 1 delivered, 1 dropped; 1 destination not notified")

	followed := decision("e")
	followed.Alert, followed.Notified, followed.Text, followed.Outcome = "", nil, "followed until it ends", "following"
	steps.Write(followed)
	want("its end is waited for", newest(t, steps).Headline(nil, nil), trail.Following, "followed until it ends")

	again := decision("e")
	again.Alert, again.Notified, again.Text, again.Outcome = "", nil, "the execution was alerted before", "already_alerted"
	steps.Write(again)
	want("it was alerted before", newest(t, steps).Headline(nil, nil), trail.AlreadyAlerted, "the execution was alerted before")

	silent := decision("e")
	silent.Alert, silent.Notified, silent.Text = "", nil, "event dropped, the task does not exist"
	steps.Write(silent)
	want("nobody is notified", newest(t, steps).Headline(nil, nil), trail.Silent, "event dropped, the task does not exist")
}

func TestTrail_ofOneRecordListsItsNewestDecisions(t *testing.T) {
	steps, _ := open(t)
	for i := range 10 {
		steps.Write(decision(fmt.Sprintf("execution-%d", i)))
	}
	got, err := steps.Decisions(t.Context(), trail.Query{Limit: 2})
	if err != nil || len(got) != 2 || got[0].Key != "execution-9" || got[1].Key != "execution-8" {
		t.Errorf("want the last two, got %v, %v", got, err)
	}
}

func TestTrail_thatRecordsNothingHasNoDecisions(t *testing.T) {
	var none *trail.Trail
	if got, err := none.Decisions(t.Context(), trail.Query{Limit: 10}); err != nil || len(got) != 0 {
		t.Errorf("want an empty list, got %v, %v", got, err)
	}
}
