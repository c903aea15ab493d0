package starttask

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"butler/internal/qlik"
	"butler/messages"
)

// becomes changes the last result of a task after a time.
func (s *site) becomes(after time.Duration, id, result string, status qlik.ExecutionStatus) {
	time.AfterFunc(after, func() {
		s.edit(id, func(t *messages.Task) { t.LastResultID, t.LastStatus = result, status })
	})
}

// outcomes returns name, outcome and state of what was waited for.
func outcomes(a Answer) []string {
	var out []string
	for _, s := range a.TasksStarted {
		out = append(out, s.Name+": "+s.Execution.Outcome+" "+s.Execution.Status)
	}
	return out
}

func TestWait_untilEveryExecutionHasEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := team(t)
		s.becomes(2500*time.Millisecond, idOf(1), "new-1", qlik.StatusStarted)
		s.becomes(9500*time.Millisecond, idOf(1), "new-1", qlik.StatusFinishedSuccess)
		s.becomes(20*time.Second, idOf(2), "new-2", qlik.StatusFinishedFail)
		s.becomes(30*time.Second+time.Millisecond, idOf(3), "new-3", qlik.StatusSkipped)
		begin := time.Now()
		a := s.starter().Start(t.Context(), caller(), Request{IDs: []string{idOf(1), idOf(2), idOf(3)}, Wait: 5 * time.Minute})
		if took := time.Since(begin); took != 31*time.Second {
			t.Errorf("want an answer at the look-up after the last end, got it after %s", took)
		}
		wantTexts(t, "outcomes", outcomes(a), "Load HR: succeeded FinishedSuccess", "Load Sales: failed FinishedFail", "Load Plan: skipped Skipped")
		if diff := cmp.Diff(&Waiting{Complete: true, Succeeded: 1, Failed: 2}, a.Waiting); diff != "" {
			t.Errorf("wait (-want +got):\n%s", diff)
		}
		if got := a.TasksStarted[0].Execution.ResultID; got != "new-1" {
			t.Errorf("want the ID of the result, got %q", got)
		}
	})
}

func TestWait_tellsWhichExecutionItIs(t *testing.T) {
	tests := []struct {
		name   string
		script func(s *site)
		want   string
	}{
		{"the end of the execution before does not count", func(*site) {}, "Load HR: unfinished "},
		{"the same result that was seen running counts", func(s *site) {
			s.becomes(2*time.Second, idOf(1), "before-Load HR", qlik.StatusStarted)
			s.becomes(8*time.Second, idOf(1), "before-Load HR", qlik.StatusFinishedSuccess)
		}, "Load HR: succeeded FinishedSuccess"},
		{"a task that was running when it was started", func(s *site) {
			s.edit(idOf(1), func(t *messages.Task) { t.LastStatus = qlik.StatusStarted })
			s.becomes(8*time.Second, idOf(1), "before-Load HR", qlik.StatusAborted)
		}, "Load HR: failed Aborted"},
		{"a task that was running when it was started, and ends before anybody looks", func(s *site) {
			s.edit(idOf(1), func(t *messages.Task) { t.LastStatus = qlik.StatusStarted })
			s.becomes(time.Millisecond, idOf(1), "before-Load HR", qlik.StatusFinishedSuccess)
		}, "Load HR: succeeded FinishedSuccess"},
		{"one that never ran", func(s *site) {
			s.edit(idOf(1), func(t *messages.Task) { t.LastResultID, t.LastStatus = "", qlik.StatusUnknown })
			s.becomes(8*time.Second, idOf(1), "new", qlik.StatusFinishedSuccess)
		}, "Load HR: succeeded FinishedSuccess"},
		{"a new result that has not begun", func(s *site) {
			s.becomes(8*time.Second, idOf(1), "new", qlik.StatusNeverStarted)
		}, "Load HR: unfinished NeverStarted"},
		{"one that runs on", func(s *site) {
			s.becomes(8*time.Second, idOf(1), "new", qlik.StatusRetry)
		}, "Load HR: unfinished Retry"},
		{"a task that is deleted", func(s *site) {
			time.AfterFunc(8*time.Second, func() { s.edit(idOf(1), func(t *messages.Task) { t.ID = idOf(99) }) })
		}, "Load HR: unknown "},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := team(t)
				tt.script(s)
				a := s.starter().Start(t.Context(), caller(), Request{PathID: idOf(1), Wait: time.Minute})
				wantTexts(t, "outcome", outcomes(a), tt.want)
				if unfinished := strings.Contains(tt.want, "unfinished"); a.Waiting.Complete == unfinished {
					t.Errorf("want complete %v, got %+v", !unfinished, a.Waiting)
				}
			})
		})
	}
}

func TestWait_isBoundedAndGivesTheAnswerAllTheSame(t *testing.T) {
	tests := []struct {
		name     string
		wait     time.Duration
		deadline time.Duration
		want     time.Duration
	}{
		{"the time that was asked for", time.Minute, time.Hour, time.Minute},
		{"the most that there is", 24 * time.Hour, time.Hour, 10 * time.Minute},
		{"the time of the caller", time.Hour, 30 * time.Second, 30 * time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, begin := team(t), time.Now()
				ctx, cancel := context.WithTimeout(t.Context(), tt.deadline)
				defer cancel()
				a := s.starter().Start(ctx, caller(), Request{PathID: idOf(1), Wait: tt.wait})
				if took := time.Since(begin); took != tt.want || a.TotalTasksStarted != 1 || a.Waiting.Unfinished != 1 || a.Waiting.Error != "" {
					t.Errorf("want an answer after %s, got it after %s: %+v", tt.want, took, a.Waiting)
				}
			})
		})
	}
}

func TestWait_isGentle(t *testing.T) {
	t.Run("many that wait share a look-up a second", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := newSite(t)
			for i := range 80 {
				s.tasks = append(s.tasks, task(idOf(i), idOf(i)))
				s.becomes(90*time.Second, idOf(i), "new", qlik.StatusFinishedSuccess)
			}
			var polls []time.Time
			most, starter := 0, s.starter()
			s.fail = func(_ context.Context, call string) error {
				ids, isLookUp := strings.CutPrefix(call, "ids ")
				if isLookUp && len(s.starts()) == 80 {
					s.mu.Lock()
					defer s.mu.Unlock()
					polls, most = append(polls, time.Now()), max(most, len(strings.Fields(ids)))
				}
				return nil
			}
			answers := make(chan Answer, 8)
			for i := range 8 {
				go func() {
					var ids []string
					for n := range 10 {
						ids = append(ids, idOf(10*i+n))
					}
					answers <- starter.Start(t.Context(), caller(), Request{IDs: ids, Wait: 5 * time.Minute})
				}()
			}
			for range 8 {
				if a := <-answers; a.Waiting.Succeeded != 10 {
					t.Errorf("want 10 that succeeded, got %+v", a.Waiting)
				}
			}
			for i := range polls[1:] {
				if gap := polls[i+1].Sub(polls[i]); gap < time.Second {
					t.Fatalf("look-up %d came after %s", i+1, gap)
				}
			}
			if most != batch || len(polls) > 93 {
				t.Errorf("want look-ups of at most %d tasks and at most 93 of them, got %d and %d", batch, most, len(polls))
			}
		})
	})
	t.Run("those that run for long do not keep others from being looked up", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := newSite(t)
			for i := range batch + 10 {
				s.tasks = append(s.tasks, task(idOf(i), idOf(i), "all"))
			}
			last := idOf(batch + 9)
			s.becomes(5*time.Second, last, "new", qlik.StatusFinishedSuccess)
			a := s.starter().Start(t.Context(), caller(), Request{Tags: []string{"all"}, Wait: 10 * time.Second})
			if got := a.TasksStarted[batch+9].Execution; a.Waiting.Succeeded != 1 || got.Outcome != outcomeSucceeded {
				t.Errorf("want the end of %s seen, got %+v", last, got)
			}
		})
	})
	t.Run("more than may be waited for is not waited for", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s, begin := team(t), time.Now()
			a := s.starter(func(o *Options) { o.MaxWatched = 1 }).Start(t.Context(), caller(), Request{Tags: []string{"nightly"}, Wait: time.Hour})
			if took := time.Since(begin); took != 0 || a.TotalTasksStarted != 2 || a.Waiting.Error != errCrowded.Text || a.Waiting.Unfinished != 2 {
				t.Errorf("want two started and an answer at once that says why, got it after %s: %+v", took, a.Waiting)
			}
		})
	})
	t.Run("pauses grow while nothing can be seen", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := team(t)
			s.fail = func(_ context.Context, call string) error {
				if strings.HasPrefix(call, "ids ") && len(s.starts()) > 0 {
					return errDown
				}
				return nil
			}
			a := s.starter().Start(t.Context(), caller(), Request{PathID: idOf(1), Wait: 5 * time.Minute})
			if polls := len(s.calls("ids ")) - 1; polls < 10 || polls > 30 {
				t.Errorf("want between 10 and 30 look-ups in five minutes, got %d", polls)
			}
			if a.Waiting.Error != "Qlik Sense could not be reached" || a.Status != 200 {
				t.Errorf("want the reason and 200, got %+v", a.Waiting)
			}
		})
	})
}

func TestWait_anotherTakesOverWhenTheOneWhoAsksLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := team(t)
		s.becomes(time.Minute, idOf(2), "new", qlik.StatusFinishedSuccess)
		starter := s.starter()
		first := make(chan Answer, 1)
		go func() {
			first <- starter.Start(t.Context(), caller(), Request{PathID: idOf(1), Wait: 10*time.Second + time.Millisecond})
		}()
		time.Sleep(time.Millisecond)
		second := starter.Start(t.Context(), caller(), Request{PathID: idOf(2), Wait: 2 * time.Minute})
		if a := <-first; a.Waiting.Complete {
			t.Errorf("first: %+v", a.Waiting)
		}
		if !second.Waiting.Complete || second.Waiting.Succeeded != 1 {
			t.Errorf("second: %+v", second.Waiting)
		}
	})
}
