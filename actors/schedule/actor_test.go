package schedule

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/zap/zaptest/observer"

	"butler/internal/actorkit"
	"butler/internal/actorkit/actortest"
	"butler/internal/journal"
	"butler/internal/journal/memory"
	"butler/internal/schedulefile"
	"butler/messages"
)

// stage is a scheduler in a bubble, on a real file and a real ledger.
type stage struct {
	t      *testing.T
	kit    *actorkit.Kit
	logs   *observer.ObservedLogs
	stats  *actorkit.Stats
	path   string
	ledger *journal.Ledger
	reg    *prometheus.Registry
	opts   Options
	pid    *actor.PID
	probe  *actortest.Probe

	mu     sync.Mutex // the actor's calls run while the test looks
	starts []string   // "time task"
	answer func(context.Context) error
	health []string
	fails  []string
}

func onStage(t *testing.T, file string, play func(*stage)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := &stage{t: t, path: filepath.Join(t.TempDir(), "schedule.yaml"), reg: prometheus.NewRegistry()}
		if file != "" {
			s.must(os.WriteFile(s.path, []byte(file), 0o600))
		}
		log, err := memory.New().Open(t.Context(), "ledger", journal.Limits{})
		s.must(err)
		s.ledger, err = journal.OpenLedger(t.Context(), log, journal.LedgerOptions{})
		s.must(err)
		s.kit, s.logs, s.stats = actortest.Kit(t)
		s.probe = actortest.Spawn(t, s.kit, "asker", nil)
		s.opts = Options{
			Kit: s.kit, Store: schedulefile.New(s.path), Ledger: s.ledger, Log: s.kit.Log, Zone: time.UTC, Metrics: NewMetrics(s.reg),
			NewID: func() string { return "new" },
			Start: func(ctx context.Context, scheduleID, taskID string) error {
				if scheduleID == "" {
					t.Error("want to know which schedule starts the task")
				}
				s.mu.Lock()
				s.starts = append(s.starts, time.Now().UTC().Format("02 15:04:05 ")+taskID[:8])
				answer := s.answer
				s.mu.Unlock()
				if answer != nil {
					return answer(ctx)
				}
				return nil
			},
			OnHealth: func(up bool, reason string) {
				s.mu.Lock()
				defer s.mu.Unlock()
				s.health = append(s.health, map[bool]string{true: "up", false: "down: " + reason}[up])
			},
			OnStarts: func(reason string) {
				s.mu.Lock()
				defer s.mu.Unlock()
				s.fails = append(s.fails, reason)
			},
		}
		s.start()
		play(s)
		s.stop()
		s.must(s.kit.System.Root.StopFuture(s.probe.PID).Wait())
		s.must(s.ledger.Close(context.Background()))
		synctest.Wait()
	})
}

func (s *stage) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *stage) start() {
	restart := actor.NewOneForOneStrategy(10, time.Second, func(any) actor.Directive { return actor.RestartDirective })
	s.pid = s.kit.System.Root.Spawn(Props(s.opts).Clone(actor.WithGuardian(restart)))
	synctest.Wait()
}

func (s *stage) stop() {
	s.must(s.kit.System.Root.StopFuture(s.pid).Wait())
	synctest.Wait()
}

func (s *stage) wait(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func (s *stage) answerWith(answer func(context.Context) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer = answer
}

func (s *stage) started() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.starts...)
}

func ask[R any](s *stage, question func(messages.Ref) any) R {
	s.t.Helper()
	before := len(actortest.Of[R](s.probe))
	s.kit.System.Root.Send(s.pid, question(actorkit.RefOf(s.probe.PID)))
	synctest.Wait()
	got := actortest.Of[R](s.probe)
	if len(got) != before+1 {
		s.t.Fatalf("want one answer, got %+v", got[before:])
	}
	return got[before]
}

// The bubble begins at midnight, 2000-01-01, in UTC.
const oldFile = `butlerSchedule:
  - name: Every ten minutes
    cronSchedule: '*/10 * * * *'
    timezone: UTC
    qlikSenseTaskId: 5b0c1f0e-7a55-4e0b-9a40-3d1f6a2b9c77
    startupState: stopped
    id: 1
    lastKnownState: started
  - name: The same ID
    id: 1
  - name: New in Oslo
    cronSchedule: 0 15 1 * * *
    timezone: Europe/Oslo
    qlikSenseTaskId: 0fe447a9-ba1f-44a9-ac23-68c3a1d88d8b
    startupState: started
    id: oslo
    owner: Ann
`

func TestScheduler_runsAFileOfTheOldTool(t *testing.T) {
	onStage(t, oldFile, func(s *stage) {
		s.wait(21 * time.Minute)
		want(t, s.started(), "01 00:10:00 5b0c1f0e", "01 00:15:00 0fe447a9", "01 00:20:00 5b0c1f0e")
		if raw, _ := os.ReadFile(s.path); string(raw) != oldFile {
			t.Errorf("want the file as it was, got %s", raw)
		}
		for _, line := range []string{"an entry of the schedule file cannot be used", "schedules are loaded", "a schedule is due", "a schedule started its task"} {
			if s.logs.FilterMessage(line).Len() == 0 {
				t.Errorf("want the line %q", line)
			}
		}
		const metrics = `
# HELP butler_schedule_next_run_timestamp_seconds Time of the next run of any schedule; 0 when none is running.
# TYPE butler_schedule_next_run_timestamp_seconds gauge
butler_schedule_next_run_timestamp_seconds 9.466866e+08
# HELP butler_schedule_runs_total Runs of schedules: the task was started, could not be started, or the run was missed and skipped.
# TYPE butler_schedule_runs_total counter
butler_schedule_runs_total{result="failed"} 0
butler_schedule_runs_total{result="missed"} 0
butler_schedule_runs_total{result="started"} 3
# HELP butler_schedule_start_delay_seconds Time from the due time of a schedule until Qlik Sense accepted the start of its task, retries included.
# TYPE butler_schedule_start_delay_seconds histogram
butler_schedule_start_delay_seconds_bucket{le="0.1"} 3
butler_schedule_start_delay_seconds_bucket{le="0.25"} 3
butler_schedule_start_delay_seconds_bucket{le="0.5"} 3
butler_schedule_start_delay_seconds_bucket{le="1"} 3
butler_schedule_start_delay_seconds_bucket{le="2.5"} 3
butler_schedule_start_delay_seconds_bucket{le="5"} 3
butler_schedule_start_delay_seconds_bucket{le="15"} 3
butler_schedule_start_delay_seconds_bucket{le="60"} 3
butler_schedule_start_delay_seconds_bucket{le="300"} 3
butler_schedule_start_delay_seconds_bucket{le="900"} 3
butler_schedule_start_delay_seconds_bucket{le="3600"} 3
butler_schedule_start_delay_seconds_bucket{le="+Inf"} 3
butler_schedule_start_delay_seconds_sum 0
butler_schedule_start_delay_seconds_count 3
# HELP butler_schedules Schedules by state: running, stopped, or unfit because of an error in the schedule.
# TYPE butler_schedules gauge
butler_schedules{state="running"} 2
butler_schedules{state="stopped"} 0
butler_schedules{state="unfit"} 0
`
		s.must(testutil.GatherAndCompare(s.reg, strings.NewReader(metrics)))
		want(t, s.health, "up")
	})
}

func TestScheduler_tellsWhichSchedulesCannotStartTheirTasks(t *testing.T) {
	onStage(t, oldFile, func(s *stage) {
		gone := func(context.Context) error { return errors.New("there is no such task") }
		s.answerWith(gone)
		s.wait(25 * time.Minute) // the runs of 10 and 15 have been given up, and that of 20 is the same
		s.answerWith(nil)
		s.wait(10 * time.Minute) // that of 30 starts its task
		one := `"Every ten minutes" (1): there is no such task`
		both := one + `; "New in Oslo" (oslo): there is no such task`
		other := `"New in Oslo" (oslo): there is no such task`
		const told = "schedules whose newest run could not start its task: "
		want(t, s.fails, "", told+one, told+both, told+other)
		ask[messages.SwitchScheduleReply](s, func(to messages.Ref) any {
			return messages.SwitchSchedule{ID: "oslo", To: messages.ScheduleStopped, ReplyTo: to}
		})
		want(t, s.fails[len(s.fails)-1:], "")
	})
}

func TestScheduler_keepsWhatWasChangedAcrossARestart(t *testing.T) {
	onStage(t, oldFile, func(s *stage) {
		stopped := ask[messages.SwitchScheduleReply](s, func(to messages.Ref) any {
			return messages.SwitchSchedule{ID: "1", To: messages.ScheduleStopped, ReplyTo: to}
		})
		created := ask[messages.CreateScheduleReply](s, func(to messages.Ref) any {
			return messages.CreateSchedule{Schedule: messages.Schedule{
				Name: "New", Cron: "5 0 * * *", Timezone: "UTC", TaskID: "11111111-7a55-4e0b-9a40-3d1f6a2b9c77", StartupState: "start",
			}, ReplyTo: to}
		})
		if stopped.Failure.Failed() || created.Failure.Failed() || created.Schedule.Created != "2000-01-01T00:00:00.000Z" {
			t.Fatalf("want both done, got %+v, %+v", stopped, created)
		}
		s.stop()
		s.start()
		s.wait(16 * time.Minute)
		want(t, s.started(), "01 00:05:00 11111111", "01 00:15:00 0fe447a9")
		raw, err := os.ReadFile(s.path)
		s.must(err)
		for _, text := range []string{"owner: Ann", "name: The same ID", "lastKnownState: stopped", "id: new"} {
			if !strings.Contains(string(raw), text) {
				t.Errorf("want %q in the file, got %s", text, raw)
			}
		}
	})
}

func TestScheduler_makesUpForWhatItMissed(t *testing.T) {
	onStage(t, oldFile, func(s *stage) {
		s.wait(9 * time.Minute)
		s.stop()
		s.wait(3 * time.Minute)
		s.start()
		want(t, s.started(), "01 00:12:00 5b0c1f0e")
		s.stop()
		s.start()
		want(t, s.started(), "01 00:12:00 5b0c1f0e")
		s.stop()
		s.wait(4 * time.Hour)
		s.start()
		want(t, s.started(), "01 00:12:00 5b0c1f0e", "01 04:12:00 5b0c1f0e")
		if s.logs.FilterMessage("a schedule has missed runs, which are skipped").Len() != 2 {
			t.Errorf("want the runs that were skipped told, got %v", s.logs.All())
		}
	})
}

func TestScheduler_triesAgain(t *testing.T) {
	onStage(t, oldFile, func(s *stage) {
		var attempts atomic.Int32
		s.answerWith(func(context.Context) error {
			if attempts.Add(1) < 3 {
				return errors.New("connection refused")
			}
			return nil
		})
		s.wait(11 * time.Minute)
		if got := s.started(); len(got) != 3 || s.logs.FilterMessage("a schedule could not start its task yet").Len() != 2 || s.logs.FilterMessage("a schedule started its task").Len() != 1 {
			t.Errorf("want the third attempt to succeed, got %v", got)
		}
	})
}

func TestScheduler_outlivesABrokenStarter(t *testing.T) {
	for name, answer := range map[string]func(context.Context) error{
		"panic":   func(context.Context) error { panic("out of luck") },
		"hanging": func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() },
		"refused": func(context.Context) error {
			return messages.Failure{Kind: messages.FailureRejected, Text: "not allowed"}
		},
	} {
		onStage(t, oldFile, func(s *stage) {
			s.answerWith(answer)
			s.wait(21 * time.Minute)
			if got := s.started(); len(got) != 3 || s.logs.FilterMessage("a schedule could not start its task").Len() < 2 {
				t.Errorf("%s: want one attempt each, and the failures told, got %v", name, got)
			}
			if s.stats.Bugs() != 0 {
				t.Errorf("%s: want the actor alive", name)
			}
		})
	}
}

// fragile is a ledger on which the actor crashes once.
type fragile struct {
	Ledger
	broken atomic.Bool
}

func (f *fragile) Commit(ops []journal.Op, done func(error)) {
	if f.broken.CompareAndSwap(true, false) {
		panic("out of luck")
	}
	f.Ledger.Commit(ops, done)
}

func TestScheduler_thatCrashesRepeatsTheRunRatherThanLoseIt(t *testing.T) {
	onStage(t, oldFile, func(s *stage) {
		s.stop()
		ledger := &fragile{Ledger: s.ledger}
		s.opts.Ledger = ledger
		s.start()
		s.wait(9 * time.Minute)
		ledger.broken.Store(true)
		s.wait(12 * time.Minute)
		want(t, s.started(), "01 00:10:00 5b0c1f0e", "01 00:10:00 5b0c1f0e", "01 00:15:00 0fe447a9", "01 00:20:00 5b0c1f0e")
		if s.stats.Bugs() != 1 {
			t.Errorf("want one crash, got %d", s.stats.Bugs())
		}
	})
}

func TestScheduler_withoutAFile(t *testing.T) {
	onStage(t, "", func(s *stage) {
		if lines := s.logs.FilterMessageSnippet("no schedule file yet").Len(); lines != 1 || !slices.Equal(s.health, []string{"up"}) {
			t.Errorf("want it told that there is none, got %d lines, %v", lines, s.health)
		}
		created := ask[messages.CreateScheduleReply](s, func(to messages.Ref) any {
			return messages.CreateSchedule{Schedule: messages.Schedule{Name: "n", Cron: "5 0 * * *", Timezone: "UTC", TaskID: task, StartupState: "start"}, ReplyTo: to}
		})
		s.wait(6 * time.Minute)
		if created.Failure.Failed() || len(s.started()) != 1 || len(s.health) != 1 {
			t.Errorf("want a new file, got %+v, %v, %v", created, s.started(), s.health)
		}
	})
}

func TestScheduler_readsTheFileOnceItIsMended(t *testing.T) {
	onStage(t, oldFile[:40]+"\t: {", func(s *stage) {
		s.wait(5 * time.Minute)
		if lines := s.logs.FilterMessage("the schedule file cannot be used").Len(); lines != 1 || len(s.health) != 1 {
			t.Errorf("want it told once, got %d lines and %v", lines, s.health)
		}
		s.must(os.WriteFile(s.path, []byte(oldFile), 0o600))
		s.wait(6 * time.Minute)
		want(t, s.started(), "01 00:10:00 5b0c1f0e")
		if len(s.health) != 2 || s.health[1] != "up" {
			t.Errorf("want it told that the file is corrected, got %v", s.health)
		}
	})
}

func TestScheduler_makesUpForWhatItMissedWhenAChangeFindsTheFileMended(t *testing.T) {
	onStage(t, oldFile, func(s *stage) {
		s.wait(9 * time.Minute)
		s.stop()
		s.must(os.WriteFile(s.path, []byte("butlerSchedule: ["), 0o600))
		s.wait(3 * time.Minute)
		s.start()
		s.must(os.WriteFile(s.path, []byte(oldFile), 0o600))
		created := ask[messages.CreateScheduleReply](s, func(to messages.Ref) any {
			return messages.CreateSchedule{Schedule: messages.Schedule{Name: "n", Cron: "0 12 * * *", Timezone: "UTC", TaskID: task, StartupState: "start"}, ReplyTo: to}
		})
		if created.Failure.Failed() {
			t.Fatal(created.Failure)
		}
		want(t, s.started(), "01 00:12:00 5b0c1f0e")
		if s.logs.FilterMessage("schedules are loaded").Len() != 2 {
			t.Errorf("want it told that the file is known, got %v", s.logs.All())
		}
	})
}

func TestScheduler_thatIsSwitchedOffNeitherWritesNorStarts(t *testing.T) {
	onStage(t, oldFile, func(s *stage) {
		s.stop()
		s.opts.Store, s.opts.Start = nil, nil
		s.start()
		refused := ask[messages.SwitchAllSchedulesReply](s, func(to messages.Ref) any {
			return messages.SwitchAllSchedules{To: messages.ScheduleStopped, ReplyTo: to}
		})
		s.wait(time.Hour)
		raw, err := os.ReadFile(s.path)
		s.must(err)
		if refused.Failure.Kind != messages.FailureBusy || string(raw) != oldFile || len(s.started()) != 0 {
			t.Errorf("want nothing done, got %+v, %v, %s", refused, s.started(), raw)
		}
	})
}

func TestProps_needAWayToStartTasks(t *testing.T) {
	defer func() {
		if cause := recover(); cause == nil {
			t.Error("want the mistake found at the start")
		}
	}()
	Props(Options{Store: schedulefile.New("x")})
}
