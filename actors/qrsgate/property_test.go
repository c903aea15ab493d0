package qrsgate

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"butler/internal/qlik"
	"butler/messages"
)

// Under any interleaving of questions, answers, failures and deadlines: every
// question is answered exactly once and not after its deadline, a task or result
// is asked for by one call at a time, the limits hold, an answer without a flag is
// not older than allowed, no answer is of a repository that was replaced before, and the machine always wants to be woken in time.
func TestMachine_answersEverythingOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rules := Rules{
			MaxConcurrent: rapid.IntRange(1, 4).Draw(t, "slots"), CacheSize: rapid.IntRange(1, 4).Draw(t, "cache"),
			TTL: 20 * time.Second, StaleFor: time.Minute, Timeout: 10 * time.Second, ScriptLogTimeout: 15 * time.Second,
			Breaker: BreakerSettings{Failures: rapid.IntRange(1, 3).Draw(t, "failures")},
		}
		w := &world{
			bench: newBench(t, rules), deadlines: map[int]time.Time{}, young: map[int]time.Duration{}, askedAt: map[int]time.Time{},
			checked: map[int]bool{},
		}
		t.Repeat(map[string]func(*rapid.T){
			"":       w.check,
			"ask":    w.askSomething,
			"answer": w.answerSomething,
			"move":   w.moveAway,
			"wait":   func(t *rapid.T) { w.wait(time.Duration(rapid.IntRange(1, 8000).Draw(t, "ms")) * time.Millisecond) },
		})
		for len(w.calls) > 0 || len(w.m.retries) > 0 {
			if len(w.calls) == 0 {
				w.wait(w.m.retries[0].notBefore.Sub(w.now))
				continue
			}
			w.finish(t, 0)
		}
		w.wait(time.Hour)
		if len(w.replies) != w.asked || len(w.m.deadlines) != 0 || len(w.m.waiting) != 0 || len(w.m.running) > 0 {
			t.Fatalf("in the end: %d replies to %d questions, %d deadlines, %d waiting, %d running",
				len(w.replies), w.asked, len(w.m.deadlines), len(w.m.waiting), len(w.m.running))
		}
	})
}

// world is a bench together with what a correct machine must keep to.
type world struct {
	*bench
	deadlines map[int]time.Time
	young     map[int]time.Duration
	askedAt   map[int]time.Time
	// repository counts the repositories, checked has the questions whose answers were
	// found to be of the one that was present then.
	repository int
	checked    map[int]bool
}

// moveAway gives the machine another repository. An outcome of the one before may
// have been on its way.
func (w *world) moveAway(t *rapid.T) {
	before := w.calls
	w.repository++
	w.move()
	if len(before) == 0 {
		return
	}
	late := rapid.SampledFrom(before).Draw(t, "late")
	if effects := w.m.finished(w.now, late.ID, outcome{}); len(effects) > 0 {
		t.Fatalf("an outcome of the old repository had the effects %+v", effects)
	}
}

func (w *world) askSomething(t *rapid.T) {
	id := guid(rapid.IntRange(0, 5).Draw(t, "id"))
	maxAge := time.Duration(rapid.IntRange(0, 3).Draw(t, "age")) * 5 * time.Second
	var deadline time.Time
	if wait := rapid.IntRange(-1, 12).Draw(t, "deadline"); wait >= 0 {
		deadline = w.now.Add(time.Duration(wait) * time.Second)
	}
	op := operation(rapid.IntRange(0, int(opScriptLog)).Draw(t, "op"))
	commands := [...]any{
		opTask:      messages.LookupTask{TaskID: id, MaxAge: maxAge, Deadline: deadline},
		opApp:       messages.LookupApp{AppID: id, MaxAge: maxAge, Deadline: deadline},
		opOwner:     messages.LookupOwner{UserID: id, MaxAge: maxAge, Deadline: deadline},
		opExecution: messages.LookupExecution{TaskID: id, TaskType: qlik.TaskType(rapid.IntRange(0, 1).Draw(t, "type")), Deadline: deadline},
		opScriptLog: messages.FetchScriptLog{TaskID: id, Deadline: deadline},
	}
	if deadline.IsZero() {
		deadline = w.now.Add(w.m.rules.timeout(op))
	}
	attempt := w.asked + 1
	w.deadlines[attempt], w.young[attempt], w.askedAt[attempt] = deadline, maxAge, w.now
	w.ask(commands[op])
}

func (w *world) answerSomething(t *rapid.T) {
	if len(w.calls) == 0 {
		t.Skip("nothing runs")
	}
	w.finish(t, rapid.IntRange(0, len(w.calls)-1).Draw(t, "call"))
}

// finish ends a call: every value tells when it was asked for, so that its age can be checked.
func (w *world) finish(t *rapid.T, index int) {
	c := w.calls[index]
	w.calls = append(w.calls[:index:index], w.calls[index+1:]...)
	kind := rapid.SampledFrom([]messages.FailureKind{
		messages.FailureNone, messages.FailureNone, messages.FailureNone, messages.FailureNone, messages.FailureUnavailable, messages.FailureTimeout,
		messages.FailureInvalid, messages.FailureRejected, messages.FailureBusy,
	}).Draw(t, "kind")
	got := outcome{values: map[string]any{}}
	if kind != messages.FailureNone {
		got.failure = messages.Failure{Kind: kind, Text: "no"}
	}
	stamp := fmt.Sprint(w.repository, " ", w.stampOf(c).Format(time.RFC3339Nano))
	for _, id := range c.IDs {
		if kind != messages.FailureNone && c.Op != opScriptLog || !rapid.Bool().Draw(t, "exists") {
			continue
		}
		got.values[id] = map[operation]any{
			opTask: messages.Task{Known: true, ID: id, Name: stamp}, opApp: messages.App{Known: true, ID: id, Name: stamp},
			opOwner: messages.Owner{Known: true, ID: id, Name: stamp}, opExecution: messages.Execution{Known: true, Node: stamp},
			opScriptLog: scriptLog{Execution: messages.Execution{Known: true, Node: stamp}},
		}[c.Op]
	}
	if c.Op == opScriptLog && rapid.Bool().Draw(t, "not yet") {
		got.failure, got.retryAfter = messages.Failure{}, time.Duration(rapid.IntRange(1, 3).Draw(t, "pause"))*time.Second
	}
	w.take(w.m.finished(w.now, c.ID, got))
}

// stampOf returns when a call began.
func (w *world) stampOf(c startCall) time.Time {
	if entries := w.m.calls[c.ID].entries; len(entries) > 0 {
		return entries[0].started
	}
	return w.now
}

func (w *world) wait(d time.Duration) { w.pass(d) }

func (w *world) check(t *rapid.T) {
	lanes := [operationCount]int{}
	asking := map[key]bool{}
	for _, c := range w.m.calls {
		lanes[c.op]++
		for _, e := range c.entries {
			if asking[e.key] {
				t.Fatalf("two calls ask for %v", e.key)
			}
			asking[e.key] = true
		}
		if len(c.entries) > operations[c.op].batch {
			t.Fatalf("a call of %v asks %d questions", c.op, len(c.entries))
		}
	}
	for _, e := range w.m.retries {
		if asking[e.key] || !e.betweenAttempts || e.live == 0 || w.m.running[e.key] != e || !w.now.Before(e.notBefore) {
			t.Fatalf("%v rests until %v with %d waiting, idle %v, called %v", e.key, e.notBefore, e.live, e.betweenAttempts, asking[e.key])
		}
	}
	for op, queue := range w.m.queues {
		if !slices.IsSortedFunc(queue, bySeq) {
			t.Fatalf("the questions for %v do not wait in the order they came", operation(op))
		}
	}
	for op, n := range lanes {
		if n > operation(op).laneLimit(w.m.rules.MaxConcurrent) || n != w.m.lanes[op] {
			t.Fatalf("%d calls of %v run, the machine counts %d", n, operation(op), w.m.lanes[op])
		}
	}
	for attempt := range w.asked {
		w.checkAnswer(t, attempt+1)
	}
	if next := w.m.next(); len(w.m.retries) > 0 && next.After(w.m.retries[0].notBefore) {
		t.Fatalf("it wants to be woken at %v, something may be asked for again at %v", next, w.m.retries[0].notBefore)
	}
	if next := w.m.next(); len(w.m.deadlines) > 0 && next.After(w.m.deadlines[0].due) {
		t.Fatalf("it wants to be woken at %v, after the first deadline %v", next, w.m.deadlines[0].due)
	}
}

func (w *world) checkAnswer(t *rapid.T, attempt int) {
	reply, answered := w.replies[attempt]
	if !answered {
		if w.now.After(w.deadlines[attempt]) {
			t.Fatalf("question %d is still open %v after its deadline", attempt, w.now.Sub(w.deadlines[attempt]))
		}
		return
	}
	name, at, stale := stampIn(reply)
	if at.After(w.deadlines[attempt]) && w.deadlines[attempt].After(w.askedAt[attempt]) {
		t.Fatalf("question %d was answered at %v, its deadline was %v", attempt, at, w.deadlines[attempt])
	}
	if name == "" {
		return
	}
	repository, began, _ := strings.Cut(name, " ")
	if !w.checked[attempt] && repository != strconv.Itoa(w.repository) {
		t.Fatalf("question %d got an answer of repository %s, the present one is %d", attempt, repository, w.repository)
	}
	w.checked[attempt] = true
	stamp, err := time.Parse(time.RFC3339Nano, began)
	if err != nil {
		t.Fatal(err)
	}
	if oldest := w.askedAt[attempt].Add(-w.young[attempt]); !stale && stamp.Before(oldest) {
		t.Fatalf("question %d of %v may see answers since %v, it got one of %v", attempt, w.askedAt[attempt], oldest, stamp)
	}
	if stale && w.young[attempt] == 0 {
		t.Fatalf("question %d wants a fresh answer and got a stale one", attempt)
	}
}

func stampIn(reply any) (stamp string, at time.Time, stale bool) {
	switch r := reply.(type) {
	case messages.LookupTaskReply:
		return r.Task.Name, r.At, r.Stale
	case messages.LookupAppReply:
		return r.App.Name, r.At, r.Stale
	case messages.LookupOwnerReply:
		return r.Owner.Name, r.At, r.Stale
	case messages.LookupExecutionReply:
		return r.Execution.Node, r.At, false
	case messages.FetchScriptLogReply:
		return r.Execution.Node, r.At, false
	}
	return "", time.Time{}, false
}
