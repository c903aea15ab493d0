package scriptlog

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"butler/internal/qlik"
	"butler/messages"
)

// script is a source that answers call by call from queues; the last answer of a queue stays.
type script struct {
	results []answer[messages.Execution]
	old     []answer[string]
	new     []answer[string]
	texts   []answer[string]
	trace   []string
	start   time.Time
	times   []time.Duration
}

type answer[T any] struct {
	value T
	err   error
}

func ok[T any](v T) answer[T] { return answer[T]{value: v} }

func failing[T any](kind messages.FailureKind) answer[T] {
	return answer[T]{err: callError{messages.Failure{Kind: kind, Text: "status"}}}
}

type callError struct{ failure messages.Failure }

func (f callError) Error() string             { return f.failure.Text }
func (f callError) Failure() messages.Failure { return f.failure }

func next[T any](s *script, name string, queue *[]answer[T]) (T, error) {
	s.trace = append(s.trace, name)
	s.times = append(s.times, time.Since(s.start))
	a := (*queue)[0]
	if len(*queue) > 1 {
		*queue = (*queue)[1:]
	}
	return a.value, a.err
}

func (s *script) Execution(context.Context, string, qlik.TaskType) (messages.Execution, error) {
	return next(s, "result", &s.results)
}

func (s *script) ScriptLogTicketByFile(_ context.Context, _, ref string) (string, error) {
	return next(s, "old "+ref, &s.old)
}

func (s *script) ScriptLogTicketByResult(_ context.Context, _, id string) (string, error) {
	return next(s, "new "+id, &s.new)
}

func (s *script) DownloadScriptLog(_ context.Context, ticket string) (string, error) {
	return next(s, "download "+ticket, &s.texts)
}

// fetch asks until it is told that there is no point in asking again.
func fetch(ctx context.Context, f *Fetcher) (messages.Execution, messages.ScriptLog, error) {
	began := time.Now()
	for attempt := 1; ; attempt++ {
		execution, log, err := f.ScriptLog(ctx, qlik.LogFetch{TaskID: "task", Attempt: attempt, Began: began}, messages.Execution{})
		later, again := errors.AsType[qlik.NotYet](err)
		if !again {
			return execution, log, err
		}
		time.Sleep(later.After)
	}
}

func result(file string) messages.Execution {
	return messages.Execution{Known: true, ResultID: "r", FileReferenceID: file, Status: qlik.StatusFinishedFail}
}

const body = "row1\r\nrow2\r\nrow3\r\nrow4"

func TestFetcher_followsTheAlgorithm(t *testing.T) {
	gone := failing[string](messages.FailureNotFound)
	down := failing[messages.Execution](messages.FailureUnavailable)
	available := result(qlik.ZeroGUID)
	available.ScriptLogAvailable = true
	noResult := messages.Execution{Known: true, FileReferenceID: "f"}
	tests := []struct {
		name   string
		source script
		trace  string
		rows   int
		fails  bool
		took   time.Duration
	}{
		{
			"the old way works",
			script{results: []answer[messages.Execution]{ok(result("f"))}, old: []answer[string]{ok("t")}, texts: []answer[string]{ok(body)}},
			"result, old f, download t", 4, false, 0,
		},
		{
			"no old ticket: the new way",
			script{results: []answer[messages.Execution]{ok(result("f"))}, old: []answer[string]{gone}, new: []answer[string]{ok("t")}, texts: []answer[string]{ok(body)}},
			"result, old f, new r, download t", 4, false, 0,
		},
		{
			"no old download: the new way",
			script{results: []answer[messages.Execution]{ok(result("f"))}, old: []answer[string]{ok("t")}, new: []answer[string]{ok("u")}, texts: []answer[string]{gone, gone, gone, gone, ok(body)}},
			"result, old f, " + settling("t") + ", new r, download u", 4, false, 500 * time.Millisecond,
		},
		{
			"both ways fail three times",
			script{results: []answer[messages.Execution]{ok(result("f"))}, old: []answer[string]{ok("t")}, new: []answer[string]{ok("u")}, texts: []answer[string]{gone}},
			strings.Join(slices.Repeat([]string{"result", "old f", settling("t"), "new r", settling("u")}, 3), ", "), 0, true, 7 * time.Second,
		},
		{
			"without a result ID there is no new way",
			script{results: []answer[messages.Execution]{ok(noResult)}, old: []answer[string]{gone}},
			"result, old f, result, old f, result, old f", 0, true, 4 * time.Second,
		},
		{
			"the file reference comes late",
			script{results: []answer[messages.Execution]{ok(result(qlik.ZeroGUID)), ok(result(qlik.ZeroGUID)), ok(result("f"))}, old: []answer[string]{ok("t")}, texts: []answer[string]{ok(body)}},
			"result, result, result, old f, download t", 4, false, 4 * time.Second,
		},
		{
			"the file reference never comes",
			script{results: []answer[messages.Execution]{ok(result(qlik.ZeroGUID))}},
			"result, result, result", 0, false, 4 * time.Second,
		},
		{
			"a missing file reference: only the new way",
			script{results: []answer[messages.Execution]{ok(result(""))}, new: []answer[string]{ok("t")}, texts: []answer[string]{ok(body)}},
			"result, new r, download t", 4, false, 0,
		},
		{
			"zero reference, but the result has a log: the new way",
			script{results: []answer[messages.Execution]{ok(available)}, new: []answer[string]{ok("t")}, texts: []answer[string]{ok(body)}},
			"result, new r, download t", 4, false, 0,
		},
		{
			"the result is not to be had at first",
			script{results: []answer[messages.Execution]{down, ok(result("f"))}, old: []answer[string]{ok("t")}, texts: []answer[string]{ok(body)}},
			"result, result, old f, download t", 4, false, 2 * time.Second,
		},
		{
			"the task is gone",
			script{results: []answer[messages.Execution]{failing[messages.Execution](messages.FailureNotFound)}},
			"result", 0, true, 0,
		},
		{
			"an empty log is not there yet",
			script{results: []answer[messages.Execution]{ok(result("f"))}, old: []answer[string]{ok("t")}, texts: []answer[string]{ok(""), ok(body)}},
			"result, old f, download t, result, old f, download t", 4, false, 2 * time.Second,
		},
		{
			"a log that looks like JSON is a log",
			script{results: []answer[messages.Execution]{ok(result("f"))}, old: []answer[string]{ok("t")}, texts: []answer[string]{ok("17")}},
			"result, old f, download t", 1, false, 0,
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				test.source.start = start
				_, log, err := fetch(t.Context(), New(Options{Source: &test.source}))
				if diff := cmp.Diff(test.trace, strings.Join(test.source.trace, ", ")); diff != "" {
					t.Errorf("calls (-want +got):\n%s", diff)
				}
				if log.Rows != test.rows || log.Available != (test.rows > 0) || (err != nil) != test.fails {
					t.Errorf("%d rows, available %v, %v; want %d rows, failure %v", log.Rows, log.Available, err, test.rows, test.fails)
				}
				if took := time.Since(start); took != test.took {
					t.Errorf("it took %v, want %v", took, test.took)
				}
			})
		})
	}
}

// settling is the trace of a ticket that stays unknown while it settles.
func settling(ticket string) string {
	return strings.Join(slices.Repeat([]string{"download " + ticket}, 4), ", ")
}

func TestFetcher_downloadsAtOnceAndAgainWhileTheTicketSettles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gone := failing[string](messages.FailureNotFound)
		s := &script{start: time.Now(), results: []answer[messages.Execution]{ok(result("f"))}, old: []answer[string]{ok("t")}, texts: []answer[string]{gone, gone, ok(body)}}
		if _, _, err := fetch(t.Context(), New(Options{Source: s})); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]time.Duration{0, 0, 0, 125 * time.Millisecond, 375 * time.Millisecond}, s.times); diff != "" {
			t.Errorf("times of the calls (-want +got):\n%s", diff)
		}
	})
}

func TestFetcher_remembersTheNewWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{results: []answer[messages.Execution]{ok(result("f"))}, old: []answer[string]{failing[string](messages.FailureNotFound)}, new: []answer[string]{ok("t")}, texts: []answer[string]{ok(body)}}
		core, logs := observer.New(zap.WarnLevel)
		f := New(Options{Source: s, Log: zap.New(core)})
		for range 2 {
			if _, _, err := fetch(t.Context(), f); err != nil {
				t.Fatal(err)
			}
		}
		want := "result, old f, new r, download t, result, new r, download t"
		if diff := cmp.Diff(want, strings.Join(s.trace, ", ")); diff != "" {
			t.Errorf("calls (-want +got):\n%s", diff)
		}
		if logs.Len() != 1 {
			t.Errorf("%d warnings, want 1: only the first fetch tried in vain", logs.Len())
		}
	})
}

func TestFetcher_returnsTheExecutionWithoutTheLog(t *testing.T) {
	for attempt := 1; attempt <= 3; attempt++ {
		gone := failing[string](messages.FailureNotFound)
		s := &script{results: []answer[messages.Execution]{ok(result("f"))}, old: []answer[string]{gone}, new: []answer[string]{gone}}
		execution, _, err := New(Options{Source: s}).ScriptLog(t.Context(), qlik.LogFetch{TaskID: "task", Attempt: attempt}, messages.Execution{})
		if err == nil || !execution.Known || execution.Status != qlik.StatusFinishedFail {
			t.Errorf("attempt %d: execution %+v, %v; want the execution and an error", attempt, execution, err)
		}
		if _, again := errors.AsType[qlik.NotYet](err); again != (attempt < 3) {
			t.Errorf("attempt %d: %v", attempt, err)
		}
	}
}

func TestFetcher_readsAResultThatIsKnownOnlyForLaterAttempts(t *testing.T) {
	for attempt, want := range map[int]string{1: "old f, download t", 2: "result, old g, download t"} {
		s := &script{
			results: []answer[messages.Execution]{ok(result("g"))}, old: []answer[string]{ok("t")}, texts: []answer[string]{ok(body)},
		}
		_, log, err := New(Options{Source: s}).ScriptLog(t.Context(), qlik.LogFetch{TaskID: "task", Attempt: attempt}, result("f"))
		if err != nil || !log.Available {
			t.Errorf("attempt %d: %+v, %v", attempt, log, err)
		}
		if diff := cmp.Diff(want, strings.Join(s.trace, ", ")); diff != "" {
			t.Errorf("calls of attempt %d (-want +got):\n%s", attempt, diff)
		}
	}
}

// The pause is the asker's: it holds no call meanwhile.
func TestFetcher_doesNotWaitForTheNextAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{results: []answer[messages.Execution]{ok(result(qlik.ZeroGUID))}}
		start := time.Now()
		_, _, err := New(Options{Source: s}).ScriptLog(t.Context(), qlik.LogFetch{TaskID: "task", Attempt: 1}, messages.Execution{})
		if diff := cmp.Diff(error(qlik.NotYet{After: 2 * time.Second}), err); diff != "" {
			t.Errorf("error (-want +got):\n%s", diff)
		}
		if took := time.Since(start); took != 0 {
			t.Errorf("it took %v", took)
		}
	})
}

func TestFetcher_countsAFetchOnceAndTimesItFromItsFirstAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := prometheus.NewRegistry()
		s := &script{results: []answer[messages.Execution]{ok(result(qlik.ZeroGUID)), ok(result("f"))}, old: []answer[string]{ok("t")}, texts: []answer[string]{ok(body)}}
		if _, _, err := fetch(t.Context(), New(Options{Source: s, Metrics: NewMetrics(reg)})); err != nil {
			t.Fatal(err)
		}
		families, err := reg.Gather()
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]float64{}
		for _, f := range families {
			for _, m := range f.GetMetric() {
				got[f.GetName()] += m.GetCounter().GetValue() + m.GetHistogram().GetSampleSum()
			}
		}
		want := map[string]float64{
			"butler_script_log_fetches_total": 1, "butler_script_log_fetch_duration_seconds": 2, "butler_script_log_size_bytes": float64(len(body)),
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("metrics (-want +got):\n%s", diff)
		}
	})
}

func TestFetcher_saysSoWhenThereIsNoTimeForAnotherAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{results: []answer[messages.Execution]{ok(result(qlik.ZeroGUID))}}
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		start := time.Now()
		execution, _, err := fetch(ctx, New(Options{Source: s}))
		failure, isFailure := errors.AsType[messages.Failure](err)
		if !isFailure || failure.Kind != messages.FailureTimeout || !execution.Known {
			t.Errorf("execution known %v, %v; want a timeout beside the known execution", execution.Known, err)
		}
		if took := time.Since(start); took != 2*time.Second {
			t.Errorf("it took %v, want the two attempts that fit", took)
		}
	})
}

func TestParse(t *testing.T) {
	tests := []struct {
		name string
		text string
		want []string
		size int
	}{
		{"CRLF", body, []string{"row1", "row2", "row3", "row4"}, 22},
		{"CRLF at the end", "a\r\nb\r\n", []string{"a", "b"}, 6},
		{"an empty last line", "a\r\n\r\n", []string{"a", ""}, 5},
		{"LF only", "a\nb\n", []string{"a", "b"}, 4},
		{"a lone LF in a CRLF log does not split", "a\nb\r\nc", []string{"a b", "c"}, 6},
		{"byte order mark", "\uFEFFa\r\nb", []string{"a", "b"}, 4},
		{"characters outside the basic plane count twice", "😀å", []string{"😀å"}, 3},
		{"control characters", "a\x1b[31m\tb\x00\u0085", []string{"a[31m\tb"}, 10},
		{"one line end", "\r\n", []string{""}, 2},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			want := messages.ScriptLog{Available: true, Rows: len(test.want), Characters: test.size, Head: test.want, Tail: test.want}
			if diff := cmp.Diff(want, Parse(test.text)); diff != "" {
				t.Errorf("log (-want +got):\n%s", diff)
			}
		})
	}
	if diff := cmp.Diff(messages.ScriptLog{}, Parse("")); diff != "" {
		t.Errorf("no text is no log (-want +got):\n%s", diff)
	}
}

func TestParse_headAndTailMayOverlapAndExceed(t *testing.T) {
	log := Parse(body)
	tests := []struct {
		n          int
		head, tail string
	}{
		{0, "", ""},
		{2, "row1 row2", "row3 row4"},
		{3, "row1 row2 row3", "row2 row3 row4"},
		{9, "row1 row2 row3 row4", "row1 row2 row3 row4"},
		{-1, "", ""},
	}
	for _, test := range tests {
		head, tail := strings.Join(log.HeadLines(test.n), " "), strings.Join(log.TailLines(test.n), " ")
		if head != test.head || tail != test.tail {
			t.Errorf("%d lines: head %q, tail %q; want %q, %q", test.n, head, tail, test.head, test.tail)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{"", body, "a\n\r\n\r", "\uFEFF\r\n", "\xff\xfe\x00a"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		log := Parse(text)
		if log.Available != (strings.TrimPrefix(text, "\uFEFF") != "") || log.Rows != len(log.Head) || log.Rows != len(log.Tail) {
			t.Errorf("available %v with %d rows, %d and %d lines", log.Available, log.Rows, len(log.Head), len(log.Tail))
		}
		for _, l := range log.Head {
			if strings.ContainsAny(l, "\r\n\x00\x1b") {
				t.Errorf("line %q holds a control character", l)
			}
		}
	})
}
