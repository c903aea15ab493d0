package starttask

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"butler/messages"
)

func TestStart_tellsWhatCouldNotBeStarted(t *testing.T) {
	s := team(t)
	s.fail = func(_ context.Context, call string) error {
		switch call {
		case "start " + idOf(1):
			return answerError{messages.FailureRejected, 409}
		case "start " + idOf(3):
			return errDown
		}
		return nil
	}
	a := s.starter().Start(t.Context(), caller(), Request{IDs: []string{idOf(1), idOf(2), idOf(3)}, Tags: []string{"nightly"}})
	wantTexts(t, "tasksStarted", started(a), "Load Sales")
	wantTexts(t, "tasksId.started", names(a.TasksID.Started), "Load Sales")
	wantTexts(t, "tasksTag", names(a.TasksTag), "Load Sales")
	want := []FailedTask{
		{TaskName{idOf(1), "Load HR"}, "failed", "Qlik Sense refused it (HTTP 409)"},
		{TaskName{idOf(3), "Load Plan"}, "failed", "Qlik Sense could not be reached; it is not known whether the task was started"},
	}
	if diff := cmp.Diff(want, a.TasksFailed); diff != "" || a.TotalTasksStarted != 1 || a.Status != http.StatusOK || a.Error == "" {
		t.Errorf("status %d, %q, tasksFailed (-want +got):\n%s", a.Status, a.Error, diff)
	}
	if got := len(s.starts()); got != 3 {
		t.Errorf("want every start once, got %d", got)
	}
	var failed int
	for _, e := range s.audit {
		if e.Action == StartTask && e.Outcome == Failed && e.Err != nil && e.Task.Name != "" {
			failed++
		}
	}
	if failed != 2 || len(s.audit) != 3 {
		t.Errorf("want the audit to know of three starts, two failed, got %+v", s.audit)
	}
}

func TestStart_neverHasMoreCallsUnderWayThanItMay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		for i := range 40 {
			s.tasks = append(s.tasks, task(idOf(i), idOf(i), "all"))
		}
		s.fail = func(context.Context, string) error { time.Sleep(time.Second); return nil }
		starter := s.starter(func(o *Options) { o.MaxConcurrent = 5 })
		begin := time.Now()
		for range 3 {
			go starter.Start(t.Context(), caller(), Request{Tags: []string{"all"}})
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if s.highest != 5 || len(s.starts()) != 120 || time.Since(begin) > time.Minute {
			t.Errorf("want 5 calls at once and 120 starts, got %d, %d", s.highest, len(s.starts()))
		}
	})
}

func TestStart_endsInTimeWhenQlikSenseHangs(t *testing.T) {
	hang := func(prefix string) func(context.Context, string) error {
		return func(ctx context.Context, call string) error {
			if !strings.HasPrefix(call, prefix) {
				return nil
			}
			<-ctx.Done()
			return answerError{messages.FailureTimeout, 0}
		}
	}
	limits := func(o *Options) {
		o.MaxConcurrent, o.CallTimeout, o.Timeout = 2, 30*time.Second, 45*time.Second
	}
	t.Run("on looking up", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s, begin := team(t), time.Now()
			s.fail = hang("tag")
			a := s.starter(limits).Start(t.Context(), caller(), Request{Tags: []string{"sales"}})
			if a.Status != http.StatusInternalServerError || time.Since(begin) != 30*time.Second {
				t.Errorf("want 500 after 30 s, got %d after %s", a.Status, time.Since(begin))
			}
		})
	})
	t.Run("on starting", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := newSite(t)
			for i := range 10 {
				s.tasks = append(s.tasks, task(idOf(i), idOf(i), "all"))
			}
			s.fail = hang("start")
			begin := time.Now()
			a := s.starter(limits).Start(t.Context(), caller(), Request{Tags: []string{"all"}})
			if len(s.starts()) != 4 || time.Since(begin) != time.Minute || len(a.TasksFailed) != 10 {
				t.Errorf("want 4 starts tried in a minute and 10 failed, got %d in %s, %d", len(s.starts()), time.Since(begin), len(a.TasksFailed))
			}
			if got := a.TasksFailed[0].Reason; !strings.Contains(got, "not known whether") {
				t.Errorf("first reason: %q", got)
			}
			if got := a.TasksFailed[9].Reason; !strings.HasPrefix(got, "not started") {
				t.Errorf("last reason: %q", got)
			}
		})
	})
	t.Run("a start that has begun outlives the caller's interest", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := team(t)
			s.fail = func(ctx context.Context, call string) error {
				if strings.HasPrefix(call, "start") {
					select {
					case <-time.After(10 * time.Second):
					case <-ctx.Done():
						return ctx.Err()
					}
				}
				return nil
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			a := s.starter().Start(ctx, caller(), Request{PathID: idOf(1)})
			wantTexts(t, "tasksStarted", started(a), "Load HR")
		})
	})
}

func TestStartTask_saysWhatItsErrorMeans(t *testing.T) {
	filter, _ := NewFilter(AllowList{TaskIDs: []string{idOf(1), idOf(9)}})
	tests := []struct {
		name, id string
		fail     string
		err      error
		want     messages.FailureKind
	}{
		{"started", idOf(1), "", nil, messages.FailureNone},
		{"no ID", "x", "", nil, messages.FailureRejected},
		{"nothing at all", "", "", nil, messages.FailureRejected},
		{"denied", idOf(2), "", nil, messages.FailureRejected},
		{"unknown", idOf(9), "", nil, messages.FailureNotFound},
		{"not looked up", idOf(1), "ids", errDown, messages.FailureUnavailable},
		{"not looked up in time, so not started", idOf(1), "ids", context.DeadlineExceeded, messages.FailureUnavailable},
		{"not started", idOf(1), "start", errDown, messages.FailureUnavailable},
		{"perhaps started", idOf(1), "start", context.DeadlineExceeded, messages.FailureTimeout},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := team(t)
			s.fail = func(_ context.Context, call string) error {
				if tt.fail != "" && strings.HasPrefix(call, tt.fail) {
					return tt.err
				}
				return nil
			}
			err := s.starter(func(o *Options) { o.Filter = filter }).StartTask(t.Context(), caller(), tt.id)
			if got := messages.FailureOf(err).Kind; got != tt.want {
				t.Errorf("want %v, got %v", tt.want, err)
			}
		})
	}
}

func TestStartTask_whoseTurnNeverComesMayBeTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := team(t)
		starter := s.starter(func(o *Options) { o.MaxConcurrent, o.Timeout = 1, 20*time.Second })
		s.fail = func(ctx context.Context, call string) error {
			if strings.HasPrefix(call, "ids "+idOf(2)) {
				<-ctx.Done()
				return ctx.Err()
			}
			time.Sleep(time.Second)
			return nil
		}
		mine := make(chan error, 1)
		go func() { mine <- starter.StartTask(t.Context(), caller(), idOf(1)) }()
		time.Sleep(time.Second / 2)
		_ = starter.StartTask(t.Context(), caller(), idOf(2)) // takes the only slot between the look-up and the start
		if err := <-mine; messages.FailureOf(err).Kind != messages.FailureUnavailable || len(s.starts()) != 0 {
			t.Errorf("want it to be tried again, got %v and %q", err, s.starts())
		}
	})
}
