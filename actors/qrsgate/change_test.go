package qrsgate

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"butler/internal/actorkit/actortest"
	"butler/internal/qlik/qliktest"
	"butler/messages"
)

// move gives the machine another QRS.
func (b *bench) move() {
	b.t.Helper()
	b.take(b.m.change(b.now, b.m.rules, OtherRepository))
}

func TestMachine_questionsOfTheOldRepositoryAreAskedAgain(t *testing.T) {
	b := pinged(t, Rules{MaxConcurrent: 2})
	running := b.ask(messages.LookupTask{TaskID: guid(1), MaxAge: minute})
	b.ask(messages.LookupTask{TaskID: guid(2), MaxAge: minute})
	queued := b.ask(messages.LookupTask{TaskID: guid(3), MaxAge: minute})
	held := b.ask(messages.LookupTask{TaskID: guid(1)})
	old := b.calls[0]
	b.move()
	joining := b.ask(messages.LookupTask{TaskID: guid(1), MaxAge: minute})
	b.take(b.m.finished(b.now, old.ID, found())) // which the old repository does not know
	if len(b.replies) != 1 {
		t.Fatalf("the old repository answered: %+v", b.replies)
	}
	if diff := cmp.Diff([]string{"ping 0", "task 3"}, b.running()); diff != "" {
		t.Fatalf("calls to the new one (-want +got):\n%s", diff)
	}
	b.answer(opTask, found(aTask(1), aTask(3)))
	for attempt, n := range map[int]int{running: 1, queued: 3, held: 1, joining: 1} {
		if got := b.task(attempt).Task.ID; got != guid(n) {
			t.Errorf("question %d got task %q, want that of the new repository", attempt, got)
		}
	}
}

func TestMachine_theOldRepositoryIsForgotten(t *testing.T) {
	b := pinged(t, Rules{})
	b.ask(messages.LookupTask{TaskID: guid(1), MaxAge: minute})
	b.answer(opTask, found(aTask(1)))
	asked := b.ask(messages.FetchScriptLog{TaskID: guid(1)})
	b.answer(opScriptLog, late(1, "old"))
	b.move()
	b.answer(opPing, outcome{})
	again := b.ask(messages.LookupTask{TaskID: guid(1), MaxAge: minute})
	if _, answered := b.replies[again]; answered {
		t.Error("a copy from the old repository was given, in the moment of the change")
	}
	if c := b.answer(opScriptLog, failed(messages.FailureRejected)); c.Attempt != 1 || !c.Began.Equal(b.now) {
		t.Errorf("attempt %d since %v, want the first", c.Attempt, c.Began)
	}
	if got := b.log(asked); got.Execution.Known {
		t.Errorf("the result of the old repository was given: %+v", got.Execution)
	}
}

func TestMachine_whatNobodyWaitsForIsNotAskedAgain(t *testing.T) {
	b := pinged(t, Rules{})
	b.ask(messages.LookupTask{TaskID: guid(1), Deadline: b.now.Add(time.Second)})
	b.pass(time.Second)
	b.move()
	if diff := cmp.Diff([]string{"ping 0"}, b.running()); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
}

func TestMachine_keepsTheBreakerOfTheSameConnection(t *testing.T) {
	settings := BreakerSettings{Failures: 3, CoolDown: 10 * time.Second}
	for name, row := range map[string]struct {
		rules      Rules
		connection Connection
		trial      bool
	}{
		"nothing changed":           {Rules{Breaker: settings}, SameConnection, false},
		"another timeout":           {Rules{Breaker: settings, Timeout: minute}, SameConnection, false},
		"other credentials":         {Rules{Breaker: settings}, OtherConnection, true},
		"another repository":        {Rules{Breaker: settings}, OtherRepository, true},
		"other settings of breaker": {Rules{Breaker: BreakerSettings{Failures: 4}}, SameConnection, true},
	} {
		b := pinged(t, Rules{Breaker: settings})
		b.take(b.m.change(b.now, row.rules.withDefaults(), row.connection))
		b.fails(1)
		if b.m.breaker.open != row.trial {
			t.Errorf("%s: open after one failure: %t, want %t", name, b.m.breaker.open, row.trial)
		}
	}
}

func TestMachine_aCallThroughTheOldConnectionDoesNotOpenTheNewBreaker(t *testing.T) {
	for _, connection := range []Connection{OtherConnection, OtherRepository} {
		b := pinged(t, Rules{MaxConcurrent: 2})
		asked := b.ask(messages.LookupExecution{TaskID: guid(1)})
		b.ask(messages.LookupTask{TaskID: guid(2), MaxAge: minute})
		waits := b.ask(messages.LookupOwner{UserID: guid(3)})
		old := b.calls[0]
		b.take(b.m.change(b.now, b.m.rules, connection))
		b.take(b.m.finished(b.now, old.ID, failed(messages.FailureTimeout)))
		for _, attempt := range []int{asked, waits} {
			if reply, answered := b.replies[attempt]; answered {
				t.Errorf("connection %d: question %d got %+v, want it looked up through the new one", connection, attempt, reply)
			}
		}
		if b.m.breaker.open {
			t.Errorf("connection %d: the breaker is open", connection)
		}
	}
}

func TestMachine_anotherConnectionToTheRepositoryKeepsItsAnswers(t *testing.T) {
	b := pinged(t, Rules{})
	b.ask(messages.LookupTask{TaskID: guid(1), MaxAge: minute})
	b.answer(opTask, found(aTask(1)))
	b.take(b.m.change(b.now, b.m.rules, OtherConnection))
	if got := b.task(b.ask(messages.LookupTask{TaskID: guid(1), MaxAge: minute})); got.Task.ID != guid(1) {
		t.Errorf("reply %+v, want the copy", got)
	}
}

// All slots are taken by calls to a repository that does not answer.
func TestGate_anotherRepositoryNeedNotWaitForTheOldOne(t *testing.T) {
	old := &qliktest.Port{Before: taking(time.Hour)}
	present := &qliktest.Port{Task: everyTask}
	onStage(t, Options{Port: old, Rules: Rules{MaxConcurrent: 2}}, func(s *stage) {
		s.ask(messages.LookupTask{TaskID: guid(1), MaxAge: minute}, messages.LookupTask{TaskID: guid(2), MaxAge: minute})
		s.kit.System.Root.Send(s.gate, Changed{Port: present, Connection: OtherRepository})
		synctest.Wait()
		var got []string
		for _, reply := range actortest.Of[messages.LookupTaskReply](s.probe) {
			got = append(got, strings.TrimPrefix(reply.Task.ID, guid(0)[:len(guid(0))-1]))
		}
		if diff := cmp.Diff([]string{"1", "2"}, got); diff != "" {
			t.Errorf("tasks at once (-want +got):\n%s", diff)
		}
	})
}
