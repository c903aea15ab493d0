package qrsgate

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"butler/internal/actorkit/actortest"
	"butler/internal/qlik"
	"butler/internal/qlik/qliktest"
	"butler/messages"
)

const pause = 2 * time.Second

// late is the outcome of an attempt that came before the log.
func late(n int, result string) outcome {
	return outcome{retryAfter: pause, values: map[string]any{guid(n): scriptLog{Execution: messages.Execution{Known: true, ResultID: result}}}}
}

func there(n int) outcome {
	return outcome{values: map[string]any{guid(n): scriptLog{Log: messages.ScriptLog{Available: true, Rows: 1}}}}
}

// logs returns the tasks whose logs are being fetched.
func (b *bench) logs() []string {
	var out []string
	for _, c := range b.calls {
		if c.Op == opScriptLog {
			out = append(out, c.IDs...)
		}
	}
	return out
}

func (b *bench) log(attempt int) messages.FetchScriptLogReply {
	b.t.Helper()
	reply, ok := b.replies[attempt].(messages.FetchScriptLogReply)
	if !ok {
		b.t.Fatalf("question %d got %T, want a script log", attempt, b.replies[attempt])
	}
	return reply
}

func TestMachine_aLateLogHoldsNoLane(t *testing.T) {
	b := pinged(t, Rules{MaxConcurrent: 4}) // two lanes for script logs
	const many = 20
	for n := range many {
		b.ask(messages.FetchScriptLog{TaskID: guid(n)})
	}
	ready := b.ask(messages.FetchScriptLog{TaskID: guid(many)})
	for n := range many {
		b.answer(opScriptLog, late(n, "r"))
	}
	if diff := cmp.Diff([]string{guid(many)}, b.logs()); diff != "" {
		t.Fatalf("fetched while the others are late (-want +got):\n%s", diff)
	}
	b.answer(opScriptLog, there(many))
	if !b.log(ready).ScriptLog.Available {
		t.Error("the log that was there is not answered at once")
	}
	b.pass(pause - time.Millisecond)
	if got := b.logs(); len(got) != 0 {
		t.Fatalf("%v are asked for before the pause is over", got)
	}
	b.pass(time.Millisecond)
	if diff := cmp.Diff([]string{guid(0), guid(1)}, b.logs()); diff != "" {
		t.Fatalf("fetched after the pause (-want +got):\n%s", diff)
	}
	for n := range many {
		b.answer(opScriptLog, there(n))
	}
	if len(b.replies) != b.asked || len(b.m.running) != 0 {
		t.Errorf("%d replies to %d questions, %d still run", len(b.replies), b.asked, len(b.m.running))
	}
}

func TestMachine_anotherAttemptKeepsItsPlace(t *testing.T) {
	b := pinged(t, Rules{MaxConcurrent: 2}) // one lane
	b.ask(messages.FetchScriptLog{TaskID: guid(1)})
	b.answer(opScriptLog, late(1, "r"))
	for n := 2; n < 5; n++ {
		b.ask(messages.FetchScriptLog{TaskID: guid(n)})
	}
	b.pass(pause)
	b.answer(opScriptLog, there(2))
	if diff := cmp.Diff([]string{guid(1)}, b.logs()); diff != "" {
		t.Errorf("the oldest question is next (-want +got):\n%s", diff)
	}
}

func TestMachine_tellsTheAttemptAndWhenTheFirstWas(t *testing.T) {
	b := pinged(t, Rules{ScriptLogTimeout: time.Minute})
	b.ask(messages.FetchScriptLog{TaskID: guid(1)})
	began := b.now
	for attempt, left := range []time.Duration{59 * time.Second, 57 * time.Second, 55 * time.Second} {
		c := b.answer(opScriptLog, late(1, "r"))
		want := startCall{ID: c.ID, Op: opScriptLog, IDs: []string{guid(1)}, Attempt: attempt + 1, Began: began, Timeout: left}
		if diff := cmp.Diff(want, c); diff != "" {
			t.Errorf("attempt %d (-want +got):\n%s", attempt+1, diff)
		}
		b.pass(pause)
	}
}

func TestMachine_betweenAttemptsIsAnswered(t *testing.T) {
	unavailable := failed(messages.FailureUnavailable)
	tests := []struct {
		name string
		then func(*bench)
		want messages.FailureKind
	}{
		{"at the deadline, during the pause", func(b *bench) { b.pass(pause - time.Second) }, messages.FailureTimeout},
		{"when the breaker opens", func(b *bench) {
			b.ask(messages.LookupExecution{TaskID: guid(2)})
			b.answer(opExecution, unavailable)
		}, messages.FailureUnavailable},
		{"when there is no QRS any more", func(b *bench) {
			b.take(b.m.change(b.now, Rules{NotConfigured: true}.withDefaults(), OtherConnection))
		}, messages.FailureUnavailable},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			b := pinged(t, Rules{Breaker: BreakerSettings{Failures: 1}})
			asked := b.ask(messages.FetchScriptLog{TaskID: guid(1), Deadline: b.now.Add(time.Second)})
			b.answer(opScriptLog, late(1, "r"))
			test.then(b)
			if got := b.log(asked); got.Execution.ResultID != "r" || got.Failure.Kind != test.want || got.Exhausted {
				t.Errorf("got %+v, %v; want the execution known so far and %v, which is not the last word", got.Execution, got.Failure, test.want)
			}
			if len(b.m.running) != 0 || len(b.m.retries) != 0 {
				t.Errorf("%d run and %d rest though nobody waits", len(b.m.running), len(b.m.retries))
			}
		})
	}
}

func TestMachine_keepsWhatAnEarlierAttemptKnew(t *testing.T) {
	b := pinged(t, Rules{})
	asked := b.ask(messages.FetchScriptLog{TaskID: guid(1)})
	b.answer(opScriptLog, late(1, "r"))
	b.pass(pause)
	b.answer(opScriptLog, outcome{retryAfter: pause})
	b.pass(pause)
	b.answer(opScriptLog, failed(messages.FailureUnavailable))
	if got := b.log(asked); got.Execution.ResultID != "r" || got.Failure.Kind != messages.FailureUnavailable {
		t.Errorf("got %+v, %v; want the execution of the first attempt and the failure of the last", got.Execution, got.Failure)
	}
}

func TestMachine_aSecondQuestionWaitsUntilTheLastAttempt(t *testing.T) {
	b := pinged(t, Rules{})
	b.ask(messages.FetchScriptLog{TaskID: guid(1)})
	b.answer(opScriptLog, late(1, "r"))
	second := b.ask(messages.FetchScriptLog{TaskID: guid(1)})
	if got := b.logs(); len(got) != 0 {
		t.Fatalf("%v are fetched during the pause", got)
	}
	b.pass(pause)
	b.answer(opScriptLog, there(1))
	if _, answered := b.replies[second]; answered {
		t.Error("a log that was fetched for the first question answered the second")
	}
	if c := b.answer(opScriptLog, there(1)); c.Attempt != 1 || !b.log(second).ScriptLog.Available {
		t.Errorf("attempt %d, %+v; want a fetch of its own", c.Attempt, b.replies[second])
	}
}

func TestMachine_aSecondQuestionIsNextWhenTheFirstIsGivenUp(t *testing.T) {
	b := pinged(t, Rules{})
	b.ask(messages.FetchScriptLog{TaskID: guid(1), Deadline: b.now.Add(time.Second)})
	b.answer(opScriptLog, late(1, "r"))
	b.ask(messages.FetchScriptLog{TaskID: guid(1)})
	b.pass(time.Second)
	if diff := cmp.Diff([]string{guid(1)}, b.logs()); diff != "" {
		t.Errorf("fetched (-want +got):\n%s", diff)
	}
}

func TestGate_asksForALateLogAgain(t *testing.T) {
	var at []time.Duration
	start := time.Time{}
	port := &qliktest.Port{Script: func(string) (messages.Execution, messages.ScriptLog, error) {
		at = append(at, time.Since(start))
		if len(at) < 3 {
			return messages.Execution{Known: true}, messages.ScriptLog{}, qlik.NotYet{After: pause}
		}
		return messages.Execution{Known: true}, messages.ScriptLog{Available: true, Rows: 1}, nil
	}}
	onStage(t, Options{Port: port}, func(s *stage) {
		start = s.start
		s.ask(messages.FetchScriptLog{TaskID: guid(1)})
		time.Sleep(3 * pause)
		synctest.Wait()
		if want := []time.Duration{0, pause, 2 * pause}; !slices.Equal(at, want) {
			t.Errorf("asked at %v, want %v", at, want)
		}
		if got := actortest.Of[messages.FetchScriptLogReply](s.probe); len(got) != 1 || !got[0].ScriptLog.Available {
			t.Errorf("replies %+v, want one with the log", got)
		}
		if got := s.logs.FilterMessageSnippet("failed").Len(); got != 0 {
			t.Errorf("a log that is late is logged as %d failures", got)
		}
	})
}
