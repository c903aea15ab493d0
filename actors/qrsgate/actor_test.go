package qrsgate

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/zap/zaptest/observer"

	"butler/internal/actorkit"
	"butler/internal/actorkit/actortest"
	"butler/internal/qlik"
	"butler/internal/qlik/qliktest"
	"butler/messages"
)

// stage is a gate in a bubble, with a probe that asks.
type stage struct {
	t     *testing.T
	kit   *actorkit.Kit
	logs  *observer.ObservedLogs
	stats *actorkit.Stats
	gate  *actor.PID
	probe *actortest.Probe
	start time.Time

	mu     sync.Mutex
	health []string
	// onHealth is called by the gate itself, after it has told its health.
	onHealth func()
}

func onStage(t *testing.T, opts Options, play func(*stage)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := &stage{t: t, start: time.Now()}
		s.kit, s.logs, s.stats = actortest.Kit(t)
		opts.Kit, opts.Log = s.kit, s.kit.Log
		opts.OnHealth = func(up bool, reason string) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.health = append(s.health, map[bool]string{true: "up", false: "down: " + reason}[up])
			if s.onHealth != nil {
				s.onHealth()
			}
		}
		s.gate = s.kit.System.Root.Spawn(Props(opts))
		s.probe = actortest.Spawn(t, s.kit, "asker", nil)
		synctest.Wait()
		play(s)
		for _, pid := range []*actor.PID{s.gate, s.probe.PID} {
			s.kit.System.Root.Stop(pid)
		}
		synctest.Wait()
		if bugs := s.stats.Bugs(); bugs != 0 {
			t.Errorf("%d panics: %v", bugs, s.logs.All())
		}
	})
}

// ask sends commands as the probe and lets everything happen that needs no time.
func (s *stage) ask(commands ...any) {
	for i, c := range commands {
		c = withAttempt(c, i+1)
		s.kit.System.Root.Send(s.gate, s.addressed(c))
	}
	synctest.Wait()
}

func (s *stage) addressed(command any) any {
	ref := actorkit.RefOf(s.probe.PID)
	switch c := command.(type) {
	case messages.LookupTask:
		c.ReplyTo = ref
		return c
	case messages.LookupApp:
		c.ReplyTo = ref
		return c
	case messages.LookupOwner:
		c.ReplyTo = ref
		return c
	case messages.LookupExecution:
		c.ReplyTo = ref
		return c
	case messages.FetchScriptLog:
		c.ReplyTo = ref
		return c
	}
	return command
}

func (s *stage) told() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.health...)
}

// taking makes every call take d, or as long as its context allows.
func taking(d time.Duration) func(context.Context, qliktest.Call) error {
	return func(ctx context.Context, _ qliktest.Call) error {
		select {
		case <-time.After(d):
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func everyTask(id string) (messages.Task, bool) { return messages.Task{Known: true, ID: id}, true }

func TestGate_answersTogetherWhatIsAskedTogether(t *testing.T) {
	port := &qliktest.Port{
		Task:   everyTask,
		Result: func(string, qlik.TaskType) (messages.Execution, error) { return messages.Execution{Known: true}, nil },
		Before: taking(time.Second),
	}
	onStage(t, Options{Port: port}, func(s *stage) {
		var commands []any
		for i, id := range []string{guid(1), guid(2), "no object ID", guid(3)} {
			commands = append(commands, s.addressed(messages.LookupExecution{TaskID: id, TaskType: qlik.TaskReload, Attempt: i + 1}))
		}
		s.ask(messages.Lookups{Commands: append(commands, "no question")}, messages.LookupTask{TaskID: guid(4)})
		time.Sleep(2 * time.Second)
		synctest.Wait()
		var got [][]int
		for _, answers := range actortest.Of[messages.Answers](s.probe) {
			var attempts []int
			for _, reply := range answers.Replies {
				attempts = append(attempts, reply.(messages.LookupExecutionReply).Attempt)
			}
			got = append(got, attempts)
		}
		if diff := cmp.Diff([][]int{{3}, {1, 2, 4}}, got); diff != "" {
			t.Errorf("answers differ (-want +got):\n%s", diff)
		}
		if got := port.Count("Executions"); got != 1 {
			t.Errorf("want one call for what is asked together, got %d", got)
		}
		if got := actortest.Of[messages.LookupTaskReply](s.probe); len(got) != 1 {
			t.Errorf("want a single question answered as such, got %+v", got)
		}
	})
}

func TestGate_answersEveryKindOfQuestion(t *testing.T) {
	port := &qliktest.Port{
		Task:   everyTask,
		App:    func(id string) (messages.App, bool) { return messages.App{Known: true, ID: id}, true },
		Owner:  func(id string) (messages.Owner, error) { return messages.Owner{Known: true, ID: id}, nil },
		Result: func(string, qlik.TaskType) (messages.Execution, error) { return messages.Execution{Known: true}, nil },
		Script: func(string) (messages.Execution, messages.ScriptLog, error) {
			return messages.Execution{Known: true}, messages.ScriptLog{Available: true, Rows: 2, Head: []string{"a", "b"}, Tail: []string{"a", "b"}}, nil
		},
	}
	onStage(t, Options{Port: port}, func(s *stage) {
		s.ask(messages.LookupTask{TaskID: guid(1)}, messages.LookupApp{AppID: guid(2)}, messages.LookupOwner{UserID: guid(3)},
			messages.LookupExecution{TaskID: guid(4)}, messages.FetchScriptLog{TaskID: guid(5), TailLines: 1, Full: true})
		if got := actortest.Of[messages.LookupTaskReply](s.probe); len(got) != 1 || got[0].Task.ID != guid(1) || got[0].Attempt != 1 {
			t.Errorf("task: %+v", got)
		}
		if got := actortest.Of[messages.LookupAppReply](s.probe); len(got) != 1 || got[0].App.ID != guid(2) {
			t.Errorf("app: %+v", got)
		}
		if got := actortest.Of[messages.LookupOwnerReply](s.probe); len(got) != 1 || got[0].Owner.ID != guid(3) {
			t.Errorf("owner: %+v", got)
		}
		if got := actortest.Of[messages.LookupExecutionReply](s.probe); len(got) != 1 || !got[0].Execution.Known {
			t.Errorf("execution: %+v", got)
		}
		want := []messages.FetchScriptLogReply{{
			TaskID: guid(5), Attempt: 5, Execution: messages.Execution{Known: true}, Full: "a\nb",
			ScriptLog: messages.ScriptLog{Available: true, Rows: 2, Tail: []string{"b"}}, At: time.Now(),
		}}
		if diff := cmp.Diff(want, actortest.Of[messages.FetchScriptLogReply](s.probe)); diff != "" {
			t.Errorf("script log (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff([]string{"up"}, s.told()); diff != "" {
			t.Errorf("health (-want +got):\n%s", diff)
		}
	})
}

func TestGate_keepsTheNumberOfCallsLow(t *testing.T) {
	port := &qliktest.Port{Task: everyTask, Before: taking(100 * time.Millisecond)}
	onStage(t, Options{Port: port, Rules: Rules{MaxConcurrent: 3}}, func(s *stage) {
		var commands []any
		for event := range 1000 {
			commands = append(commands, messages.LookupTask{TaskID: guid(event % 50), MaxAge: time.Minute})
		}
		s.ask(commands...)
		time.Sleep(time.Second)
		if got := len(actortest.Of[messages.LookupTaskReply](s.probe)); got != 1000 {
			t.Errorf("%d replies, want 1000", got)
		}
		if got := port.Count("Tasks"); got > 3 {
			t.Errorf("%d calls for 50 tasks, want at most 3", got)
		}
		if got := port.Highest(); got > 3 {
			t.Errorf("%d calls ran at once, want at most 3", got)
		}
	})
}

func TestGate_answersAtTheDeadlineThoughTheCallHangs(t *testing.T) {
	port := &qliktest.Port{Before: taking(time.Hour)}
	onStage(t, Options{Port: port}, func(s *stage) {
		s.ask(messages.LookupTask{TaskID: guid(1), MaxAge: time.Minute, Deadline: time.Now().Add(7 * time.Second)})
		time.Sleep(time.Minute)
		got := s.probe.All()
		if len(got) != 1 || got[0].At.Sub(s.start) != 7*time.Second {
			t.Fatalf("received %+v, want one reply after 7s", got)
		}
		if kind := failureIn(got[0].Message); kind != messages.FailureTimeout {
			t.Errorf("failure = %v, want timeout", kind)
		}
	})
}

func TestGate_breakerOpensAndRecoversByItself(t *testing.T) {
	var mu sync.Mutex
	down := false
	set := func(v bool) {
		mu.Lock()
		defer mu.Unlock()
		down = v
	}
	port := &qliktest.Port{Task: everyTask, Before: func(context.Context, qliktest.Call) error {
		mu.Lock()
		defer mu.Unlock()
		if down {
			return messages.Failure{Kind: messages.FailureUnavailable, Text: "connection refused"}
		}
		return nil
	}}
	rules := Rules{Breaker: BreakerSettings{Failures: 2, CoolDown: 10 * time.Second}}
	reg := prometheus.NewRegistry()
	onStage(t, Options{Port: port, Rules: rules, Metrics: NewMetrics(reg, "sense")}, func(s *stage) {
		s.ask(messages.LookupTask{TaskID: guid(1), MaxAge: time.Minute})
		set(true)
		time.Sleep(2 * time.Minute) // the idle pings find out
		before := len(port.Calls())
		s.ask(messages.LookupTask{TaskID: guid(1), MaxAge: time.Minute}, messages.LookupTask{TaskID: guid(2), MaxAge: time.Minute})
		replies := actortest.Of[messages.LookupTaskReply](s.probe)[1:]
		if len(replies) != 2 || !replies[0].Stale || replies[1].Failure.Kind != messages.FailureUnavailable {
			t.Errorf("replies while it is open: %+v, want a stale copy and a failure", replies)
		}
		if got := len(port.Calls()); got != before {
			t.Errorf("%d calls were made while it is open", got-before)
		}
		want := `
			# HELP butler_circuit_breaker_open 1 while the circuit breaker of a target is open.
			# TYPE butler_circuit_breaker_open gauge
			butler_circuit_breaker_open{target="qrs"} 1
			# HELP butler_qrs_up 1 while the Qlik Repository Service can be reached, else 0.
			# TYPE butler_qrs_up gauge
			butler_qrs_up{host="sense"} 0
			# HELP butler_qrs_cache_requests_total Look-ups in a cache by result: hit, miss, or stale when an expired copy was used because the repository could not be reached.
			# TYPE butler_qrs_cache_requests_total counter
			butler_qrs_cache_requests_total{cache="app",result="hit"} 0
			butler_qrs_cache_requests_total{cache="app",result="miss"} 0
			butler_qrs_cache_requests_total{cache="app",result="stale"} 0
			butler_qrs_cache_requests_total{cache="owner",result="hit"} 0
			butler_qrs_cache_requests_total{cache="owner",result="miss"} 0
			butler_qrs_cache_requests_total{cache="owner",result="stale"} 0
			butler_qrs_cache_requests_total{cache="task",result="hit"} 0
			butler_qrs_cache_requests_total{cache="task",result="miss"} 1
			butler_qrs_cache_requests_total{cache="task",result="stale"} 1
		`
		if err := testutil.GatherAndCompare(reg, strings.NewReader(want), "butler_circuit_breaker_open", "butler_qrs_up", "butler_qrs_cache_requests_total"); err != nil {
			t.Error(err)
		}
		set(false)
		time.Sleep(2 * time.Minute)
		s.ask(messages.LookupTask{TaskID: guid(2), MaxAge: time.Minute})
		all := actortest.Of[messages.LookupTaskReply](s.probe)
		if last := all[len(all)-1]; last.Failure.Failed() {
			t.Errorf("after the recovery: %v", last.Failure)
		}
		if diff := cmp.Diff([]string{"up", "down: connection refused", "up"}, s.told()); diff != "" {
			t.Errorf("health (-want +got):\n%s", diff)
		}
	})
}

func TestGate_withoutAConnection(t *testing.T) {
	onStage(t, Options{}, func(s *stage) {
		s.ask(messages.LookupApp{AppID: guid(1)}, messages.FetchScriptLog{TaskID: guid(1)})
		for _, r := range s.probe.All() {
			if failureIn(r.Message) != messages.FailureRejected {
				t.Errorf("%+v, want rejected: repeating does not help", r.Message)
			}
		}
		if diff := cmp.Diff([]string{"down: no Qlik Sense connection is configured"}, s.told()); diff != "" {
			t.Errorf("health (-want +got):\n%s", diff)
		}
		time.Sleep(time.Hour)
	})
}

func TestGate_survivesAPortThatPanics(t *testing.T) {
	port := &qliktest.Port{Task: func(string) (messages.Task, bool) { panic("poison") }}
	onStage(t, Options{Port: port}, func(s *stage) {
		s.ask(messages.LookupTask{TaskID: guid(1)})
		if got := s.probe.All(); len(got) != 1 || failureIn(got[0].Message) != messages.FailureInvalid {
			t.Errorf("received %+v, want an invalid answer", got)
		}
		if s.logs.FilterMessageSnippet("panicked").Len() != 1 {
			t.Errorf("log: %v", s.logs.All())
		}
	})
}

func TestGate_aCallOfAnEarlierLifeAnswersNothing(t *testing.T) {
	port := &qliktest.Port{Task: everyTask, Before: func(ctx context.Context, c qliktest.Call) error {
		if c.Method == "Ping" {
			return taking(time.Second)(ctx, c)
		}
		return taking(2*time.Second)(ctx, c)
	}}
	onStage(t, Options{Port: port}, func(s *stage) {
		crashes := 1
		s.onHealth = func() {
			if crashes--; crashes < 0 {
				return
			}
			// The question, and then the outcome of the call for the first one, wait for the next life.
			s.kit.System.Root.Send(s.gate, s.addressed(messages.LookupTask{TaskID: guid(2)}))
			time.Sleep(2 * time.Second)
			actorkit.Fail(errors.New("the gate is to crash"))
		}
		s.ask(messages.LookupTask{TaskID: guid(1)})
		time.Sleep(time.Minute)
		synctest.Wait()
		if crashes >= 0 {
			t.Fatal("the gate did not crash")
		}
		got := actortest.Of[messages.LookupTaskReply](s.probe)
		if len(got) != 2 || got[0].TaskID != guid(1) || !got[0].Failure.Retryable() {
			t.Fatalf("answers: %+v, want first that task %s is to be asked for again", got, guid(1))
		}
		if got[1].Task.ID != guid(2) || got[1].Failure.Failed() {
			t.Errorf("after the crash: %+v, want task %s", got[1], guid(2))
		}
	})
}

// The crash comes in the step that answers the first question, before its reply is sent.
func TestGate_aCrashAnswersEverythingThatWaits(t *testing.T) {
	port := &qliktest.Port{Task: everyTask, Before: taking(time.Second)}
	onStage(t, Options{Port: port, Rules: Rules{MaxConcurrent: 2, Breaker: BreakerSettings{Failures: 1}}}, func(s *stage) {
		var crashed atomic.Bool
		s.onHealth = func() {
			if crashed.CompareAndSwap(false, true) {
				actorkit.Fail(errors.New("the gate is to crash"))
			}
		}
		together := messages.Lookups{Commands: []any{
			s.addressed(messages.LookupExecution{TaskID: guid(1), Attempt: 7}), s.addressed(messages.LookupExecution{TaskID: guid(2), Attempt: 8}),
		}}
		s.ask(messages.LookupTask{TaskID: guid(1)}, messages.FetchScriptLog{TaskID: guid(1)}, together)
		time.Sleep(2 * time.Second) // the first outcome tells the health
		synctest.Wait()
		failures := map[int]bool{}
		for _, m := range s.probe.All() {
			replies := []any{m.Message}
			if answers, ok := m.Message.(messages.Answers); ok {
				replies = answers.Replies
			}
			for _, reply := range replies {
				attempt := messages.AttemptOf(reply)
				if _, twice := failures[attempt]; twice {
					t.Errorf("question %d is answered twice", attempt)
				}
				failures[attempt] = messages.Failure{Kind: failureIn(reply)}.Retryable()
			}
		}
		if diff := cmp.Diff(map[int]bool{1: true, 2: true, 7: true, 8: true}, failures); diff != "" {
			t.Errorf("questions with a failure that is worth trying again (-want +got):\n%s", diff)
		}
		if got := len(actortest.Of[messages.Answers](s.probe)); got != 1 {
			t.Errorf("%d messages for what was asked together, want 1", got)
		}
	})
}

func TestGate_logsAFailureOnceAMinute(t *testing.T) {
	port := &qliktest.Port{Before: func(_ context.Context, c qliktest.Call) error {
		if c.Method == "Ping" {
			return nil
		}
		return messages.Failure{Kind: messages.FailureRejected, Text: "status: 403"}
	}}
	onStage(t, Options{Port: port}, func(s *stage) {
		for n := range 5 {
			s.ask(messages.LookupOwner{UserID: guid(n)})
		}
		time.Sleep(2 * time.Minute)
		if got := s.logs.FilterMessage("call to the Qlik Repository Service failed").Len(); got != 1 {
			t.Errorf("%d lines at once, want 1", got)
		}
		summary := s.logs.FilterMessage("more calls to the Qlik Repository Service failed").All()
		if len(summary) != 1 || summary[0].ContextMap()["count"] != int64(4) {
			t.Errorf("summary: %v, want one of 4 more", summary)
		}
	})
}

func TestGate_cancelsItsCallsWhenItStops(t *testing.T) {
	ended := make(chan error, 2)
	port := &qliktest.Port{Before: func(ctx context.Context, _ qliktest.Call) error {
		<-ctx.Done()
		ended <- ctx.Err()
		return ctx.Err()
	}}
	onStage(t, Options{Port: port}, func(*stage) {}) // which stops the gate
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("the ping ended with %v, want cancelled", err)
	}
}
