package destination_test

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/zap"
	"pgregory.net/rapid"

	"butler/internal/destination"
	"butler/messages"
)

func nopDeps() destination.Deps { return destination.Deps{Log: zap.NewNop()} }

const (
	failed    = messages.ReloadTaskFailed
	succeeded = messages.ReloadTaskSucceeded
)

// table builds the routing table of instances.
func table(tb testing.TB, instances ...destination.Instance) *destination.Table {
	tb.Helper()
	var built []destination.Built
	for _, i := range instances {
		built = append(built, destination.Built{Instance: i})
	}
	out, err := destination.NewTable(built, nil)
	if err != nil {
		tb.Fatal(err)
	}
	return out
}

// to returns a selection of fixed recipients.
func to(recipients ...string) func(*messages.Alert) destination.Selection {
	return func(*messages.Alert) destination.Selection { return destination.Selection{Recipients: recipients} }
}

var now = time.Date(2026, 5, 6, 12, 0, 0, 0, time.UTC)

func TestTable_refusesTwoInstancesOfOneName(t *testing.T) {
	twice := destination.Built{Instance: destination.Instance{Name: "email/reload_task_failed"}}
	if _, err := destination.NewTable([]destination.Built{twice, twice}, nil); err == nil || !strings.Contains(err.Error(), "email/reload_task_failed") {
		t.Errorf("want an error with the name, got %v", err)
	}
}

// keeper is a destination that keeps connections.
type keeper struct{ closed atomic.Int32 }

func (k *keeper) Deliver(context.Context, messages.Notice) (destination.Receipt, error) {
	return destination.Receipt{}, nil
}
func (k *keeper) Close() { k.closed.Add(1) }

func TestTable_closeEndsTheConnectionsOfEveryDestinationThatKeepsAny(t *testing.T) {
	one, two := &keeper{}, &keeper{}
	tab, err := destination.NewTable([]destination.Built{
		{Instance: destination.Instance{Name: "a"}, Destination: one},
		{Instance: destination.Instance{Name: "b"}, Destination: struct{ destination.Destination }{two}}, // keeps none that it shows
		{Instance: destination.Instance{Name: "c"}, Destination: two},
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	tab.Close()
	if one.closed.Load() != 1 || two.closed.Load() != 1 {
		t.Errorf("want each closed once, got %d and %d", one.closed.Load(), two.closed.Load())
	}
}

func TestTable_knowsWhatAKindNeeds(t *testing.T) {
	tab := table(
		t,
		destination.Instance{Name: "a", Kinds: []messages.AlertKind{failed}, Needs: destination.Needs{App: true, ScriptTail: 10}},
		destination.Instance{Name: "b", Kinds: []messages.AlertKind{failed, succeeded}, Needs: destination.Needs{Task: true, ScriptTail: 25}},
	)
	for kind, want := range map[messages.AlertKind]destination.Needs{
		failed:                     {App: true, Task: true, ScriptTail: 25},
		succeeded:                  {Task: true, ScriptTail: 25},
		messages.PreloadTaskFailed: {},
	} {
		a := messages.Alert{Kind: kind}
		if diff := cmp.Diff(want, tab.NeedsOf(&a)); diff != "" {
			t.Errorf("%s: %s", kind, diff)
		}
		if carried := tab.Carries(&a); carried != (want != destination.Needs{}) {
			t.Errorf("%s: carried is %t", kind, carried)
		}
	}
	if got := tab.Built(); len(got) != 2 || got[0].Instance.Name != "a" {
		t.Errorf("want the instances in the order of configuration, got %v", got)
	}
}

func TestRoute_tellsEveryRecipientOnce(t *testing.T) {
	tab := table(
		t,
		destination.Instance{Name: "slack", Kinds: []messages.AlertKind{failed}},
		destination.Instance{Name: "email", Kinds: []messages.AlertKind{failed}, Select: to("bo", "anna", "bo")},
		destination.Instance{Name: "other", Kinds: []messages.AlertKind{succeeded}},
	)
	a := messages.Alert{ID: "alert", Kind: failed, Event: messages.TaskEvent{TaskID: "task"}}
	notices, without := tab.Route(&a, true, now)
	want := []messages.NoticeHead{
		{ID: messages.NewNoticeID("alert", "slack", ""), Instance: "slack", SuppressBy: "task|", QueuedAt: now},
		{ID: messages.NewNoticeID("alert", "email", "bo"), Instance: "email", Recipient: "bo", SuppressBy: "task|bo", QueuedAt: now},
		{ID: messages.NewNoticeID("alert", "email", "anna"), Instance: "email", Recipient: "anna", SuppressBy: "task|anna", QueuedAt: now},
	}
	if diff := cmp.Diff(want, notices); diff != "" {
		t.Error(diff)
	}
	if len(without) > 0 {
		t.Errorf("want everybody told, got %v", without)
	}
}

func TestRoute_saysWhyNobodyIsTold(t *testing.T) {
	tab := table(
		t,
		destination.Instance{Name: "choosy", Kinds: []messages.AlertKind{failed}, Select: func(*messages.Alert) destination.Selection {
			return destination.Nobody("the task has no property")
		}},
		destination.Instance{Name: "patient", Kinds: []messages.AlertKind{failed}, Needs: destination.Needs{FinalState: true}, Select: to("bo")},
		destination.Instance{Name: "choosy and patient", Kinds: []messages.AlertKind{failed}, Needs: destination.Needs{FinalState: true}, Select: func(*messages.Alert) destination.Selection {
			return destination.Nobody("the task has no property, so nobody has waited")
		}},
	)
	notices, without := tab.Route(&messages.Alert{Kind: failed}, false, now)
	want := []destination.Omission{
		{Instance: "choosy", Reason: "the task has no property"},
		{Instance: "patient", Reason: "the execution result did not become final in time"},
		{Instance: "choosy and patient", Reason: "the task has no property, so nobody has waited"},
	}
	if diff := cmp.Diff(want, without); diff != "" || len(notices) > 0 {
		t.Errorf("%d notices, %s", len(notices), diff)
	}
	if notices, _ := tab.Route(&messages.Alert{Kind: failed}, true, now); len(notices) != 1 {
		t.Errorf("want the patient instance told of a final result, got %v", notices)
	}
}

func TestRoute_saysWhoIsLeftOutWhereOthersAreTold(t *testing.T) {
	left := []destination.LeftOut{
		{Recipients: []string{"a@b.cd", "c@b.cd", "d@b.cd", "e@b.cd", "f@b.cd", "g@b.cd"}, Reason: "no property"}, {Reason: "no owner"},
	}
	tab := table(t, destination.Instance{Name: "email", Kinds: []messages.AlertKind{failed}, Select: func(*messages.Alert) destination.Selection {
		return destination.Selection{Recipients: []string{"bo"}, LeftOut: left}
	}})
	notices, without := tab.Route(&messages.Alert{Kind: failed}, true, now)
	if diff := cmp.Diff([]destination.Omission{{Instance: "email", LeftOut: left}}, without); diff != "" || len(notices) != 1 {
		t.Fatalf("%d notices, %s", len(notices), diff)
	}
	if want, got := "a@b.cd, c@b.cd, d@b.cd, e@b.cd, 2 more: no property; no owner", without[0].Names(); got != want {
		t.Errorf("want %q for the operator, got %q", want, got)
	}
	if want, got := "6 recipients are left out: no property; no owner", without[0].Summary(); got != want {
		t.Errorf("want %q for the log, got %q", want, got)
	}
}

func TestRoute_suppressesByEventSubjectAndRecipient(t *testing.T) {
	task := messages.Alert{Kind: failed, Event: messages.TaskEvent{TaskID: "task"}}
	service := messages.Alert{Kind: messages.ServiceStopped, Service: messages.Service{Host: "node1", Name: "Engine"}}
	for name, row := range map[string]struct {
		kinds []messages.AlertKind
		alert messages.Alert
		want  string
	}{
		"a task":              {[]messages.AlertKind{failed}, task, "task|bo"},
		"a task in capitals":  {[]messages.AlertKind{failed}, messages.Alert{Kind: failed, Event: messages.TaskEvent{TaskID: "TASK"}}, "task|bo"},
		"one event of many":   {[]messages.AlertKind{failed, succeeded}, task, "reload_task_failed|task|bo"},
		"a service on a host": {[]messages.AlertKind{messages.ServiceStopped}, service, "node1|Engine|bo"},
	} {
		tab := table(t, destination.Instance{Name: "email", Kinds: row.kinds, Select: to("bo")})
		notices, _ := tab.Route(&row.alert, true, now)
		if got := notices[0].SuppressBy; got != row.want {
			t.Errorf("%s: want %q, got %q", name, row.want, got)
		}
	}
}

// Without its task, a failure counts as that of a reload. Where nobody hears of
// those, whoever hears of other failures is told rather than nobody.
func TestRoute_tellsOfAFailureThatMayBeAnyWhereNobodyHearsOfReloads(t *testing.T) {
	instance := func(name string, kind messages.AlertKind) destination.Instance {
		return destination.Instance{Name: name, Kinds: []messages.AlertKind{kind}}
	}
	store := destination.Instance{Name: "store", Kinds: messages.TaskKinds(), Store: true}
	preload, reload := instance("preload", messages.PreloadTaskFailed), instance("reload", failed)
	ended := instance("ended", messages.PreloadTaskSucceeded)
	for name, row := range map[string]struct {
		instances []destination.Instance
		alert     messages.Alert
		want      []string
	}{
		"nobody hears of reloads":   {[]destination.Instance{preload, ended, store}, messages.Alert{Kind: failed}, []string{"store", "preload"}},
		"somebody does":             {[]destination.Instance{preload, reload, store}, messages.Alert{Kind: failed}, []string{"reload", "store"}},
		"the task is known":         {[]destination.Instance{preload, store}, messages.Alert{Kind: failed, Task: messages.Task{Known: true}}, []string{"store"}},
		"a success may stay unsaid": {[]destination.Instance{ended, preload, store}, messages.Alert{Kind: succeeded}, []string{"store"}},
	} {
		t.Run(name, func(t *testing.T) {
			row.alert.ID = "alert"
			if diff := cmp.Diff(row.want, told(table(t, row.instances...), row.alert)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestRoute_attachesTheScriptLogOnlyWhereItIsWanted(t *testing.T) {
	tab := table(
		t,
		destination.Instance{Name: "disk", Kinds: []messages.AlertKind{failed}, Needs: destination.Needs{FullScriptLog: true}},
		destination.Instance{Name: "slack", Kinds: []messages.AlertKind{failed}, Needs: destination.Needs{ScriptTail: 10}},
	)
	notices, _ := tab.Route(&messages.Alert{Kind: failed}, true, now)
	if !notices[0].Attached || notices[1].Attached {
		t.Errorf("want it for the first alone, got %+v", notices)
	}
}

func TestRoute_givesEveryInstanceNoticesOrAReason(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var built []destination.Built
		for n := range rapid.IntRange(0, 6).Draw(t, "instances") {
			i := destination.Instance{
				Name:  fmt.Sprintf("i%d", n),
				Kinds: rapid.SliceOfNDistinct(rapid.SampledFrom(messages.TaskKinds()), 1, 3, rapid.ID).Draw(t, "kinds"),
				Needs: destination.Needs{FinalState: rapid.Bool().Draw(t, "final")},
			}
			if recipients := rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "c"}), 0, 4).Draw(t, "recipients"); rapid.Bool().Draw(t, "selects") {
				i.Select = to(recipients...)
			}
			built = append(built, destination.Built{Instance: i})
		}
		tab, err := destination.NewTable(built, nil)
		if err != nil {
			t.Fatal(err)
		}
		a := messages.Alert{ID: "alert", Kind: rapid.SampledFrom(messages.TaskKinds()).Draw(t, "kind")}
		notices, without := tab.Route(&a, rapid.Bool().Draw(t, "isFinal"), now)
		again, _ := tab.Route(&a, true, now)
		ids, told := map[messages.NoticeID]bool{}, map[string]bool{}
		for _, n := range notices {
			if ids[n.ID] {
				t.Errorf("notice %s stands twice", n.ID)
			}
			ids[n.ID], told[n.Instance] = true, true
		}
		for _, v := range without {
			if told[v.Instance] {
				t.Errorf("%s is both notified and not notified", v.Instance)
			}
			told[v.Instance] = true
		}
		if carried := len(told) > 0; carried != tab.Carries(&a) {
			t.Errorf("%d instances have an answer, carried is %t", len(told), tab.Carries(&a))
		}
		known := map[messages.NoticeID]bool{}
		for _, n := range again {
			known[n.ID] = true
		}
		for id := range ids {
			if !known[id] {
				t.Errorf("notice %s has another ID the second time", id)
			}
		}
	})
}
