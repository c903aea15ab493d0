package execution

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"butler/internal/destination"
	"butler/internal/fastpath"
	"butler/internal/outbox"
	"butler/internal/outbox/outboxtest"
	"butler/internal/qlik"
	"butler/messages"
)

// panicking is a router with a bug.
type panicking struct{ *router }

func (panicking) Route(*messages.Alert, bool, time.Time) ([]messages.NoticeHead, []destination.Omission) {
	panic("on purpose")
}

// recorder is an outbox that tells nobody of what it records.
type recorder struct{ *outbox.Outbox }

func (r recorder) Commit(b *outbox.Batch, _ func(error)) { r.Outbox.Commit(b, func(error) {}) }

func TestFastPath_decidesWhatNeedsNoWaiting(t *testing.T) {
	running := known(qlik.TaskDistribute)
	running.task.LastStatus = qlik.StatusStarted
	gone := known(qlik.TaskReload)
	gone.fail = func(any) messages.Failure { return messages.Failure{Kind: messages.FailureNotFound} }
	rows := []struct {
		name    string
		qrs     *repository
		router  Router
		family  messages.Family
		bare    bool
		said    fastpath.Progress
		outcome Outcome
		notices int
	}{
		{"the task is at hand", known(qlik.TaskReload), everyKind(destination.Needs{Task: true}), messages.FamilyFailed, false, fastpath.Decided, OutcomeAlerted, 1},
		{"nobody wants it", known(qlik.TaskReload), &router{}, messages.FamilyFailed, false, fastpath.Decided, OutcomeNoRoute, 0},
		{"nobody may be notified", known(qlik.TaskPreload), &router{}, messages.FamilyAborted, false, fastpath.Decided, OutcomeLogOnly, 0},
		{"the app has to be looked up", known(qlik.TaskReload), everyKind(destination.Needs{App: true}), messages.FamilyFailed, false, fastpath.Waiting, 0, 0},
		{"the execution has to be followed", running, everyKind(destination.Needs{}), messages.FamilyDistribute, false, fastpath.NeedsActor, 0, 0},
		{"the task does not exist", gone, everyKind(destination.Needs{}), messages.FamilyFailed, false, fastpath.NeedsActor, 0, 0},
		{"routing panics", known(qlik.TaskReload), panicking{everyKind(destination.Needs{})}, messages.FamilyFailed, false, fastpath.NeedsActor, 0, 0},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			core, logs := observer.New(zap.DebugLevel)
			ledger := &outboxtest.Ledger{}
			out, err := outbox.Open(ledger, outbox.Options{})
			if err != nil {
				t.Fatal(err)
			}
			fast := (&Options{
				Rules: func() Rules { return rules(row.router) }, Log: zap.New(core), Metrics: NewMetrics(prometheus.NewRegistry()), Outbox: recorder{out},
				AtHand: func(q messages.LookupTask, now time.Time) (*messages.LookupTaskReply, bool) {
					reply, _ := row.qrs.answer(now, q)
					known := reply.(messages.LookupTaskReply)
					return &known, true
				},
			}).FastPath(messages.Ref{ID: "shard"}, 1)
			said := fast.Decide(epoch, &messages.TaskEventObserved{PlacedEvent: messages.PlacedEvent{
				At: messages.EventPosition{Seq: 7}, Key: "exec-1", Event: event(row.family),
			}})
			fast.Record(func(error) {})
			if said.Progress != row.said || out.Waiting() != row.notices {
				t.Fatalf("want progress %d with %d notices, got %d with %d", row.said, row.notices, said.Progress, out.Waiting())
			}
			seen, decided := said.Seen, said.Progress == fastpath.Decided
			told := logs.FilterMessage(outcomes[row.outcome].text).Len()
			if !decided {
				if told != 0 {
					t.Error("what an actor has to decide is told already")
				}
				return
			}
			if told != 1 {
				t.Errorf("want the outcome told once, got %v", logs.All())
			}
			if !seen.HasFamily(row.family) || seen.Seq != 7 || !seen.Until.Equal(epoch.Add(10*time.Minute)) {
				t.Errorf("want the event remembered, got %+v", seen)
			}
			raw, recorded, err := ledger.Get(outbox.BucketSeen, "exec-1")
			if got, unreadable := outbox.DecodeSeen(raw); !recorded || err != nil || unreadable != nil || got != seen {
				t.Errorf("want what was seen recorded with the decision, got %t, %+v", recorded, got)
			}
		})
	}
}

// What the fast path keeps for Record is its own: the memory of one decision serves the next.
func TestFastPath_keepsDecisionsApart(t *testing.T) {
	ledger := &outboxtest.Ledger{}
	out, err := outbox.Open(ledger, outbox.Options{})
	if err != nil {
		t.Fatal(err)
	}
	qrs := known(qlik.TaskReload)
	fast := (&Options{
		Rules: func() Rules { return rules(everyKind(destination.Needs{Task: true})) }, Log: zap.NewNop(), Metrics: NewMetrics(prometheus.NewRegistry()),
		Outbox: recorder{out},
		AtHand: func(q messages.LookupTask, now time.Time) (*messages.LookupTaskReply, bool) {
			reply, _ := qrs.answer(now, q)
			known := reply.(messages.LookupTaskReply)
			known.Task.Name = "task of " + q.TaskID
			return &known, true
		},
	}).FastPath(messages.Ref{ID: "shard"}, 1)
	for _, name := range []string{"a", "b"} {
		e := event(messages.FamilyFailed)
		e.ExecutionID, e.TaskID = name, name
		said := fast.Decide(epoch, &messages.TaskEventObserved{PlacedEvent: messages.PlacedEvent{Key: messages.ExecutionKey(name), Event: e}})
		if said.Progress != fastpath.Decided {
			t.Fatalf("want %s decided", name)
		}
	}
	fast.Record(func(error) {})
	got := map[string]string{}
	alerts, err := out.Alerts(func(messages.ExecutionKey) bool { return true })
	for _, a := range alerts {
		got[string(a.Alert.Key)+"/"+a.Alert.Event.ExecutionID] = a.Alert.Task.Name
	}
	if diff := cmp.Diff(map[string]string{"a/a": "task of a", "b/b": "task of b"}, got); diff != "" || err != nil {
		t.Errorf("%v; alerts differ (-want +got):\n%s", err, diff)
	}
}
