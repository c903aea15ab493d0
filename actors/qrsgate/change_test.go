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
	b.take(b.m.change(b.now, b.m.rules, true))
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

// All slots are taken by calls to a repository that does not answer.
func TestGate_anotherRepositoryNeedNotWaitForTheOldOne(t *testing.T) {
	old := &qliktest.Port{Before: taking(time.Hour)}
	present := &qliktest.Port{Task: everyTask}
	onStage(t, Options{Port: old, Rules: Rules{MaxConcurrent: 2}}, func(s *stage) {
		s.ask(messages.LookupTask{TaskID: guid(1), MaxAge: minute}, messages.LookupTask{TaskID: guid(2), MaxAge: minute})
		s.kit.System.Root.Send(s.gate, Changed{Port: present, Elsewhere: true})
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
