package execution

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"butler/internal/destination"
	"butler/internal/fastpath"
	"butler/internal/outbox"
	"butler/internal/outbox/outboxtest"
	"butler/internal/qlik"
	"butler/messages"
)

// office is a fast path with a scripted QRS, on virtual time.
type office struct {
	*FastPath
	out   *outbox.Outbox
	qrs   *repository
	now   time.Time
	asked []string
	said  fastpath.Ruling // the newest
}

func newOffice(t *testing.T, router Router, qrs *repository, remembered bool) *office {
	t.Helper()
	out, err := outbox.Open(&outboxtest.Ledger{}, outbox.Options{})
	if err != nil {
		t.Fatal(err)
	}
	o := &office{out: out, qrs: qrs, now: epoch}
	o.FastPath = (&Options{
		Rules: func() Rules { return rules(router) }, Log: zap.NewNop(), Metrics: NewMetrics(prometheus.NewRegistry()), Outbox: recorder{out},
		AtHand: func(q messages.LookupTask, now time.Time) (*messages.LookupTaskReply, bool) {
			reply, _ := qrs.answer(now, q)
			known := reply.(messages.LookupTaskReply)
			return &known, remembered
		},
	}).FastPath(messages.Ref{ID: "shard"}, 3)
	return o
}

// observe takes up an event of an execution.
func (o *office) observe(key messages.ExecutionKey, family messages.Family) {
	o.said = o.Decide(o.now, &messages.TaskEventObserved{PlacedEvent: messages.PlacedEvent{
		At: messages.EventPosition{Seq: 1}, Key: key, Event: event(family),
	}})
}

// questions takes what is to be asked.
func (o *office) questions() []any {
	out := o.FastPath.questions
	o.FastPath.questions = nil
	for _, q := range out {
		o.asked = append(o.asked, fmt.Sprintf("%T", q))
	}
	return out
}

// work answers and lets time pass until nobody waits.
func (o *office) work() {
	for range 100 {
		questions := o.questions()
		for _, q := range questions {
			if reply, after := o.qrs.answer(o.now, q); reply != nil {
				o.now = o.now.Add(after)
				o.said, _ = o.Answer(o.now, reply)
			}
		}
		if next := o.Next(); len(questions) == 0 && !next.IsZero() {
			o.now = next
			o.Tick(o.now, func(r fastpath.Ruling) { o.said = r })
		}
		if len(o.waiting) == 0 {
			return
		}
	}
}

// Whatever is asked and answered, the fast path decides as the actor does.
func TestFastPath_decidesLikeTheActor(t *testing.T) {
	everything := destination.Needs{Task: true, App: true, Owner: true, Execution: true, ScriptHead: 5, ScriptTail: 5}
	late := known(qlik.TaskReload)
	late.execution = func(now time.Time) messages.Execution {
		if now.Before(epoch.Add(2 * time.Second)) {
			return messages.Execution{Known: true, Status: qlik.StatusStarted}
		}
		return known(qlik.TaskReload).execution(now)
	}
	down := known(qlik.TaskReload)
	down.fail = func(any) messages.Failure {
		return messages.Failure{Kind: messages.FailureUnavailable, Text: "no route"}
	}
	silent := known(qlik.TaskReload)
	silent.silent = func(command any) bool { _, ok := command.(messages.LookupExecution); return ok }
	rows := []struct {
		name  string
		needs destination.Needs
		qrs   *repository
	}{
		{"nothing is asked", destination.Needs{Task: true}, known(qlik.TaskReload)},
		{"the execution result", destination.Needs{Execution: true}, known(qlik.TaskReload)},
		{"the final state", destination.Needs{FinalState: true}, known(qlik.TaskReload)},
		{"the final state comes late", destination.Needs{FinalState: true}, late},
		{"everything", everything, known(qlik.TaskReload)},
		{"the QRS is out of reach", everything, down},
		{"an answer never comes", destination.Needs{Execution: true}, silent},
	}
	for _, row := range rows {
		for _, remembered := range []bool{true, false} {
			if remembered && row.qrs == down {
				continue // what is out of reach is not remembered
			}
			t.Run(fmt.Sprintf("%s, task remembered %t", row.name, remembered), func(t *testing.T) {
				w := newWorld(t, everyKind(row.needs), row.qrs.answer)
				w.observe(0, event(messages.FamilySucceeded), 0)
				w.run(time.Hour)
				o := newOffice(t, everyKind(row.needs), row.qrs, remembered)
				o.observe("exec-1", messages.FamilySucceeded)
				o.work()
				if o.said.Progress != fastpath.Decided {
					t.Fatalf("want it decided, got %+v", o.said)
				}
				o.Record(func(error) {})
				alerts, err := o.out.Alerts(func(messages.ExecutionKey) bool { return true })
				if err != nil || len(alerts) != 1 || len(w.records) == 0 {
					t.Fatalf("want one alert, got %d, %v", len(alerts), err)
				}
				if diff := cmp.Diff(*w.records[0].Decision.Alert, alerts[0].Alert); diff != "" {
					t.Errorf("alerts differ (-actor +fast path):\n%s", diff)
				}
				asked := len(o.asked)
				if remembered {
					asked++ // the actor asks for the task
				}
				if asked != len(w.asked) {
					t.Errorf("want %d questions as the actor asks, got %v", len(w.asked), o.asked)
				}
			})
		}
	}
}

func TestFastPath_tellsAnswersApart(t *testing.T) {
	o := newOffice(t, everyKind(destination.Needs{Execution: true}), known(qlik.TaskReload), true)
	o.observe("a", messages.FamilyFailed)
	o.observe("b", messages.FamilyFailed)
	o.observe("c", messages.FamilyFailed)
	questions := o.questions()
	o.Withdraw("c")
	for i, want := range []messages.ExecutionKey{"a", "b", ""} {
		reply, _ := o.qrs.answer(o.now, questions[i])
		if said, ok := o.Answer(o.now, reply); said.Key != want || ok != (want != "") {
			t.Errorf("want the answer to be that of %q, got %+v", want, said)
		}
		if _, again := o.Answer(o.now, reply); again {
			t.Errorf("an answer is used twice for %q", want)
		}
	}
	earlier, _ := known(qlik.TaskReload).answer(o.now, messages.LookupExecution{Attempt: attemptsOfCandidate + 1})
	if _, ok := o.Answer(o.now, earlier); ok {
		t.Error("an answer to an earlier life is used")
	}
	if !o.Next().IsZero() || len(o.numberOf) != 0 {
		t.Errorf("want no time to wait for, and nobody known, when nobody waits, got %s and %v", o.Next(), o.numberOf)
	}
}

func TestFastPath_leavesToAnActorWhatItCannotFinish(t *testing.T) {
	gone := known(qlik.TaskReload)
	gone.fail = func(any) messages.Failure { return messages.Failure{Kind: messages.FailureNotFound} }
	never := known(qlik.TaskReload)
	never.fail = func(any) messages.Failure { return messages.Failure{Kind: messages.FailureUnavailable} }
	for _, row := range []struct {
		name   string
		router Router
		qrs    *repository
		rules  func(*Rules)
	}{
		{"the task does not exist", everyKind(destination.Needs{}), gone, nil},
		{"routing panics", panicking{everyKind(destination.Needs{Execution: true})}, known(qlik.TaskReload), nil},
		{"it asks again and again", everyKind(destination.Needs{}), never, func(r *Rules) { r.DegradedAfter = 24 * time.Hour }},
	} {
		t.Run(row.name, func(t *testing.T) {
			o := newOffice(t, row.router, row.qrs, false)
			if row.rules != nil {
				is := rules(row.router)
				row.rules(&is)
				o.opts.Rules = func() Rules { return is }
			}
			o.observe("a", messages.FamilyFailed)
			if o.said.Progress != fastpath.Waiting {
				t.Fatalf("want it to wait, got %+v", o.said)
			}
			for range 10 {
				o.work()
			}
			if o.said.Progress != fastpath.NeedsActor || len(o.waiting) > 0 || len(o.questions()) > 0 {
				t.Errorf("want it left to an actor, and nobody waiting, got %+v", o.said)
			}
		})
	}
}

// The memory of a candidate that is decided may be that of another shard's at once.
func TestFastPath_leavesACaseAloneOnceItIsDecided(t *testing.T) {
	silent := known(qlik.TaskReload)
	silent.silent = func(command any) bool { _, ok := command.(messages.LookupExecution); return ok }
	for range 20 { // the pool of such memory keeps no promise
		o, other := newOffice(t, everyKind(destination.Needs{Execution: true}), silent, true), newOffice(t, everyKind(destination.Needs{Execution: true}), silent, true)
		o.observe("decided", messages.FamilyFailed)
		due := o.Next()
		o.now = o.now.Add(time.Second)
		o.observe("waits", messages.FamilyFailed)
		other.now = epoch.Add(-time.Hour)
		o.Tick(due, func(fastpath.Ruling) { other.observe("elsewhere", messages.FamilyFailed) })
		if want := due.Add(time.Second); !o.Next().Equal(want) || len(o.waiting) != 1 {
			t.Fatalf("want one that waits until %s, got %d until %s", want, len(o.waiting), o.Next())
		}
	}
}

func TestFastPath_looksSeldomAtAllThatWait(t *testing.T) {
	silent := known(qlik.TaskReload)
	silent.silent = func(command any) bool { _, ok := command.(messages.LookupExecution); return ok }
	o := newOffice(t, everyKind(destination.Needs{Execution: true}), silent, true)
	const count = 1000
	for n := range count { // each has a time of its own
		o.observe(messages.ExecutionKey(fmt.Sprint(n)), messages.FamilyFailed)
		o.now = o.now.Add(100 * time.Microsecond)
	}
	ticks, decided := 0, 0
	for next := o.Next(); !next.IsZero() && ticks < count; next = o.Next() {
		o.Tick(next, func(fastpath.Ruling) { decided++ })
		ticks++
	}
	if decided != count || ticks > 10 {
		t.Errorf("want %d decided in a few looks, got %d in %d", count, decided, ticks)
	}
}

// The time for the look-ups of an event that waited on the fast path goes on at its
// actor, whether its task is in the cache or not.
func TestMachine_countsTheTimeThatAnEventHasWaited(t *testing.T) {
	for _, cached := range []*messages.LookupTaskReply{nil, {Task: known(qlik.TaskReload).task}} {
		m := NewMachine(rules(everyKind(destination.Needs{App: true})), messages.Ref{ID: "x"})
		effects := m.Observe(epoch.Add(10*time.Second), &messages.TaskEventObserved{
			PlacedEvent: messages.PlacedEvent{Key: "exec-1", Event: event(messages.FamilyFailed)}, Since: epoch,
		}, cached)
		want, deadlines := epoch.Add(30*time.Second), 0
		for _, effect := range effects {
			switch do := effect.(type) {
			case Arm:
				if do.Timer != timerDegrade || !do.At.Equal(want) {
					t.Errorf("want only the deadline %v armed, got %+v", want, do)
				}
				deadlines++
			case Ask:
				if app, ok := do.Command.(messages.LookupApp); ok != (cached != nil) || ok && !app.Deadline.Equal(want) {
					t.Errorf("with the task in the cache %t: got %+v", cached != nil, do.Command)
				}
			}
		}
		if len(effects) != 2 || deadlines != 1 {
			t.Errorf("want a look-up and its deadline, got %+v", effects)
		}
	}
}
