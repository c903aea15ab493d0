package cloud

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"butler/internal/actorkit"
	"butler/internal/actorkit/actortest"
	"butler/internal/destination"
	"butler/internal/journal"
	"butler/internal/journal/memory"
	"butler/internal/outbox"
	"butler/messages"
)

// stage runs the actor in a bubble with a real ledger, a real outbox and a scripted tenant.
type stage struct {
	t      *testing.T
	kit    *actorkit.Kit
	logs   *observer.ObservedLogs
	store  journal.Store
	ledger *journal.Ledger
	outbox *outbox.Outbox
	opts   Options
	pid    *actor.PID
	asker  *actortest.Probe
	notify *actortest.Probe
	health []string
	*tenant
	kept []messages.QuarantinedDatagram
}

func onStage(t *testing.T, play func(*stage)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := &stage{t: t, tenant: newTenant(), store: memory.New()}
		s.kit, s.logs, _ = actortest.Kit(t)
		s.asker = actortest.Spawn(t, s.kit, "asker", nil)
		s.notify = actortest.Spawn(t, s.kit, "notify", nil)
		s.openJournal()
		s.opts = Options{
			Kit: s.kit, Tenant: s.tenant, Quarantine: s, Notify: s.notify.PID, Log: s.kit.Log, Metrics: NewMetrics(nil),
			OnHealth: func(up bool, reason string) { s.health = append(s.health, fmt.Sprint(up, " ", reason)) },
			Rules: Rules{
				Router: router{needs: destination.Needs{ScriptHead: 1, ScriptTail: 1, FullScriptLog: true}}, DegradedAfter: 30 * time.Second,
				Configured: messages.CloudReload{TenantURL: "https://tenant.example.com", TenantComment: "Production"},
			},
		}
		s.start()
		play(s)
		s.stop()
	})
}

func (s *stage) openJournal() {
	s.t.Helper()
	log, err := s.store.Open(context.Background(), "ledger", journal.Limits{})
	s.must(err)
	s.ledger, err = journal.OpenLedger(context.Background(), log, journal.LedgerOptions{})
	s.must(err)
	s.outbox, err = outbox.Open(s.ledger, outbox.Options{})
	s.must(err)
}

// start spawns the actor, as a new process does.
func (s *stage) start() {
	s.opts.Ledger, s.opts.Outbox = s.ledger, s.outbox
	restart := actor.NewOneForOneStrategy(100, time.Hour, func(any) actor.Directive { return actor.RestartDirective })
	s.pid = s.kit.System.Root.Spawn(Props(s.opts).Clone(actor.WithGuardian(restart)))
	synctest.Wait()
}

func (s *stage) stop() {
	s.must(s.kit.System.Root.StopFuture(s.pid).Wait())
	synctest.Wait()
	s.must(s.ledger.Close(context.Background()))
}

// restart stops the actor and starts a new one on the same journal.
func (s *stage) restart() {
	s.t.Helper()
	s.stop()
	s.openJournal()
	s.start()
}

func (s *stage) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *stage) Keep(d messages.QuarantinedDatagram) { s.kept = append(s.kept, d) }

const appID = "0f9a2d0c-6a2b-4a1b-8d0c-2f6a1b3c4d5e"

func event(reload string) messages.CloudEvent {
	return messages.CloudEvent{
		AppID: appID, AppName: "Stock", OwnerID: "own-1", At: time.Now(),
		Reload: messages.CloudReload{TenantID: "ten-1", ReloadID: reload, UserID: "usr-1", Status: "error", EventTime: "2031-05-02T08:15:30Z"},
	}
}

// send sends an event and returns the outcomes of all events so far.
func (s *stage) send(e messages.CloudEvent) []messages.CloudOutcome {
	s.kit.System.Root.Send(s.pid, messages.AcceptCloudEvent{Event: e, ReplyTo: actorkit.RefOf(s.asker.PID)})
	synctest.Wait()
	var out []messages.CloudOutcome
	for _, r := range actortest.Of[messages.AcceptCloudEventReply](s.asker) {
		out = append(out, r.Outcome)
	}
	return out
}

// alerts returns the recorded notices, read from the outbox as a delivery does.
func (s *stage) alerts() []messages.Notice {
	s.t.Helper()
	synctest.Wait()
	var out []messages.Notice
	for _, recorded := range actortest.Of[messages.NoticesRecorded](s.notify) {
		for _, head := range recorded.Notices {
			var n messages.Notice
			s.must(s.outbox.Read(head.Instance, head.ID, &n))
			out = append(out, n)
		}
	}
	return out
}

// router routes every alert to one instance, or carries none if it is silent.
type router struct {
	needs  destination.Needs
	silent bool
	panics func(*messages.Alert) bool
}

func (r router) Carries(*messages.Alert) bool              { return !r.silent }
func (r router) NeedsOf(*messages.Alert) destination.Needs { return r.needs }
func (r router) Route(a *messages.Alert, _ bool, now time.Time) ([]messages.NoticeHead, []destination.Omission) {
	if r.panics != nil && r.panics(a) {
		panic("the router does not like this alert")
	}
	return []messages.NoticeHead{{ID: messages.NewNoticeID(a.ID, "x", ""), Instance: "x", QueuedAt: now, Attached: r.needs.FullScriptLog}}, nil
}

// tenant returns fixed answers, or the errors of fail, after a delay.
type tenant struct {
	mu      sync.Mutex
	calls   []string // "what id" of every call
	running int
	most    int
	delay   time.Duration
	fail    func(what string) error
}

func newTenant() *tenant { return &tenant{fail: func(string) error { return nil }} }

func (f *tenant) call(ctx context.Context, what, id string) error {
	f.mu.Lock()
	f.calls = append(f.calls, what+" "+id)
	f.running++
	f.most = max(f.most, f.running)
	delay, fail := f.delay, f.fail
	f.mu.Unlock()
	defer func() {
		f.mu.Lock()
		f.running--
		f.mu.Unlock()
	}()
	select {
	case <-time.After(delay):
		return fail(what)
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (f *tenant) asked() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := slices.Clone(f.calls)
	slices.Sort(out)
	return out
}

func (f *tenant) ScriptLog(ctx context.Context, app, reload string) (messages.CloudScriptLog, error) {
	lines := []string{"first", "middle", "last"}
	return messages.CloudScriptLog{
		ScriptLog: messages.ScriptLog{Available: true, Rows: 3, Characters: 17, Head: lines, Tail: lines}, Full: "first\r\nmiddle\r\nlast",
	}, f.call(ctx, "script log", app+" "+reload)
}

func (f *tenant) Record(ctx context.Context, reload string) (messages.CloudRecord, error) {
	return messages.CloudRecord{Trigger: "chronos", Status: "FAILED", ErrorCode: "E1", Start: "2031-05-02T08:14:00Z", Duration: time.Minute}, f.call(ctx, "record", reload)
}

func (f *tenant) App(ctx context.Context, app string) (messages.CloudApp, error) {
	return messages.CloudApp{Description: "Stock of all", Published: true}, f.call(ctx, "app", app)
}

func (f *tenant) Item(ctx context.Context, app string) (messages.CloudItem, error) {
	return messages.CloudItem{FileSize: 7, Tags: []string{"prod"}}, f.call(ctx, "item", app)
}

func (f *tenant) User(ctx context.Context, user string) (messages.CloudUser, error) {
	return messages.CloudUser{ID: user, Name: "Name of " + user, Email: user + "@example.com"}, f.call(ctx, "user", user)
}

// pause is the error of a tenant that requests a pause.
type pause struct{ time.Duration }

func (pause) Error() string { return "too many requests" }
func (pause) Failure() messages.Failure {
	return messages.Failure{Kind: messages.FailureBusy, Text: "too many requests"}
}
func (p pause) RetryAfter() time.Duration { return p.Duration }

func TestCloud_alertsWithEverythingTheTenantKnows(t *testing.T) {
	onStage(t, func(s *stage) {
		if got := s.send(event("r-1")); !slices.Equal(got, []messages.CloudOutcome{messages.CloudAccepted}) {
			t.Fatalf("answered %v", got)
		}
		alerts := s.alerts()
		if len(alerts) != 1 {
			t.Fatalf("%d alerts", len(alerts))
		}
		a := alerts[0].Alert
		if a.Kind != messages.CloudReloadFailed || a.Subject() != appID || len(a.Degraded) > 0 {
			t.Errorf("kind %s about %s, degraded %q", a.Kind, a.Subject(), a.Degraded)
		}
		if !a.App.Known || !slices.Equal(a.App.Tags, []string{"prod"}) || a.App.Description != "Stock of all" || a.App.Name != "Stock" {
			t.Errorf("app %+v", a.App)
		}
		if a.Owner.Email() != "own-1@example.com" || a.Cloud.UserName != "Name of usr-1" || a.Cloud.Trigger != "chronos" || a.Cloud.TenantURL != "https://tenant.example.com" {
			t.Errorf("owner %+v, cloud %+v", a.Owner, a.Cloud)
		}
		if !slices.Equal(a.ScriptLog.Head, []string{"first"}) || !slices.Equal(a.ScriptLog.Tail, []string{"last"}) || alerts[0].Attachment != "first\r\nmiddle\r\nlast" {
			t.Errorf("script log %+v, attached %q", a.ScriptLog, alerts[0].Attachment)
		}
		if s.most > 4 {
			t.Errorf("%d calls at once", s.most)
		}
	})
}

func TestCloud_acceptsNothingThatIsNotOnDisk(t *testing.T) {
	onStage(t, func(s *stage) {
		s.delay = time.Hour // no decision before the end
		s.send(event("r-1"))
		s.stop()
		s.delay = 0
		s.openJournal()
		s.start()
		if alerts := s.alerts(); len(alerts) != 1 || alerts[0].Alert.Cloud.ReloadID != "r-1" {
			t.Errorf("after a restart between accept and decision: %d alerts", len(alerts))
		}
		if got := s.send(event("r-1")); got[len(got)-1] != messages.CloudDuplicate {
			t.Errorf("answered %v", got)
		}
	})
}

func TestCloud_refusesWhileTheJournalCannotBeWritten(t *testing.T) {
	onStage(t, func(s *stage) {
		s.must(s.kit.System.Root.StopFuture(s.pid).Wait())
		s.opts.Ledger = sick{s.ledger}
		s.pid = s.kit.System.Root.Spawn(Props(s.opts))
		s.send(event("r-1"))
		replies := actortest.Of[messages.AcceptCloudEventReply](s.asker)
		if len(replies) != 1 || replies[0].Outcome != messages.CloudBusy || !strings.Contains(replies[0].Failure.Text, "disk is full") {
			t.Errorf("answered %+v", replies)
		}
	})
}

type sick struct{ Ledger }

func (sick) Writable() error { return errors.New("disk is full") }

func TestCloud_alertsAReloadOnce(t *testing.T) {
	onStage(t, func(s *stage) {
		s.delay = time.Second
		root, to := s.kit.System.Root, actorkit.RefOf(s.asker.PID)
		for range 2 { // the second arrives before the first is on disk
			root.Send(s.pid, messages.AcceptCloudEvent{Event: event("r-1"), ReplyTo: to})
		}
		s.send(event("r-1"))
		time.Sleep(time.Minute)
		s.send(event("r-1"))
		s.restart()
		got := s.send(event("r-1"))
		want := []messages.CloudOutcome{messages.CloudAccepted, messages.CloudDuplicate, messages.CloudDuplicate, messages.CloudDuplicate, messages.CloudDuplicate}
		if !slices.Equal(got, want) {
			t.Errorf("answered %v", got)
		}
		if n := len(s.alerts()); n != 1 {
			t.Errorf("%d alerts", n)
		}
		time.Sleep(25 * time.Hour)
		if s.send(event("r-1")); s.ledger.Stats().Keys > 4 {
			t.Errorf("the ledger remembers %d keys", s.ledger.Stats().Keys)
		}
	})
}

func TestCloud_alertsDegradedWhenTheTenantIsSilent(t *testing.T) {
	onStage(t, func(s *stage) {
		s.delay = time.Hour
		began := time.Now()
		s.send(event("r-1"))
		time.Sleep(31 * time.Second)
		alerts := s.alerts()
		if len(alerts) != 1 {
			t.Fatalf("%d alerts", len(alerts))
		}
		a := alerts[0].Alert
		if waited := a.DecidedAt.Sub(began); waited != 30*time.Second {
			t.Errorf("decided after %v", waited)
		}
		if len(a.Degraded) != 6 || !strings.Contains(strings.Join(a.Degraded, "\n"), "the script log could not be had from Qlik Cloud: ") {
			t.Errorf("degraded %q", a.Degraded)
		}
		if a.App.Known || a.App.Name != "Stock" || a.App.ID != appID || a.Owner.Known {
			t.Errorf("app %+v, owner %+v", a.App, a.Owner)
		}
	})
}

func TestCloud_oneFailedLookUpCostsThatDetailOnly(t *testing.T) {
	notFound := messages.Failure{Kind: messages.FailureNotFound, Text: "it does not exist"}
	refused := messages.Failure{Kind: messages.FailureRejected, Text: "the token is not accepted"}
	broken := messages.Failure{Kind: messages.FailureInvalid, Text: "no JSON"}
	for what, failure := range map[string]messages.Failure{"script log": notFound, "record": refused, "app": notFound, "item": broken, "user": refused} {
		t.Run(what, func(t *testing.T) {
			onStage(t, func(s *stage) {
				s.fail = func(asked string) error {
					if asked == what {
						return failure
					}
					return nil
				}
				s.send(event("r-1"))
				time.Sleep(31 * time.Second)
				alerts := s.alerts()
				if len(alerts) != 1 {
					t.Fatalf("%d alerts", len(alerts))
				}
				a := alerts[0].Alert
				if want := map[bool]int{true: 2, false: 1}[what == "user"]; len(a.Degraded) != want || !strings.Contains(a.Degraded[0], failure.Text) {
					t.Errorf("degraded %q", a.Degraded)
				}
				if a.App.Known != (what != "item") || a.Owner.Known != (what != "user") || a.ScriptLog.Available != (what != "script log") || a.Execution.Known != (what != "record") {
					t.Errorf("app %v owner %v log %v record %v", a.App.Known, a.Owner.Known, a.ScriptLog.Available, a.Execution.Known)
				}
			})
		})
	}
}

func TestCloud_asksAgainWhatMayMendItself(t *testing.T) {
	onStage(t, func(s *stage) {
		left := 2
		s.fail = func(what string) error {
			if what == "record" && left > 0 {
				left--
				return errors.New("connection refused")
			}
			return nil
		}
		s.send(event("r-1"))
		time.Sleep(10 * time.Second)
		if alerts := s.alerts(); len(alerts) != 1 || len(alerts[0].Alert.Degraded) > 0 {
			t.Errorf("got %+v", alerts)
		}
	})
}

func TestCloud_leavesTheTenantAloneWhenItAsksForIt(t *testing.T) {
	onStage(t, func(s *stage) {
		first := true
		s.fail = func(string) error {
			if first {
				first = false
				return pause{12 * time.Second}
			}
			return nil
		}
		s.opts.MaxCalls = 1
		s.stop()
		s.openJournal()
		s.start()
		s.send(event("r-1"))
		s.send(event("r-2"))
		time.Sleep(11 * time.Second)
		if calls := s.asked(); len(calls) != 1 {
			t.Errorf("asked in the pause: %q", calls)
		}
		time.Sleep(2 * time.Second)
		if alerts := s.alerts(); len(alerts) != 2 || len(alerts[0].Alert.Degraded) > 0 {
			t.Errorf("after the pause: %d alerts", len(alerts))
		}
	})
}

func TestCloud_asksNothingWhenNobodyIsTold(t *testing.T) {
	onStage(t, func(s *stage) {
		s.stop()
		s.opts.Router = router{silent: true}
		s.openJournal()
		s.start()
		if got := s.send(event("r-1")); !slices.Equal(got, []messages.CloudOutcome{messages.CloudAccepted}) {
			t.Errorf("answered %v", got)
		}
		if calls, alerts := s.asked(), s.alerts(); len(calls)+len(alerts) > 0 {
			t.Errorf("asked %q, %d alerts", calls, len(alerts))
		}
	})
}

func TestCloud_anEventThatCrashesIsTriedBareAndThenGivenUp(t *testing.T) {
	for name, row := range map[string]struct {
		panics          func(*messages.Alert) bool
		told, abandoned int
	}{
		"with its details": {func(a *messages.Alert) bool { return a.Cloud.ReloadID == "bad" && a.App.Known }, 2, 0},
		"at all":           {func(a *messages.Alert) bool { return a.Cloud.ReloadID == "bad" }, 1, 1},
	} {
		t.Run(name, func(t *testing.T) {
			onStage(t, func(s *stage) {
				s.stop()
				s.opts.Router = router{panics: row.panics}
				s.openJournal()
				s.start()
				s.send(event("bad"))
				s.send(event("good"))
				time.Sleep(time.Minute)
				if n := len(s.alerts()); n != row.told {
					t.Errorf("%d alerts, want %d", n, row.told)
				}
				if len(s.kept) != row.abandoned {
					t.Errorf("%d in the quarantine", len(s.kept))
				}
				if got := s.send(event("bad")); got[len(got)-1] != messages.CloudDuplicate {
					t.Errorf("answered %v", got)
				}
			})
		})
	}
}

func TestCloud_aLookUpThatPanicsIsNotRepeated(t *testing.T) {
	onStage(t, func(s *stage) {
		s.fail = func(what string) error {
			if what == "item" {
				panic("on purpose")
			}
			return nil
		}
		s.send(event("r-1"))
		alerts := s.alerts()
		if len(alerts) != 1 || len(alerts[0].Alert.Degraded) != 1 || !strings.Contains(alerts[0].Alert.Degraded[0], "tags and size of the app") {
			t.Errorf("want one alert at once that lacks the tags, got %+v", alerts)
		}
		if s.logs.FilterMessage("a look-up in Qlik Cloud panicked").Len() != 1 {
			t.Errorf("want it told once, got %v", s.logs.All())
		}
	})
}

func TestCloud_tellsHowTheTenantIs(t *testing.T) {
	onStage(t, func(s *stage) {
		s.fail = func(string) error {
			return messages.Failure{Kind: messages.FailureRejected, Text: "the token is not accepted"}
		}
		s.send(event("r-1"))
		s.fail = func(string) error { return nil }
		s.send(event("r-2"))
		if want := []string{"false the token is not accepted", "true "}; !slices.Equal(s.health, want) {
			t.Errorf("told %q", s.health)
		}
	})
}

func TestCloud_anEventThatCannotBeReadBackIsKept(t *testing.T) {
	onStage(t, func(s *stage) {
		s.ledger.Commit([]journal.Op{{Bucket: bucketOpen, Key: "r-1", Value: []byte("\x07nonsense")}}, func(error) {})
		s.restart()
		if len(s.kept) != 1 || s.kept[0].Reason != "unreadable" || s.logs.FilterLevelExact(zap.ErrorLevel).Len() != 1 {
			t.Errorf("kept %+v", s.kept)
		}
		s.restart()
		if len(s.kept) != 1 {
			t.Errorf("kept again: %+v", s.kept)
		}
	})
}

// narrow is an outbox whose journal takes no script log, or nothing at all if it is closed.
type narrow struct {
	Outbox
	closed bool
}

func (n narrow) Record(d outbox.Decision, more []journal.Op, done func(error)) {
	if d.Attachment != "" || n.closed {
		done(journal.ErrTooLarge)
		return
	}
	n.Outbox.Record(d, more, done)
}

func TestCloud_tellsOnceOfAnAlertThatIsTooLarge(t *testing.T) {
	onStage(t, func(s *stage) {
		s.stop()
		s.openJournal()
		reg := prometheus.NewRegistry()
		s.opts.Metrics, s.opts.Ledger, s.opts.Outbox = NewMetrics(reg), s.ledger, narrow{Outbox: s.outbox}
		s.pid = s.kit.System.Root.Spawn(Props(s.opts))
		synctest.Wait()
		s.send(event("r-1"))
		alerts := s.alerts()
		if len(alerts) != 1 || alerts[0].Attachment != "" || len(alerts[0].Alert.Degraded) != 1 {
			t.Fatalf("want one alert without its script log, got %+v", alerts)
		}
		lines := s.logs.FilterMessage("a failed app reload in Qlik Cloud is decided").All()
		if len(lines) != 1 || lines[0].ContextMap()["degraded"] == nil {
			t.Errorf("want one line, about the alert as it went out, got %+v", lines)
		}
		if n := testutil.ToFloat64(s.opts.Metrics.decisions.WithLabelValues(outcomeAlerted)); n != 1 {
			t.Errorf("want one decision counted, got %v", n)
		}
	})
}

func TestCloud_givesUpAnAlertThatIsTooLargeWithoutItsScriptLog(t *testing.T) {
	onStage(t, func(s *stage) {
		s.stop()
		s.openJournal()
		s.opts.Ledger, s.opts.Outbox = s.ledger, narrow{Outbox: s.outbox, closed: true}
		s.pid = s.kit.System.Root.Spawn(Props(s.opts))
		synctest.Wait()
		s.send(event("r-1"))
		if len(s.kept) != 1 || s.kept[0].Reason != "too_large" {
			t.Errorf("want the event kept in quarantine, got %+v", s.kept)
		}
		s.restart()
		if len(s.kept) != 1 {
			t.Errorf("want it done with, got %+v", s.kept)
		}
	})
}
