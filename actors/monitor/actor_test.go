package monitor

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/zap/zaptest/observer"

	"butler/internal/actorkit"
	"butler/internal/actorkit/actortest"
	"butler/internal/destination"
	"butler/internal/journal"
	"butler/internal/journal/memory"
	"butler/internal/outbox"
	"butler/messages"
)

// stage is a monitor in a bubble that begins at midnight, 2000-01-01, in UTC.
type stage struct {
	t      *testing.T
	kit    *actorkit.Kit
	logs   *observer.ObservedLogs
	stats  *actorkit.Stats
	reg    *prometheus.Registry
	outbox *outbox.Outbox
	notify *actortest.Probe
	opts   Options
	pid    *actor.PID

	mu     sync.Mutex // the probe runs while the test looks
	probed []string
	answer func(context.Context) (Report, error)
	health []string
}

func onStage(t *testing.T, schedule string, play func(*stage)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := &stage{t: t, reg: prometheus.NewRegistry()}
		log, err := memory.New().Open(t.Context(), "ledger", journal.Limits{})
		s.must(err)
		ledger, err := journal.OpenLedger(t.Context(), log, journal.LedgerOptions{})
		s.must(err)
		s.outbox, err = outbox.Open(ledger, outbox.Options{})
		s.must(err)
		s.kit, s.logs, s.stats = actortest.Kit(t)
		s.notify = actortest.Spawn(t, s.kit, "notify", nil)
		table, err := destination.NewTable([]destination.Built{
			{Instance: destination.Instance{Name: "store/usage", Store: true, Kinds: []messages.AlertKind{messages.ProcessUsage}}},
			{Instance: destination.Instance{Name: "people/stopped", Kinds: []messages.AlertKind{messages.ServiceStopped}}},
		}, nil)
		s.must(err)
		s.opts = Options{
			Name: "sample", Schedule: every(t, schedule), AtStart: true, Timeout: 10 * time.Second,
			Kit: s.kit, Router: table, Outbox: s.outbox, Notify: s.notify.PID, Log: s.kit.Log, Metrics: NewMetrics(s.reg, "sample"),
			Probe: func(ctx context.Context, at time.Time) (Report, error) {
				s.mu.Lock()
				s.probed = append(s.probed, at.UTC().Format("15:04:05"))
				answer := s.answer
				s.mu.Unlock()
				if answer == nil {
					return Report{}, nil
				}
				return answer(ctx)
			},
			OnHealth: func(up bool, reason string) {
				s.mu.Lock()
				defer s.mu.Unlock()
				s.health = append(s.health, map[bool]string{true: "up", false: reason}[up])
			},
		}
		play(s)
		s.must(s.kit.System.Root.StopFuture(s.pid).Wait())
		s.must(s.kit.System.Root.StopFuture(s.notify.PID).Wait())
		s.must(ledger.Close(context.Background()))
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

func (s *stage) wait(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func (s *stage) answerWith(answer func(context.Context) (Report, error)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer = answer
}

func (s *stage) want(what string, got *[]string, want string) {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if all := strings.Join(*got, " "); all != want {
		s.t.Errorf("%s: want %q, got %q", what, want, all)
	}
}

func TestMonitor_recordsBeforeItTells(t *testing.T) {
	onStage(t, "every 30 seconds", func(s *stage) {
		stopped := messages.Alert{Kind: messages.ServiceStopped, Service: messages.Service{Host: "h", Name: "n"}}
		usage := messages.Alert{Kind: messages.ProcessUsage, Points: []messages.Point{messages.Point{}.Number("heap_used", 1.5)}}
		nobody := messages.Alert{Kind: messages.UDPQueue}
		s.answerWith(func(context.Context) (Report, error) {
			return Report{Alerts: []messages.Alert{stopped, usage, usage, nobody}}, errors.New("one host did not answer")
		})
		s.start()
		s.wait(time.Second)
		told := actortest.Of[messages.NoticesRecorded](s.notify)
		if len(told) != 3 {
			t.Fatalf("want three alerts told, got %+v", told)
		}
		ids := map[messages.AlertID]bool{}
		for _, notices := range told {
			var n messages.Notice
			s.must(s.outbox.Read(notices.Notices[0].Instance, notices.Notices[0].ID, &n))
			if n.Alert.DecidedAt.Second() != 0 || n.Alert.Kind == messages.ProcessUsage && n.Alert.Points[0].Fields[0].Number != 1.5 {
				t.Errorf("want the alert as it was found, got %+v", n.Alert)
			}
			ids[n.Alert.ID] = true
		}
		if len(ids) != 3 {
			t.Errorf("want an ID for each, got %v", ids)
		}
		s.want("health", &s.health, "one host did not answer")
		s.must(testutil.GatherAndCompare(s.reg, strings.NewReader(`
# HELP butler_monitor_alerts_total Alerts and readings of the monitors: recorded for a destination, or without one.
# TYPE butler_monitor_alerts_total counter
butler_monitor_alerts_total{monitor="sample",result="nobody_notified"} 1
butler_monitor_alerts_total{monitor="sample",result="recorded"} 3
# HELP butler_monitor_probes_total Probes of the monitors by result.
# TYPE butler_monitor_probes_total counter
butler_monitor_probes_total{monitor="sample",result="failed"} 1
butler_monitor_probes_total{monitor="sample",result="ok"} 0
`), "butler_monitor_alerts_total", "butler_monitor_probes_total"))
	})
}

func TestMonitor_keepsToItsTimes(t *testing.T) {
	onStage(t, "every 6 hours", func(s *stage) {
		s.start()
		s.wait(24 * time.Hour)
		s.want("probes", &s.probed, "00:00:00 06:00:00 12:00:00 18:00:00 00:00:00")
		s.want("health", &s.health, "up")
	})
}

func TestMonitor_neverProbesTwiceAtOnce(t *testing.T) {
	onStage(t, "every 30 seconds", func(s *stage) {
		release := make(chan struct{})
		s.answerWith(func(context.Context) (Report, error) { // it ignores its deadline
			<-release
			return Report{}, nil
		})
		s.start()
		s.wait(95 * time.Second)
		s.want("probes", &s.probed, "00:00:00")
		s.want("health", &s.health, "the probe of 2000-01-01T00:00:00Z has not ended")
		if got := testutil.ToFloat64(s.opts.Metrics.skips.WithLabelValues("sample")); got != 3 {
			t.Errorf("want three times skipped, got %v", got)
		}
		close(release)
		s.wait(30 * time.Second)
		s.want("probes", &s.probed, "00:00:00 00:02:00")
	})
}

func TestMonitor_outlivesABrokenProbe(t *testing.T) {
	onStage(t, "every 30 seconds", func(s *stage) {
		s.answerWith(func(context.Context) (Report, error) { panic("out of luck") })
		s.start()
		s.wait(40 * time.Second)
		s.answerWith(func(ctx context.Context) (Report, error) {
			<-ctx.Done()
			return Report{}, ctx.Err()
		})
		s.wait(40 * time.Second)
		s.answerWith(nil)
		s.wait(30 * time.Second)
		s.want("probes", &s.probed, "00:00:00 00:00:30 00:01:00 00:01:30")
		s.want("health", &s.health, "a panic: out of luck context deadline exceeded up")
		if s.stats.Bugs() != 0 {
			t.Error("want the actor alive")
		}
	})
}

// crashing is a router that crashes the actor once.
type crashing struct {
	Router
	crash bool
}

func (c *crashing) Route(a *messages.Alert, final bool, now time.Time) ([]messages.NoticeHead, []destination.Omission) {
	if c.crash {
		c.crash = false
		panic("out of luck")
	}
	return c.Router.Route(a, final, now)
}

func TestMonitor_thatCrashesGoesOnAtItsTime(t *testing.T) {
	onStage(t, "every 30 seconds", func(s *stage) {
		s.opts.Router = &crashing{s.opts.Router, true}
		s.answerWith(func(context.Context) (Report, error) {
			return Report{Alerts: []messages.Alert{{Kind: messages.ProcessUsage}}}, nil
		})
		s.start()
		s.wait(35 * time.Second)
		s.want("probes", &s.probed, "00:00:00 00:00:30")
		if s.stats.Bugs() != 1 || len(actortest.Of[messages.NoticesRecorded](s.notify)) != 1 {
			t.Errorf("want one crash and one reading, got %d crashes", s.stats.Bugs())
		}
	})
}

// reluctant is a router that leads everything nowhere.
type reluctant struct{ without []destination.Omission }

func (r reluctant) Route(*messages.Alert, bool, time.Time) ([]messages.NoticeHead, []destination.Omission) {
	return nil, r.without
}

func TestMonitor_saysHowManyMoreAreNotTold(t *testing.T) {
	onStage(t, "every 30 seconds", func(s *stage) {
		without := make([]destination.Omission, 40)
		for i := range without {
			without[i] = destination.Omission{Instance: fmt.Sprint("slack/routes/", i), Reason: "no"}
		}
		s.opts.Router = reluctant{without}
		s.answerWith(func(context.Context) (Report, error) {
			return Report{Alerts: []messages.Alert{{Kind: messages.ServiceStopped}}}, nil
		})
		s.start()
		lines := s.logs.FilterMessage("a monitor has something to tell").All()
		if len(lines) != 1 || lines[0].ContextMap()["not_slack/routes/29"] != "no" || lines[0].ContextMap()["not_others"] != int64(10) {
			t.Errorf("want 30 reasons and the number of the others, got %+v", lines)
		}
	})
}

func TestProps_needEverything(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("want the mistake found at the start")
		}
	}()
	Props(Options{Name: "sample"})
}
