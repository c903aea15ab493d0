package qrsgate

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"butler/internal/qlik"
	"butler/messages"
)

// bench drives a machine by hand: a test asks, looks at the calls that are under
// way, and answers them.
type bench struct {
	t          tester
	now        time.Time
	m          *machine
	replies    map[int]any
	calls      []startCall
	health     []tellHealth
	caches     map[string]int
	readCached []messages.LookupTaskReply
	asked      int
}

// tester is what the bench needs of a test, rapid's or Go's.
type tester interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

func newBench(t tester, rules Rules) *bench {
	b := &bench{t: t, now: time.Date(2026, 5, 6, 12, 0, 0, 0, time.UTC), replies: map[int]any{}, caches: map[string]int{}}
	b.m = newMachine(b.now, rules.withDefaults(), func() float64 { return 1 }, new(callID))
	b.take(b.m.begin(b.now))
	return b
}

// pinged is a bench whose machine has heard from the QRS.
func pinged(t tester, rules Rules) *bench {
	b := newBench(t, rules)
	b.answer(opPing, outcome{})
	// A first look-up ends the trial.
	b.ask(messages.LookupOwner{UserID: guid(999)})
	b.answer(opOwner, found(messages.Owner{ID: guid(999)}))
	return b
}

func (b *bench) take(effects []effect) {
	b.t.Helper()
	for _, e := range effects {
		switch e := e.(type) {
		case sendReply:
			attempt := messages.AttemptOf(e.Message)
			if before, twice := b.replies[attempt]; twice {
				b.t.Fatalf("question %d is answered twice: %+v, then %+v", attempt, before, e.Message)
			}
			b.replies[attempt] = e.Message
		case startCall:
			b.calls = append(b.calls, e)
		case cancelCalls:
			b.calls = nil
		case tellHealth:
			b.health = append(b.health, e)
		case countCache:
			b.caches[e.Op.String()+" "+e.Result]++
		case readCachePut:
			b.readCached = append(b.readCached, e.Reply)
		}
	}
	if got := len(b.m.calls); got > b.m.rules.MaxConcurrent {
		b.t.Fatalf("%d calls run at once, want at most %d", got, b.m.rules.MaxConcurrent)
	}
}

// ask puts a command and returns the attempt that its reply will carry.
func (b *bench) ask(command any) int {
	b.t.Helper()
	b.asked++
	q, ok := questionOf(withAttempt(command, b.asked))
	if !ok {
		b.t.Fatalf("%T is no command", command)
	}
	b.take(b.m.ask(b.now, q))
	return b.asked
}

// answer ends the oldest running call of an operation.
func (b *bench) answer(op operation, got outcome) startCall {
	b.t.Helper()
	for i, c := range b.calls {
		if c.Op == op {
			b.calls = append(b.calls[:i:i], b.calls[i+1:]...)
			b.take(b.m.finished(b.now, c.ID, got))
			return c
		}
	}
	b.t.Fatalf("no %v call is running", op)
	return startCall{}
}

// pass lets time pass, waking the machine when it wants to be woken.
func (b *bench) pass(d time.Duration) {
	b.t.Helper()
	end := b.now.Add(d)
	for range 1000 {
		next := b.m.next()
		if next.IsZero() || next.After(end) {
			b.now = end
			return
		}
		if next.After(b.now) {
			b.now = next
		}
		b.take(b.m.tick(b.now))
	}
	b.t.Fatal("the machine wants to be woken without end")
}

func (b *bench) running() []string {
	var out []string
	for _, c := range b.calls {
		out = append(out, fmt.Sprintf("%v %d", c.Op, len(c.IDs)))
	}
	return out
}

func withAttempt(command any, attempt int) any {
	ref := messages.Ref{ID: "asker"}
	switch c := command.(type) {
	case messages.LookupTask:
		c.Attempt, c.ReplyTo = attempt, ref
		return c
	case messages.LookupApp:
		c.Attempt, c.ReplyTo = attempt, ref
		return c
	case messages.LookupOwner:
		c.Attempt, c.ReplyTo = attempt, ref
		return c
	case messages.LookupExecution:
		c.Attempt, c.ReplyTo = attempt, ref
		return c
	case messages.FetchScriptLog:
		c.Attempt, c.ReplyTo = attempt, ref
		return c
	}
	return command
}

func failureIn(reply any) messages.FailureKind {
	switch r := reply.(type) {
	case messages.LookupTaskReply:
		return r.Failure.Kind
	case messages.LookupAppReply:
		return r.Failure.Kind
	case messages.LookupOwnerReply:
		return r.Failure.Kind
	case messages.LookupExecutionReply:
		return r.Failure.Kind
	case messages.FetchScriptLogReply:
		return r.Failure.Kind
	}
	return messages.FailureNone
}

func guid(n int) string { return fmt.Sprintf("11111111-aaaa-4bbb-8ccc-%012d", n) }

func found(values ...any) outcome {
	got := outcome{values: map[string]any{}}
	for _, v := range values {
		switch v := v.(type) {
		case messages.Task:
			got.values[v.ID] = v
		case messages.App:
			got.values[v.ID] = v
		case messages.Owner:
			got.values[v.ID] = v
		}
	}
	return got
}

func failed(kind messages.FailureKind) outcome {
	return outcome{failure: messages.Failure{Kind: kind, Text: "status: 5xx"}}
}

func aTask(n int) messages.Task {
	return messages.Task{Known: true, ID: guid(n), Name: fmt.Sprint("task ", n)}
}

func (b *bench) task(attempt int) messages.LookupTaskReply {
	b.t.Helper()
	reply, ok := b.replies[attempt].(messages.LookupTaskReply)
	if !ok {
		b.t.Fatalf("question %d got %T, want a task", attempt, b.replies[attempt])
	}
	return reply
}

const minute = time.Minute

func TestMachine_sharesACallForEqualQuestions(t *testing.T) {
	b := pinged(t, Rules{})
	one := b.ask(messages.LookupTask{TaskID: guid(1), MaxAge: minute})
	two := b.ask(messages.LookupTask{TaskID: strings.ToUpper(guid(1)), MaxAge: minute})
	if diff := cmp.Diff([]string{"task 1"}, b.running()); diff != "" {
		t.Fatalf("calls (-want +got):\n%s", diff)
	}
	b.answer(opTask, found(aTask(1)))
	want := messages.LookupTaskReply{TaskID: guid(1), Attempt: one, Task: aTask(1), At: b.now, AsOf: b.now}
	if diff := cmp.Diff(want, b.task(one)); diff != "" {
		t.Errorf("first reply (-want +got):\n%s", diff)
	}
	want.TaskID, want.Attempt = strings.ToUpper(guid(1)), two
	if diff := cmp.Diff(want, b.task(two)); diff != "" {
		t.Errorf("the second reply names the task as it was asked for (-want +got):\n%s", diff)
	}
}

func TestMachine_collectsQuestionsWhileTheLanesAreBusy(t *testing.T) {
	b := pinged(t, Rules{})
	for n := range 70 {
		b.ask(messages.LookupTask{TaskID: guid(n), MaxAge: minute})
	}
	if diff := cmp.Diff([]string{"task 1", "task 1"}, b.running()); diff != "" {
		t.Fatalf("calls (-want +got):\n%s", diff)
	}
	b.answer(opTask, found(aTask(0)))
	b.answer(opTask, found(aTask(1)))
	if diff := cmp.Diff([]string{"task 50", "task 18"}, b.running()); diff != "" {
		t.Errorf("calls afterwards (-want +got):\n%s", diff)
	}
}

func TestMachine_asksForResultsOfOneTypeTogether(t *testing.T) {
	b := pinged(t, Rules{MaxConcurrent: 1})
	types := []qlik.TaskType{qlik.TaskReload, qlik.TaskUserSync}
	var asked []int
	for n := range 120 {
		asked = append(asked, b.ask(messages.LookupExecution{TaskID: guid(n), TaskType: types[n%2]}))
	}
	var calls []string
	for len(b.calls) > 0 {
		c := b.calls[0]
		calls = append(calls, fmt.Sprintf("%v %d", c.TaskType, len(c.IDs)))
		values := map[string]any{}
		for _, id := range c.IDs {
			values[id] = messages.Execution{Known: true, ResultID: id}
		}
		b.answer(opExecution, outcome{values: values})
	}
	want := []string{"reload 1", "user_sync 50", "reload 50", "user_sync 10", "reload 9"}
	if diff := cmp.Diff(want, calls); diff != "" {
		t.Errorf("type and size of each call (-want +got):\n%s", diff)
	}
	for n, attempt := range asked {
		reply, _ := b.replies[attempt].(messages.LookupExecutionReply)
		if reply.TaskID != guid(n) || reply.Execution.ResultID != guid(n) {
			t.Errorf("question about task %d got %+v", n, reply)
		}
	}
}

// The bar: a thousand failures of fifty tasks within a second.
func TestMachine_asksOncePerTaskInAStorm(t *testing.T) {
	b := pinged(t, Rules{})
	asked := map[string]int{}
	answerAll := func() {
		for len(b.calls) > 0 {
			c := b.calls[0]
			var got outcome
			if c.Op == opTask {
				for _, id := range c.IDs {
					asked["task "+id]++
				}
				asked["task calls"]++
				values := map[string]any{}
				for _, id := range c.IDs {
					values[id] = messages.Task{ID: id}
				}
				got = outcome{values: values}
			} else {
				asked["execution calls"]++
				got = outcome{values: map[string]any{c.IDs[0]: messages.Execution{Known: true}}}
			}
			b.answer(c.Op, got)
		}
	}
	for event := range 1000 {
		b.ask(messages.LookupTask{TaskID: guid(event % 50), MaxAge: minute})
		b.ask(messages.LookupExecution{TaskID: guid(event % 50), TaskType: qlik.TaskReload})
		b.now = b.now.Add(time.Millisecond)
		if event%20 == 19 {
			answerAll()
		}
	}
	answerAll()
	for n := range 50 {
		if got := asked["task "+guid(n)]; got != 1 {
			t.Errorf("task %d was asked for %d times, want once", n, got)
		}
	}
	if got := asked["task calls"]; got > 15 {
		t.Errorf("%d calls for 50 tasks, want them batched", got)
	}
	if got := asked["execution calls"]; got > 1000 {
		t.Errorf("%d calls for 1000 executions", got)
	}
	if len(b.replies) != b.asked {
		t.Errorf("%d replies to %d questions", len(b.replies), b.asked)
	}
}

func TestMachine_serves(t *testing.T) {
	tests := []struct {
		name   string
		later  time.Duration
		maxAge time.Duration
		hit    bool
	}{
		{"a young copy", 10 * time.Second, minute, true},
		{"not one older than asked for", 10 * time.Second, 9 * time.Second, false},
		{"not one older than the rule", 2 * minute, time.Hour, false},
		{"never a copy to who wants a fresh answer", 0, 0, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			b := pinged(t, Rules{})
			b.ask(messages.LookupTask{TaskID: guid(1), MaxAge: minute})
			b.answer(opTask, found(aTask(1)))
			b.now = b.now.Add(test.later)
			again := b.ask(messages.LookupTask{TaskID: guid(1), MaxAge: test.maxAge})
			if _, answered := b.replies[again]; answered != test.hit {
				t.Errorf("answered at once: %v, want %v", answered, test.hit)
			}
			if test.hit && b.task(again).Stale {
				t.Error("a young copy is called stale")
			}
		})
	}
}

func TestMachine_bringsAlongWhatIsRememberedOfATasksApp(t *testing.T) {
	task := aTask(1)
	task.AppID = guid(2)
	app := messages.App{Known: true, ID: guid(2), Name: "Sales", OwnerID: guid(3)}
	owner := messages.Owner{Known: true, ID: guid(3), Name: "Anna"}
	b := pinged(t, Rules{})
	first := b.ask(messages.LookupTask{TaskID: guid(1), MaxAge: minute})
	b.answer(opTask, found(task))
	if got := b.task(first); got.App.Known || got.Owner.Known {
		t.Errorf("app %+v and owner %+v came along before anybody asked for them", got.App, got.Owner)
	}
	b.ask(messages.LookupApp{AppID: guid(2), MaxAge: minute})
	b.answer(opApp, found(app))
	b.ask(messages.LookupOwner{UserID: guid(3), MaxAge: minute})
	b.answer(opOwner, found(owner))
	b.now = b.now.Add(10 * time.Second)
	for _, row := range []struct {
		name   string
		maxAge time.Duration
		app    messages.App
		owner  messages.Owner
	}{
		{"to who takes a copy", minute, app, owner},
		{"not to who wants younger ones", 5 * time.Second, messages.App{}, messages.Owner{}},
		{"not to who wants a fresh answer", 0, messages.App{}, messages.Owner{}},
	} {
		again := b.ask(messages.LookupTask{TaskID: guid(1), MaxAge: row.maxAge})
		if _, answered := b.replies[again]; !answered {
			b.answer(opTask, found(task))
		}
		got := b.task(again)
		if diff := cmp.Diff(row.app, got.App) + cmp.Diff(row.owner, got.Owner); diff != "" {
			t.Errorf("%s (-want +got):\n%s", row.name, diff)
		}
	}
}

func TestMachine_aFreshAnswerIsAskedForAfterTheQuestion(t *testing.T) {
	b := pinged(t, Rules{})
	b.ask(messages.LookupExecution{TaskID: guid(1)})
	second := b.ask(messages.LookupExecution{TaskID: guid(1)})
	third := b.ask(messages.LookupExecution{TaskID: guid(1)})
	b.ask(messages.LookupExecution{TaskID: guid(1), TaskType: qlik.TaskUserSync})
	if diff := cmp.Diff([]string{"execution 1", "execution 1"}, b.running()); diff != "" {
		t.Fatalf("one call a task and type at a time (-want +got):\n%s", diff)
	}
	old := messages.Execution{Known: true, ResultID: "old"}
	b.answer(opExecution, outcome{values: map[string]any{guid(1): old}})
	if _, answered := b.replies[second]; answered {
		t.Fatal("the second question got the answer to a call that began before it")
	}
	b.answer(opExecution, outcome{values: map[string]any{guid(1): old}})
	b.answer(opExecution, outcome{values: map[string]any{guid(1): messages.Execution{}}})
	for _, attempt := range []int{second, third} {
		if _, answered := b.replies[attempt]; !answered {
			t.Errorf("question %d shares no call", attempt)
		}
	}
}

func TestMachine_countsTheAgeOfAnAnswerFromWhenItWasAskedFor(t *testing.T) {
	b := pinged(t, Rules{})
	ask := func() int { return b.ask(messages.LookupTask{TaskID: guid(1), MaxAge: 5 * time.Second}) }
	first := ask()
	b.now = b.now.Add(6 * time.Second)
	second := ask()
	b.answer(opTask, found(aTask(1)))
	if _, answered := b.replies[second]; answered || b.task(first).Failure.Failed() {
		t.Fatal("the second question was answered by a call that is older than it allows")
	}
	third := ask()
	if _, answered := b.replies[third]; answered {
		t.Fatal("the third question was answered with a copy that is older than it allows")
	}
	b.answer(opTask, found(aTask(1)))
	for _, attempt := range []int{second, third, ask()} {
		if got := b.task(attempt); got.Failure.Failed() {
			t.Errorf("question %d: %v", attempt, got.Failure)
		}
	}
}

func TestMachine_saysThatSomethingDoesNotExistOnlyWhenTheServiceDid(t *testing.T) {
	tests := []struct {
		name string
		got  outcome
		want messages.FailureKind
	}{
		{"an empty list", found(), messages.FailureNotFound},
		{"a list without it", found(aTask(2)), messages.FailureNotFound},
		{"an error", failed(messages.FailureUnavailable), messages.FailureUnavailable},
		{"part of a list, and an error", outcome{values: found(aTask(2)).values, failure: failed(messages.FailureTimeout).failure}, messages.FailureTimeout},
		{"nonsense", failed(messages.FailureInvalid), messages.FailureInvalid},
		{"a refusal", failed(messages.FailureRejected), messages.FailureRejected},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			b := pinged(t, Rules{})
			asked := b.ask(messages.LookupTask{TaskID: guid(1), MaxAge: minute})
			b.answer(opTask, test.got)
			if got := b.task(asked).Failure.Kind; got != test.want {
				t.Errorf("failure = %v, want %v", got, test.want)
			}
		})
	}
}

func TestMachine_believesForAMomentThatSomethingDoesNotExist(t *testing.T) {
	b := pinged(t, Rules{})
	b.ask(messages.LookupTask{TaskID: guid(1), MaxAge: minute})
	b.answer(opTask, found())
	b.now = b.now.Add(notFoundFor)
	again := b.ask(messages.LookupTask{TaskID: guid(1), MaxAge: minute})
	if got := b.task(again).Failure.Kind; got != messages.FailureNotFound {
		t.Errorf("failure = %v, want not found from memory", got)
	}
	b.now = b.now.Add(time.Second)
	b.ask(messages.LookupTask{TaskID: guid(1), MaxAge: minute})
	if diff := cmp.Diff([]string{"task 1"}, b.running()); diff != "" {
		t.Errorf("calls later (-want +got):\n%s", diff)
	}
}

func TestMachine_answersAtTheDeadline(t *testing.T) {
	b := pinged(t, Rules{Timeout: 30 * time.Second})
	soon := b.ask(messages.LookupTask{TaskID: guid(1), MaxAge: minute, Deadline: b.now.Add(5 * time.Second)})
	later := b.ask(messages.LookupTask{TaskID: guid(1), MaxAge: minute})
	past := b.ask(messages.LookupTask{TaskID: guid(2), MaxAge: minute, Deadline: b.now})
	if got := b.task(past).Failure.Kind; got != messages.FailureTimeout {
		t.Errorf("a question that comes too late: %v, want timeout", got)
	}
	b.pass(5 * time.Second)
	if got := b.task(soon).Failure.Kind; got != messages.FailureTimeout {
		t.Errorf("failure = %v, want timeout", got)
	}
	b.answer(opTask, found(aTask(1)))
	if got := b.task(later); got.Failure.Failed() || got.Task.ID != guid(1) {
		t.Errorf("who had more time got %+v", got)
	}
	without := b.ask(messages.LookupExecution{TaskID: guid(1)})
	b.pass(30 * time.Second)
	if got := failureIn(b.replies[without]); got != messages.FailureTimeout {
		t.Errorf("without a deadline the gate's own limit holds: %v, want timeout", got)
	}
}

func TestMachine_dropsWhatNobodyWaitsForAnyMore(t *testing.T) {
	b := pinged(t, Rules{MaxConcurrent: 1})
	b.ask(messages.LookupTask{TaskID: guid(1), MaxAge: minute})
	b.ask(messages.LookupTask{TaskID: guid(2), MaxAge: minute, Deadline: b.now.Add(time.Second)})
	b.pass(2 * time.Second)
	b.answer(opTask, found(aTask(1)))
	if len(b.calls) != 0 {
		t.Errorf("%v still run, want none", b.running())
	}
}

func TestMachine_breaker(t *testing.T) {
	b := pinged(t, Rules{Breaker: BreakerSettings{Failures: 3, CoolDown: 10 * time.Second, MaxCoolDown: 20 * time.Second}})
	ask := func() int { return b.ask(messages.LookupExecution{TaskID: guid(b.asked)}) }
	for range 2 {
		ask()
		b.answer(opExecution, failed(messages.FailureTimeout))
	}
	if b.m.breaker.open {
		t.Fatal("two failures of three opened the breaker")
	}
	ask()
	b.answer(opExecution, failed(messages.FailureUnavailable))
	refused := ask()
	if got := failureIn(b.replies[refused]); got != messages.FailureUnavailable || len(b.calls) != 0 {
		t.Fatalf("open: %v with calls %v, want an answer at once and no call", got, b.running())
	}
	b.pass(10 * time.Second)
	if diff := cmp.Diff([]string{"ping 0"}, b.running()); diff != "" {
		t.Fatalf("calls after the pause (-want +got):\n%s", diff)
	}
	b.answer(opPing, failed(messages.FailureUnavailable))
	b.pass(19 * time.Second)
	if len(b.calls) != 0 {
		t.Fatalf("calls %v before the doubled pause is over", b.running())
	}
	b.pass(time.Second)
	b.answer(opPing, outcome{})
	ask()
	if diff := cmp.Diff([]string{"execution 1"}, b.running()); diff != "" {
		t.Fatalf("calls on trial (-want +got):\n%s", diff)
	}
	b.answer(opExecution, failed(messages.FailureUnavailable))
	if !b.m.breaker.open {
		t.Fatal("a failure on trial did not open the breaker again")
	}
	want := []tellHealth{{Up: true}, {Up: false, Reason: "status: 5xx"}, {Up: true}, {Up: false, Reason: "status: 5xx"}}
	if diff := cmp.Diff(want, b.health); diff != "" {
		t.Errorf("health told (-want +got):\n%s", diff)
	}
}

func TestMachine_breakerTellsNobodyWhatOthersAskedFor(t *testing.T) {
	b := pinged(t, Rules{Breaker: BreakerSettings{Failures: 1, CoolDown: 10 * time.Second}})
	asked := b.ask(messages.LookupTask{TaskID: guid(1)})
	b.answer(opTask, outcome{failure: messages.Failure{Kind: messages.FailureUnavailable, Text: "no answer about 1"}, trouble: "no answer"})
	if got := b.task(asked).Failure.Text; got != "no answer about 1" {
		t.Errorf("want who asked told what for, got %q", got)
	}
	got := b.task(b.ask(messages.LookupTask{TaskID: guid(2)})).Failure.Text
	if want := "the Qlik Repository Service is out of reach: no answer"; got != want {
		t.Errorf("want %q, got %q", want, got)
	}
}

func TestCall_knowsTheTroubleForOthers(t *testing.T) {
	if got := failure(fmt.Errorf("about 1: %w", troubled{})); got.failure.Text != "about 1: secret" || got.trouble != "public" {
		t.Errorf("got %+v", got)
	}
	if got := failure(nil); got.failure.Failed() || got.trouble != "" {
		t.Errorf("want no failure, got %+v", got)
	}
}

type troubled struct{}

func (troubled) Error() string   { return "secret" }
func (troubled) Trouble() string { return "public" }

func TestMachine_breakerTakesAnyAnswerForASignOfLife(t *testing.T) {
	for _, kind := range []messages.FailureKind{messages.FailureNotFound, messages.FailureRejected, messages.FailureInvalid, messages.FailureBusy} {
		b := pinged(t, Rules{Breaker: BreakerSettings{Failures: 2}})
		for n := range 5 {
			b.ask(messages.LookupExecution{TaskID: guid(n)})
			b.answer(opExecution, failed(kind))
		}
		if b.m.breaker.open {
			t.Errorf("%v opened the breaker", kind)
		}
	}
}

// The QRS answers with an error for one object, which somebody follows on a quiet site.
func TestMachine_oneObjectThatFailsDoesNotCutOffTheOthers(t *testing.T) {
	b := pinged(t, Rules{Breaker: BreakerSettings{Failures: 3, CoolDown: 10 * time.Second}})
	for range 20 {
		b.ask(messages.LookupExecution{TaskID: guid(1)})
		b.answer(opExecution, failed(messages.FailureUnavailable))
		b.pass(6 * time.Second)
		if slices.Contains(b.running(), "ping 0") {
			b.answer(opPing, outcome{})
		}
		if b.m.breaker.open {
			t.Fatal("one object opened the breaker")
		}
	}
	b.ask(messages.LookupExecution{TaskID: guid(2)})
	b.answer(opExecution, failed(messages.FailureUnavailable))
	b.ask(messages.LookupExecution{TaskID: guid(3)})
	b.answer(opExecution, failed(messages.FailureUnavailable))
	if !b.m.breaker.open {
		t.Error("three objects that failed did not open the breaker")
	}
}

// Nobody asks for anything but one object when the QRS goes away.
func TestMachine_aPingTellsAnObjectFromAnOutage(t *testing.T) {
	b := pinged(t, Rules{Breaker: BreakerSettings{Failures: 3, CoolDown: 10 * time.Second}})
	b.ask(messages.LookupExecution{TaskID: guid(1)})
	b.answer(opExecution, failed(messages.FailureUnavailable))
	b.pass(10 * time.Second)
	b.answer(opPing, outcome{}) // it was the object
	began, pings := b.now, 0
	for !b.m.breaker.open {
		if b.now.Sub(began) > time.Minute {
			t.Fatal("an outage did not open the breaker within a minute")
		}
		b.ask(messages.LookupExecution{TaskID: guid(1)})
		b.answer(opExecution, failed(messages.FailureUnavailable))
		b.pass(5 * time.Second)
		if slices.Contains(b.running(), "ping 0") {
			pings++
			b.answer(opPing, failed(messages.FailureUnavailable))
		}
	}
	if pings != 1 {
		t.Errorf("want it opened by the object, a ping, and the object that is not to blame any more, got %d pings", pings)
	}
}

// fails asks for the result of a task, alone, and lets that call fail.
func (b *bench) fails(n int) {
	b.t.Helper()
	b.ask(messages.LookupExecution{TaskID: guid(n)})
	b.answer(opExecution, failed(messages.FailureUnavailable))
}

func TestMachine_anObjectThatFailsCountsAnew(t *testing.T) {
	rules := Rules{Breaker: BreakerSettings{Failures: 2}}
	for name, since := range map[string]func(*bench){
		"after it was answered": func(b *bench) {
			b.ask(messages.LookupExecution{TaskID: guid(1)})
			b.answer(opExecution, outcome{})
			b.fails(3)
		},
		"under new rules": func(b *bench) {
			b.take(b.m.change(b.now, rules.withDefaults(), OtherConnection)) // on trial
			b.answer(opPing, outcome{})
		},
	} {
		b := pinged(t, rules)
		b.fails(1)
		since(b)
		if b.m.breaker.open {
			t.Fatalf("%s: one failure of two opened the breaker", name)
		}
		b.fails(1)
		if !b.m.breaker.open {
			t.Errorf("%s: it did not open the breaker", name)
		}
	}
}

// together asks for the results of tasks while another call keeps the only slot, which is free then.
func (b *bench) together(tasks ...int) {
	b.t.Helper()
	b.ask(messages.LookupOwner{UserID: guid(999)})
	for _, n := range tasks {
		b.ask(messages.LookupExecution{TaskID: guid(n)})
	}
	b.answer(opOwner, failed(messages.FailureInvalid)) // tells nothing
}

// results answers all calls for results, failing those that ask for one of the bad, and returns what each asked for.
func (b *bench) results(kind messages.FailureKind, bad ...int) (asked []string) {
	b.t.Helper()
	for slices.ContainsFunc(b.calls, func(c startCall) bool { return c.Op == opExecution }) {
		ids := b.calls[0].IDs
		got := outcome{values: map[string]any{}}
		for _, id := range ids {
			got.values[id] = messages.Execution{Known: true}
		}
		if slices.ContainsFunc(bad, func(n int) bool { return slices.Contains(ids, guid(n)) }) {
			got = failed(kind)
		}
		b.answer(opExecution, got)
		asked = append(asked, strings.ReplaceAll(strings.Join(ids, " "), guid(0)[:len(guid(0))-1], ""))
	}
	return asked
}

// Two objects that the QRS fails over are followed by somebody on a quiet site.
func TestMachine_objectsThatFailTogetherDoNotCutOffTheOthers(t *testing.T) {
	for _, kind := range []messages.FailureKind{messages.FailureUnavailable, messages.FailureTimeout} {
		b := pinged(t, Rules{MaxConcurrent: 1, Breaker: BreakerSettings{Failures: 3, CoolDown: 10 * time.Second}})
		for range 20 {
			b.together(1, 2)
			b.results(kind, 1, 2)
			b.pass(6 * time.Second)
			if slices.Contains(b.running(), "ping 0") {
				b.answer(opPing, outcome{})
			}
			if b.m.breaker.open {
				t.Fatalf("%v: two objects opened the breaker", kind)
			}
		}
	}
}

func TestMachine_whatTheRepositoryFailsOverIsAskedForAlone(t *testing.T) {
	for name, row := range map[string]struct {
		kind         messages.FailureKind
		second, last []string
	}{
		"it failed":            {messages.FailureUnavailable, []string{"1", "2", "3", "4"}, []string{"1", "2 4", "3"}},
		"it was busy too long": {messages.FailureTimeout, []string{"1 2 3 4"}, []string{"1 2 3 4"}},
	} {
		b := pinged(t, Rules{MaxConcurrent: 1})
		b.together(1, 2, 3, 4)
		if diff := cmp.Diff([]string{"1 2 3 4"}, b.results(row.kind, 1, 3)); diff != "" {
			t.Fatalf("%s: calls at first (-want +got):\n%s", name, diff)
		}
		b.together(1, 2, 3, 4)
		if diff := cmp.Diff(row.second, b.results(row.kind, 1, 3)); diff != "" {
			t.Errorf("%s: calls for what failed together (-want +got):\n%s", name, diff)
		}
		b.together(1, 2, 3, 4)
		if diff := cmp.Diff(row.last, b.results(row.kind, 1, 3)); diff != "" {
			t.Errorf("%s: calls after two of them were answered (-want +got):\n%s", name, diff)
		}
	}
}

// The rest of the call was answered.
func TestMachine_whatACallFailedToBringIsAskedForAlone(t *testing.T) {
	b := pinged(t, Rules{MaxConcurrent: 1, Breaker: BreakerSettings{Failures: 1}})
	b.together(1, 2, 3)
	b.answer(opExecution, outcome{
		values: map[string]any{guid(1): messages.Execution{Known: true}, guid(3): messages.Execution{Known: true}}, failure: failed(messages.FailureUnavailable).failure,
	})
	for range 3 {
		b.together(1, 2, 3)
		if diff := cmp.Diff([]string{"1 3", "2"}, b.results(messages.FailureUnavailable, 2)); diff != "" {
			t.Errorf("calls (-want +got):\n%s", diff)
		}
	}
	if b.m.breaker.open {
		t.Error("it opened the breaker")
	}
}

func TestMachine_whatIsAskedForAloneStaysSoWhenItTakesTooLong(t *testing.T) {
	b := pinged(t, Rules{MaxConcurrent: 1})
	for _, kind := range []messages.FailureKind{messages.FailureUnavailable, messages.FailureTimeout} {
		b.together(1, 2)
		b.results(kind, 1, 2)
	}
	b.together(1, 2)
	if diff := cmp.Diff([]string{"1", "2"}, b.results(messages.FailureUnavailable)); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
}

func TestMachine_whatACallBringsBesideAFailureCountsAnew(t *testing.T) {
	b := pinged(t, Rules{MaxConcurrent: 1})
	b.together(1, 2)
	b.results(messages.FailureTimeout, 1, 2)
	b.together(1, 2)
	b.answer(opExecution, outcome{values: map[string]any{guid(1): messages.Execution{Known: true}}, failure: failed(messages.FailureTimeout).failure})
	for n, want := range map[int]bool{1: true, 2: false} {
		before := b.m.breaker.failures
		b.fails(n)
		if counted := b.m.breaker.failures > before; counted != want {
			t.Errorf("object %d: want its failure counted %t, got %t", n, want, counted)
		}
	}
}

// What all calls fail over is the repository, and no object of them.
func TestMachine_aPingThatFailsTakesTheBlameFromTheObjects(t *testing.T) {
	b := pinged(t, Rules{MaxConcurrent: 1, Breaker: BreakerSettings{Failures: 5, CoolDown: 10 * time.Second}})
	b.together(1, 2)
	b.results(messages.FailureUnavailable, 1, 2)
	b.pass(10 * time.Second)
	b.answer(opPing, failed(messages.FailureUnavailable))
	b.together(1, 2)
	if diff := cmp.Diff([]string{"1 2"}, b.results(messages.FailureUnavailable, 1, 2)); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
	if b.m.breaker.failures != 3 {
		t.Errorf("want three failures counted, got %d", b.m.breaker.failures)
	}
}

func TestMachine_aLateFailureDoesNotHurryThePing(t *testing.T) {
	b := pinged(t, Rules{Breaker: BreakerSettings{Failures: 2, CoolDown: 10 * time.Second, MaxCoolDown: 10 * time.Second}})
	b.fails(1)
	b.ask(messages.LookupExecution{TaskID: guid(1)}) // which is under way when the breaker opens
	b.ask(messages.LookupOwner{UserID: guid(2)})
	b.answer(opOwner, failed(messages.FailureUnavailable))
	b.m.random = func() float64 { return 0 }
	at := b.m.breaker.pingAt
	b.answer(opExecution, failed(messages.FailureUnavailable))
	if !b.m.breaker.open || !b.m.breaker.pingAt.Equal(at) {
		t.Errorf("want the ping at %v, got %v", at, b.m.breaker.pingAt)
	}
}

func TestMachine_remembersABoundedNumberOfObjectsThatFail(t *testing.T) {
	b := pinged(t, Rules{Breaker: BreakerSettings{Failures: 1000}})
	for n := range 3 * maxFailing {
		b.fails(n)
		if len(b.m.failing) > maxFailing {
			t.Fatalf("want %d remembered at most, got %d", maxFailing, len(b.m.failing))
		}
	}
}

func TestMachine_anOpeningBreakerAnswersWhatWaits(t *testing.T) {
	b := pinged(t, Rules{MaxConcurrent: 1, Breaker: BreakerSettings{Failures: 1}})
	b.ask(messages.LookupExecution{TaskID: guid(1)})
	queued := b.ask(messages.LookupExecution{TaskID: guid(2)})
	held := b.ask(messages.LookupExecution{TaskID: guid(1)})
	b.answer(opExecution, failed(messages.FailureUnavailable))
	for _, attempt := range []int{queued, held} {
		if got := failureIn(b.replies[attempt]); got != messages.FailureUnavailable {
			t.Errorf("question %d: %v, want unavailable", attempt, got)
		}
	}
	if len(b.calls) != 0 {
		t.Errorf("%v still run", b.running())
	}
}

func TestMachine_isOnTrialAtFirst(t *testing.T) {
	b := newBench(t, Rules{})
	if diff := cmp.Diff([]string{"ping 0"}, b.running()); diff != "" {
		t.Fatalf("calls at the start (-want +got):\n%s", diff)
	}
	b.answer(opPing, failed(messages.FailureRejected))
	if diff := cmp.Diff([]tellHealth{{Up: false, Reason: "status: 5xx"}}, b.health); diff != "" {
		t.Errorf("health (-want +got):\n%s", diff)
	}
	asked := b.ask(messages.LookupTask{TaskID: guid(1), MaxAge: minute})
	if got := b.task(asked).Failure.Kind; got != messages.FailureUnavailable {
		t.Errorf("failure = %v, want unavailable at once", got)
	}
}

func TestMachine_pingsWhenNothingIsHeard(t *testing.T) {
	b := pinged(t, Rules{Breaker: BreakerSettings{PingEvery: minute}})
	b.pass(minute - time.Second)
	if len(b.calls) != 0 {
		t.Fatalf("calls %v, want none yet", b.running())
	}
	b.pass(time.Second)
	if diff := cmp.Diff([]string{"ping 0"}, b.running()); diff != "" {
		t.Fatalf("calls (-want +got):\n%s", diff)
	}
}

func TestMachine_staleCopies(t *testing.T) {
	tests := []struct {
		name   string
		age    time.Duration
		maxAge time.Duration
		then   func(*bench)
		stale  bool
	}{
		{"when the call fails", time.Hour, minute, func(b *bench) { b.answer(opTask, failed(messages.FailureUnavailable)) }, true},
		{"when the answer is nonsense", time.Hour, minute, func(b *bench) { b.answer(opTask, failed(messages.FailureInvalid)) }, true},
		{"before the deadline passes", time.Hour, minute, func(b *bench) { b.pass(9 * time.Second) }, true},
		{"not when the QRS refuses", time.Hour, minute, func(b *bench) { b.answer(opTask, failed(messages.FailureRejected)) }, false},
		{"not when it is gone", time.Hour, minute, func(b *bench) { b.answer(opTask, found()) }, false},
		{"not when it is too old", 25 * time.Hour, minute, func(b *bench) { b.answer(opTask, failed(messages.FailureUnavailable)) }, false},
		{"not for who wants a fresh answer", time.Hour, 0, func(b *bench) { b.answer(opTask, failed(messages.FailureUnavailable)) }, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			b := pinged(t, Rules{})
			b.ask(messages.LookupTask{TaskID: guid(1), MaxAge: minute})
			b.answer(opTask, found(aTask(1)))
			b.now = b.now.Add(test.age)
			asked := b.ask(messages.LookupTask{TaskID: guid(1), MaxAge: test.maxAge, Deadline: b.now.Add(10 * time.Second)})
			test.then(b)
			got := b.task(asked)
			if got.Stale != test.stale || got.Failure.Failed() == test.stale {
				t.Errorf("stale %v, %v; want stale %v", got.Stale, got.Failure, test.stale)
			}
			if test.stale && got.Task.ID != guid(1) {
				t.Errorf("task = %+v", got.Task)
			}
		})
	}
}

func TestMachine_servesStaleCopiesWhileTheBreakerIsOpen(t *testing.T) {
	b := pinged(t, Rules{Breaker: BreakerSettings{Failures: 1}})
	b.ask(messages.LookupTask{TaskID: guid(1), MaxAge: minute})
	b.answer(opTask, found(aTask(1)))
	b.now = b.now.Add(time.Hour)
	b.ask(messages.LookupExecution{TaskID: guid(1)})
	b.answer(opExecution, failed(messages.FailureUnavailable))
	if got := b.task(b.ask(messages.LookupTask{TaskID: guid(1), MaxAge: minute})); !got.Stale || got.Task.ID != guid(1) {
		t.Errorf("reply = %+v, want the older copy", got)
	}
	if diff := cmp.Diff(map[string]int{"task miss": 1, "task stale": 1}, b.caches); diff != "" {
		t.Errorf("use of the caches (-want +got):\n%s", diff)
	}
}

func TestMachine_scriptLogsLeaveRoomForQuickCalls(t *testing.T) {
	b := pinged(t, Rules{MaxConcurrent: 4})
	for n := range 10 {
		b.ask(messages.FetchScriptLog{TaskID: guid(n)})
	}
	b.ask(messages.LookupTask{TaskID: guid(1), MaxAge: minute})
	want := []string{"script_log 1", "script_log 1", "task 1"}
	if diff := cmp.Diff(want, b.running()); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
}

func TestMachine_theOldestQuestionOfAnyKindIsNext(t *testing.T) {
	b := pinged(t, Rules{MaxConcurrent: 1})
	b.ask(messages.LookupExecution{TaskID: guid(1)}) // the others wait for its lane
	b.ask(messages.LookupOwner{UserID: guid(2), MaxAge: minute})
	b.ask(messages.LookupTask{TaskID: guid(3), MaxAge: minute})
	b.ask(messages.LookupApp{AppID: guid(4), MaxAge: minute})
	b.ask(messages.LookupTask{TaskID: guid(5), MaxAge: minute}) // shares the call of the older one
	var order []string
	for _, op := range []operation{opExecution, opOwner, opTask, opApp} {
		order = append(order, b.running()...)
		b.answer(op, outcome{})
	}
	if diff := cmp.Diff([]string{"execution 1", "owner 1", "task 2", "app 1"}, order); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
}

func TestMachine_scriptLogIsCutForEachAsker(t *testing.T) {
	b := pinged(t, Rules{MaxConcurrent: 1})
	b.ask(messages.LookupExecution{TaskID: guid(9)}) // so that both wait for one call
	small := b.ask(messages.FetchScriptLog{TaskID: guid(1), HeadLines: 1, TailLines: 2})
	large := b.ask(messages.FetchScriptLog{TaskID: guid(1), HeadLines: 9, Full: true})
	b.answer(opExecution, failed(messages.FailureNotFound))
	lines := []string{"a", "b", strings.Repeat("å", 3000)}
	got := scriptLog{
		Execution: messages.Execution{Known: true, ResultID: "r"}, Full: "whole",
		Log: messages.ScriptLog{Available: true, Rows: 3, Characters: 7, Head: lines, Tail: lines},
	}
	if call := b.answer(opScriptLog, outcome{values: map[string]any{guid(1): got}}); !call.Full {
		t.Error("the whole text was not asked for")
	}
	long := strings.Repeat("å", maxCutLineLength-1) + "…"
	want := messages.FetchScriptLogReply{
		TaskID: guid(1), Attempt: small, Execution: got.Execution, At: b.now,
		ScriptLog: messages.ScriptLog{Available: true, Rows: 3, Characters: 7, Head: []string{"a"}, Tail: []string{"b", long}},
	}
	if diff := cmp.Diff(want, b.replies[small]); diff != "" {
		t.Errorf("small reply (-want +got):\n%s", diff)
	}
	want.Attempt, want.Full = large, "whole"
	want.ScriptLog.Head, want.ScriptLog.Tail = []string{"a", "b", long}, nil
	if diff := cmp.Diff(want, b.replies[large]); diff != "" {
		t.Errorf("large reply (-want +got):\n%s", diff)
	}
}

func TestMachine_aFailedScriptLogBringsTheExecutionAlong(t *testing.T) {
	b := pinged(t, Rules{})
	asked := b.ask(messages.FetchScriptLog{TaskID: guid(1), Deadline: b.now.Add(20 * time.Second)})
	known := scriptLog{Execution: messages.Execution{Known: true}}
	call := b.answer(opScriptLog, outcome{values: map[string]any{guid(1): known}, failure: failed(messages.FailureTimeout).failure})
	reply := b.replies[asked].(messages.FetchScriptLogReply)
	if !reply.Execution.Known || reply.Failure.Kind != messages.FailureTimeout || !reply.Exhausted {
		t.Errorf("reply = %+v, want the execution beside the failure, which is the last word", reply)
	}
	if want := 19 * time.Second; call.Timeout != want {
		t.Errorf("the fetch may take %v, want %v: it ends before its asker gives up", call.Timeout, want)
	}
	if b.m.breaker.failures != 0 {
		t.Error("a log that did not come counts as a failure of the QRS")
	}
}

func TestMachine_refuses(t *testing.T) {
	for _, id := range []string{"", "x", guid(1) + " or id eq " + guid(2)} {
		b := pinged(t, Rules{})
		for _, command := range []any{
			messages.LookupTask{TaskID: id},
			messages.LookupApp{AppID: id},
			messages.LookupOwner{UserID: id},
			messages.LookupExecution{TaskID: id},
			messages.FetchScriptLog{TaskID: id},
		} {
			if got := failureIn(b.replies[b.ask(command)]); got != messages.FailureRejected {
				t.Errorf("%T %q: %v, want rejected", command, id, got)
			}
		}
		if len(b.calls) != 0 {
			t.Errorf("%q: calls %v", id, b.running())
		}
	}
}

func TestMachine_withoutAConnection(t *testing.T) {
	b := newBench(t, Rules{NotConfigured: true})
	want := messages.Failure{Kind: messages.FailureRejected, Text: "no Qlik Sense connection is configured"}
	if diff := cmp.Diff(want, b.task(b.ask(messages.LookupTask{TaskID: guid(1)})).Failure); diff != "" {
		t.Errorf("failure (-want +got):\n%s", diff)
	}
	if !b.m.next().IsZero() || len(b.calls) != 0 {
		t.Errorf("it wants to be woken at %v and makes the calls %v", b.m.next(), b.running())
	}
	if diff := cmp.Diff([]tellHealth{{Up: false, Reason: want.Text}}, b.health); diff != "" {
		t.Errorf("health (-want +got):\n%s", diff)
	}
}

func TestMachine_ignoresACallItDoesNotKnow(t *testing.T) {
	b := pinged(t, Rules{})
	b.ask(messages.LookupTask{TaskID: guid(1)})
	if effects := b.m.finished(b.now, 4711, found(aTask(1))); len(effects) > 0 {
		t.Errorf("want nothing done, got %+v", effects)
	}
}

func TestCache_keepsTheMostRecentlyUsed(t *testing.T) {
	c := newCache(2)
	at := time.Unix(0, 0)
	for n := range 2 {
		c.put(cachedAnswer{key: keyOf(opTask, guid(n)), value: n, at: at})
	}
	c.get(keyOf(opTask, guid(0)))
	c.put(cachedAnswer{key: keyOf(opTask, guid(2)), value: 2, at: at})
	for n, want := range []bool{true, false, true} {
		if _, ok := c.get(keyOf(opTask, guid(n))); ok != want {
			t.Errorf("entry %d is kept: %v, want %v", n, ok, want)
		}
	}
	c.put(cachedAnswer{key: keyOf(opTask, guid(2)), value: "older", at: at.Add(-time.Second)})
	if got, _ := c.get(keyOf(opTask, guid(2))); got.value != 2 {
		t.Errorf("an older answer replaced a newer one: %v", got.value)
	}
}

// Somebody who does not know the result wants one that is younger than the question.
func TestMachine_aKnownResultIsOfUseOnlyWhenEverybodyHasOne(t *testing.T) {
	result := func(id string) messages.Execution { return messages.Execution{Known: true, ResultID: id} }
	for _, row := range []struct {
		name string
		with []messages.Execution
		want messages.Execution
	}{
		{"nobody", []messages.Execution{{}}, messages.Execution{}},
		{"everybody, the newest", []messages.Execution{result("1"), result("2")}, result("2")},
		{"some", []messages.Execution{{}, result("2")}, messages.Execution{}},
	} {
		t.Run(row.name, func(t *testing.T) {
			b := pinged(t, Rules{MaxConcurrent: 2}) // one script log at a time
			b.ask(messages.FetchScriptLog{TaskID: guid(1)})
			for _, known := range row.with {
				b.ask(messages.FetchScriptLog{TaskID: guid(2), Result: known})
			}
			b.answer(opScriptLog, outcome{failure: messages.Failure{Kind: messages.FailureRejected}})
			got := b.answer(opScriptLog, outcome{failure: messages.Failure{Kind: messages.FailureRejected}})
			if diff := cmp.Diff(row.want, got.Result); diff != "" {
				t.Errorf("result (-want +got):\n%s", diff)
			}
		})
	}
}
