package notify

import (
	"context"
	"errors"
	"fmt"
	"slices"
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
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"butler/internal/actorkit"
	"butler/internal/actorkit/actortest"
	"butler/internal/destination"
	"butler/internal/journal"
	"butler/internal/journal/faulty"
	"butler/internal/journal/memory"
	"butler/internal/outbox"
	"butler/internal/trail"
	"butler/internal/trail/trailtest"
	"butler/messages"
)

// fixture is the actor with probes for delivery actors, over the real ledger in a bubble.
type fixture struct {
	t      *testing.T
	disk   *faulty.Store
	ledger *journal.Ledger
	outbox *outbox.Outbox
	kit    *actorkit.Kit
	logs   *observer.ObservedLogs
	asker  *actortest.Probe
	pid    *actor.PID
	reg    *prometheus.Registry
	keep   outbox.Retention
	steps  trailtest.Notes

	mu sync.Mutex // the actor spawns while the test looks
	// lives are the delivery actors of an instance, in order.
	lives map[string][]*life
	// healths are what was told of every instance last.
	healths map[string]Health
	// gone are the instances that it told to be gone.
	gone  []string
	ended []string // the delivery actors that have ended, and how many of email had lived then
	// parked are the notices that it reported as parked.
	parked []string
}

// dropped says how the parked notices of an execution were dropped, as the trail has it.
func (f *fixture) dropped(execution string) []string {
	f.t.Helper()
	found, err := trail.New(&f.steps).Find(f.t.Context(), []string{execution}, 10)
	must(f.t, err)
	var out []string
	for _, entry := range found.Entries {
		if drop, ok := entry.(*trail.Drop); ok {
			out = append(out, fmt.Sprintf("%s %s: %s", drop.Instance, drop.Notice, drop.Why))
		}
	}
	return out
}

// endsOf lists the ends of notices in the trail of an execution.
func (f *fixture) endsOf(execution string) []string {
	f.t.Helper()
	found, err := trail.New(&f.steps).Find(f.t.Context(), []string{execution}, 10)
	must(f.t, err)
	var out []string
	for _, entry := range found.Entries {
		if end, ok := entry.(*trail.End); ok {
			out = append(out, fmt.Sprintf("%s %s %s: %s", end.Instance, end.Notice, end.Outcome, end.Reason))
		}
	}
	return out
}

func (f *fixture) reportedParked() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Sorted(slices.Values(f.parked))
}

func (f *fixture) goneOnes() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.gone)
}

// life is a scripted delivery actor.
type life struct {
	actortest.Probe
	pid     atomic.Pointer[actor.PID]
	stopped atomic.Bool
}

func (l *life) Receive(ctx actor.Context) {
	switch msg := ctx.Message().(type) {
	case *actor.Started:
		l.pid.Store(ctx.Self())
	case *actor.Stopping:
		l.stopped.Store(true)
	case messages.DescribeDelivery:
		instance := strings.TrimPrefix(ctx.Self().GetId(), "notify/d:")
		if instance != "email/mute" {
			ctx.Send(actorkit.PIDOf(msg.ReplyTo), messages.DescribeDeliveryReply{
				States: []messages.DeliveryState{{Instance: instance, Condition: "ok"}},
			})
		}
	}
	l.Probe.Receive(ctx)
}

func table(t *testing.T, instances ...string) *destination.Table {
	t.Helper()
	var built []destination.Built
	for _, name := range instances {
		built = append(built, destination.Built{Instance: destination.Instance{Name: name, Integration: integrationOf(name)}})
	}
	table, err := destination.NewTable(built, nil)
	must(t, err)
	return table
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	disk := faulty.Wrap(memory.New(), 1)
	log, err := disk.Open(t.Context(), "ledger", journal.Limits{})
	must(t, err)
	ledger, err := journal.OpenLedger(t.Context(), log, journal.LedgerOptions{})
	must(t, err)
	box, err := outbox.Open(ledger, outbox.Options{})
	must(t, err)
	f := &fixture{t: t, disk: disk, ledger: ledger, outbox: box, lives: map[string][]*life{}, healths: map[string]Health{}, reg: prometheus.NewRegistry()}
	f.kit, f.logs, _ = actortest.Kit(t)
	f.asker = actortest.Spawn(t, f.kit, "asker", nil)
	return f
}

// start spawns the actor.
func (f *fixture) start(instances ...string) {
	f.t.Helper()
	t := table(f.t, instances...)
	props := Props(f.kit, Options{
		Table: t, Outbox: f.outbox, Keep: f.keep, Trail: trail.New(&f.steps), Metrics: NewMetrics(f.reg, f.outbox, t.Built()),
		OnHealth: func(h Health) {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.healths[h.Instance] = h
		},
		OnGone: func(instance string) {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.gone = append(f.gone, instance)
		},
		OnParked: func(end messages.NoticeSettled, cause outbox.ParkCause) {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.parked = append(f.parked, fmt.Sprintf("%s %s %s", end.ID, end.Outcome, cause))
		},
		OnEnded: func(id string) {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.ended = append(f.ended, fmt.Sprintf("%s after %d", id, len(f.lives["email/failed"])))
		},
		NewDelivery: func(b destination.Built) *actor.Props {
			l := &life{}
			f.mu.Lock()
			defer f.mu.Unlock()
			f.lives[b.Instance.Name] = append(f.lives[b.Instance.Name], l)
			return f.kit.Props("delivery", func() actor.Actor { return l })
		},
	}, actor.WithGuardian(actor.NewOneForOneStrategy(10, time.Second, actor.DefaultDecider)), actor.WithReceiverMiddleware(crashOnDemand))
	var err error
	f.pid, err = f.kit.System.Root.SpawnNamed(props, "notify")
	must(f.t, err)
	synctest.Wait()
}

// crashNow makes the actor that handles it panic.
type crashNow struct{}

func crashOnDemand(next actor.ReceiverFunc) actor.ReceiverFunc {
	return func(ctx actor.ReceiverContext, envelope *actor.MessageEnvelope) {
		if _, ok := envelope.Message.(crashNow); ok {
			actorkit.Fail(errors.New("told to crash"))
		}
		next(ctx, envelope)
	}
}

func (f *fixture) stop() {
	f.t.Helper()
	if f.pid != nil {
		must(f.t, f.kit.System.Root.StopFuture(f.pid).Wait())
	}
	must(f.t, f.kit.System.Root.StopFuture(f.asker.PID).Wait())
	must(f.t, f.ledger.Close(context.Background()))
	synctest.Wait()
}

func (f *fixture) send(message any) {
	f.kit.System.Root.Send(f.pid, message)
	synctest.Wait()
}

// sleep lets virtual time pass, and then everything settle.
func sleep(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// all are the delivery actors an instance has had.
func (f *fixture) all(instance string) []*life {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.lives[instance])
}

// current is the youngest delivery actor of an instance.
func (f *fixture) current(instance string) *life {
	f.t.Helper()
	all := f.all(instance)
	if len(all) == 0 {
		f.t.Fatalf("%s has no delivery actor", instance)
	}
	return all[len(all)-1]
}

// end stops the delivery actor of an instance.
func (f *fixture) end(instance string) {
	f.t.Helper()
	must(f.t, f.kit.System.Root.StopFuture(f.current(instance).pid.Load()).Wait())
	synctest.Wait()
}

// occupy takes the name that the delivery actor of an instance is to have.
func (f *fixture) occupy(instance string) *actor.PID {
	f.t.Helper()
	nobody := actor.PropsFromFunc(func(actor.Context) {})
	pid, err := f.kit.System.Root.SpawnNamed(nobody, "notify/d:"+instance)
	must(f.t, err)
	return pid
}

// record makes notices of one alert durable without announcing them.
func (f *fixture) record(id string, instances ...string) []messages.NoticeHead {
	f.t.Helper()
	alert := &messages.Alert{
		ID: messages.AlertID(id), Kind: messages.ReloadTaskFailed, Key: messages.ExecutionKey("x-" + id), Event: messages.TaskEvent{TaskID: "task", TaskName: "Sales"},
	}
	var notices []messages.NoticeHead
	for _, instance := range instances {
		notices = append(notices, messages.NoticeHead{
			ID: messages.NoticeID(id + "-" + integrationOf(instance)), Instance: instance, QueuedAt: time.Now(),
		})
	}
	f.outbox.Record(outbox.Decision{Alert: alert, Notices: notices}, nil, func(err error) { must(f.t, err) })
	synctest.Wait()
	return notices
}

// recordLong makes a notice durable that is too long to be kept in memory.
func (f *fixture) recordLong(id, instance string) {
	f.t.Helper()
	alert := &messages.Alert{ID: messages.AlertID(id), Kind: messages.ReloadTaskFailed, Key: messages.ExecutionKey("x-" + id)}
	n := messages.NoticeHead{
		ID: messages.NoticeID(id + "-" + integrationOf(instance)), Instance: instance, Recipient: strings.Repeat("r", 600), QueuedAt: time.Now(),
	}
	f.outbox.Record(outbox.Decision{Alert: alert, Notices: []messages.NoticeHead{n}}, nil, func(err error) { must(f.t, err) })
	synctest.Wait()
}

// park parks a waiting notice of an instance.
func (f *fixture) park(instance string, id messages.NoticeID) {
	f.t.Helper()
	f.outbox.Settle(outbox.Place{Integration: integrationOf(instance), Instance: instance},
		outbox.Settlement{At: time.Now(), Outcomes: []outbox.Outcome{{
			ID: id, Ended: messages.NoticeParked, Cause: outbox.Rejected, Reason: "no",
		}}}, func([]messages.NoticeSettled, error) {})
	synctest.Wait()
}

func (f *fixture) parkedIDs() []string {
	f.t.Helper()
	list, err := f.outbox.Parked(outbox.ParkedFilter{})
	must(f.t, err)
	var ids []string
	for _, p := range list {
		ids = append(ids, string(p.ID)+" "+string(p.Cause))
	}
	slices.Sort(ids)
	return ids
}

func queuedIDs(l *life) []string {
	var ids []string
	for _, q := range actortest.Of[messages.NoticesQueued](&l.Probe) {
		for _, n := range q.Notices {
			id := string(n.ID)
			if n.Exempt {
				id += " exempt"
			}
			ids = append(ids, id)
		}
	}
	return ids
}

func (f *fixture) want(what string, want, got any) {
	f.t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		f.t.Errorf("%s differ (-want +got):\n%s", what, diff)
	}
}

func bubble(t *testing.T, test func(*fixture)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		test(f)
		f.stop()
	})
}

func TestNotify_handsNoticesToTheirInstances(t *testing.T) {
	bubble(t, func(f *fixture) {
		f.start("email/failed", "slack/failed")
		f.send(messages.NoticesRecorded{Notices: f.record("a", "email/failed", "slack/failed")})
		f.send(messages.NoticesRecorded{Notices: f.record("b", "slack/failed")})
		f.want("notices by email", []string{"a-email"}, queuedIDs(f.current("email/failed")))
		f.want("notices to Slack", []string{"a-slack", "b-slack"}, queuedIDs(f.current("slack/failed")))
	})
}

func TestNotify_parksWhatNobodyDeliversAnyMore(t *testing.T) {
	bubble(t, func(f *fixture) {
		t := f.t
		f.record("a", "email/failed", "teams/gone")
		f.ledger.Commit([]journal.Op{
			{Bucket: "notice", Key: "b-teams@teams/gone", Value: []byte("torn")},
			{Bucket: "window", Key: "teams/gone\x00task", Value: []byte("torn")},
		}, func(error) {})
		f.start("email/failed")
		f.want("parked notices", []string{"a-teams unconfigured", "b-teams unconfigured"}, f.parkedIDs())
		list, _ := f.outbox.Parked(outbox.ParkedFilter{})
		if want := "destination instance teams/gone is not configured any more"; list[0].Reason != want {
			t.Errorf("reason is %q, want %q", list[0].Reason, want)
		}
		if !f.outbox.Pending("email/failed", "a-email") {
			t.Error("the notice of a configured instance does not wait any more")
		}
		if n := f.logs.FilterMessageSnippet("not configured").Len(); n != 1 {
			t.Errorf("%d lines tell of it, want 1", n)
		}
		f.want("reported", []string{"a-teams parked unconfigured", "b-teams parked unconfigured"}, f.reportedParked())
		f.want("end of x-a", []string{"teams/gone a-teams parked: destination instance teams/gone is not configured any more"}, f.endsOf("x-a"))
		// A decision by the old configuration may still come in.
		f.send(messages.NoticesRecorded{Notices: f.record("c", "teams/gone")})
		f.want("parked notices", []string{"a-teams unconfigured", "b-teams unconfigured", "c-teams unconfigured"}, f.parkedIDs())
	})
}

// Notices with long texts are read from disk, which may fail for a while.
func TestNotify_aScanThatCannotReadStopsNoDelivery(t *testing.T) {
	bubble(t, func(f *fixture) {
		f.recordLong("a", "teams/gone")
		f.recordLong("b", "email/failed")
		f.disk.SetRules(faulty.Rules{Read: 1})
		f.start("email/failed")
		sleep(time.Second)
		f.want("deliveries of email", 1, len(f.all("email/failed")))
		if n := f.logs.FilterMessageSnippet("cannot be read").Len(); n != 1 {
			t.Errorf("%d lines tell of it, want 1", n)
		}
		f.want("parked while the disk cannot be read", []string(nil), f.parkedIDs())
		f.disk.SetRules(faulty.Rules{})
		sleep(scanAgainAfter)
		f.want("parked afterwards", []string{"a-teams unconfigured"}, f.parkedIDs())
		f.want("deliveries of email", 1, len(f.all("email/failed")))
	})
}

func TestNotify_replacesADeliveryThatEnded(t *testing.T) {
	bubble(t, func(f *fixture) {
		f.start("email/failed")
		f.end("email/failed")
		f.want("ended, before there was another one", []string{"notify/d:email/failed after 1"}, f.ended)
		f.send(messages.NoticesRecorded{Notices: f.record("a", "email/failed")})
		f.want("lives", 2, len(f.all("email/failed")))
		f.want("notices by email", []string{"a-email"}, queuedIDs(f.current("email/failed")))
	})
}

func TestNotify_startsADeliveryLaterThatCannotBeStarted(t *testing.T) {
	bubble(t, func(f *fixture) {
		squatter := f.occupy("email/failed")
		f.start("email/failed")
		f.send(messages.NoticesRecorded{Notices: f.record("a", "email/failed")})
		f.send(messages.DescribeDelivery{ReplyTo: actorkit.RefOf(f.asker.PID)})
		sleep(2 * time.Second)
		states := actortest.Of[messages.DescribeDeliveryReply](f.asker)[0].States
		f.want("condition", messages.DeliveryNotResponding, states[0].Condition)

		must(f.t, f.kit.System.Root.StopFuture(squatter).Wait())
		sleep(respawnAfter)
		if l := f.current("email/failed"); l.pid.Load() == nil {
			f.t.Error("it has no delivery actor after a minute")
		}
		if !f.outbox.Pending("email/failed", "a-email") {
			f.t.Error("the notice does not wait for it")
		}
		f.want("lines", 1, f.logs.FilterMessage("delivery cannot be started, trying again").Len())
	})
}

func TestNotify_replaysParkedNotices(t *testing.T) {
	bubble(t, func(f *fixture) {
		f.start("email/failed")
		f.record("a", "email/failed")
		f.park("email/failed", "a-email")
		f.record("b", "slack/gone")
		f.park("slack/gone", "b-slack")

		f.send(messages.ReplayParked{
			IDs: []messages.NoticeID{"a-email", "b-slack", "nonsense"}, ReplyTo: actorkit.RefOf(f.asker.PID),
		})
		want := []messages.ReplayParkedReply{{At: time.Now(), Results: []messages.ParkedResult{
			{ID: "a-email"},
			{ID: "b-slack", Failure: messages.Failure{Kind: messages.FailureRejected, Text: "destination instance slack/gone is not configured: put it back under that name, or drop what is parked for it"}},
			{ID: "nonsense", Failure: messages.Failure{Kind: messages.FailureNotFound, Text: "no such parked notice"}},
		}}}
		f.want("answers", want, actortest.Of[messages.ReplayParkedReply](f.asker))
		f.want("notices by email", []string{"a-email exempt"}, queuedIDs(f.current("email/failed")))
		f.want("parked notices", []string{"b-slack rejected"}, f.parkedIDs())
	})
}

func TestParkedCommands_tellWhatTheyDidBeforeTheAskerGivesUp(t *testing.T) {
	const parked, asked = 40, 30 * time.Second
	var ids []messages.NoticeID
	for n := range parked {
		ids = append(ids, messages.NoticeID(fmt.Sprintf("a%02d-email", n)))
	}
	for name, command := range map[string]func(messages.Ref) any{
		"replay": func(to messages.Ref) any { return messages.ReplayParked{IDs: ids, ReplyTo: to} },
		"drop":   func(to messages.Ref) any { return messages.DropParked{IDs: ids, ReplyTo: to} },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(f *fixture) {
				f.start("email/failed")
				for _, id := range ids {
					f.record(strings.TrimSuffix(string(id), "-email"), "email/failed")
					f.park("email/failed", id)
				}
				f.disk.SetRules(faulty.Rules{Latency: time.Second})
				f.send(command(actorkit.RefOf(f.asker.PID)))
				sleep(asked - time.Second)
				var results []messages.ParkedResult
				for _, r := range actortest.Of[messages.ReplayParkedReply](f.asker) {
					results = r.Results
				}
				for _, r := range actortest.Of[messages.DropParkedReply](f.asker) {
					results = r.Results
				}
				f.want("results", parked, len(results))
				done := 0
				for _, r := range results {
					switch {
					case !r.Failure.Failed():
						done++
					case r.Failure.Kind != messages.FailureTimeout:
						t.Errorf("%s: want it told that the time was over, got %+v", r.ID, r.Failure)
					}
				}
				sleep(time.Hour)
				if left := len(f.parkedIDs()); done < 20 || left != parked-done && left != parked-done-1 { // one may be on its way
					t.Errorf("%d are told to be done, and %d of %d are left", done, left, parked)
				}
				f.disk.SetRules(faulty.Rules{})
			})
		})
	}
}

func TestNotify_dropsParkedNotices(t *testing.T) {
	bubble(t, func(f *fixture) {
		t := f.t
		f.start("email/failed")
		f.record("a", "email/failed")
		f.park("email/failed", "a-email")
		f.send(messages.DropParked{IDs: []messages.NoticeID{"a-email", "a-email"}, ReplyTo: actorkit.RefOf(f.asker.PID)})
		answers := actortest.Of[messages.DropParkedReply](f.asker)
		if len(answers) != 1 || answers[0].Results[0].Failure.Failed() || answers[0].Results[1].Failure.Kind != messages.FailureNotFound {
			t.Errorf("answers are %+v, want one: dropped, then not found", answers)
		}
		if n := f.ledger.Len("alert") + f.ledger.Len("parked"); n != 0 {
			t.Errorf("%d entries are left, want none", n)
		}
		lines := f.logs.FilterMessage("parked alert is dropped by an operator").All()
		if len(lines) != 1 {
			t.Fatalf("want one line, got %v", lines)
		}
		for field, want := range map[string]any{
			"execution_id": "x-a", "task_name": "Sales", "alert": "reload_task_failed", "notice_id": "a-email", "destination": "email/failed",
		} {
			f.want(field, want, lines[0].ContextMap()[field])
		}
		f.want("the trail", []string{"email/failed a-email: " + trail.ByOperator}, f.dropped("x-a"))
	})
}

func TestNotify_describesEveryInstance(t *testing.T) {
	bubble(t, func(f *fixture) {
		f.start("slack/failed", "email/failed", "email/mute")
		f.record("a", "email/failed")
		f.park("email/failed", "a-email")
		for range 2 {
			f.send(messages.DescribeDelivery{ReplyTo: actorkit.RefOf(f.asker.PID)})
		}
		sleep(2 * time.Second)
		states := []messages.DeliveryState{
			{Instance: "email/failed", Condition: "ok", Parked: 1},
			{Instance: "email/mute", Integration: "email", Condition: "not_responding"},
			{Instance: "slack/failed", Condition: "ok"},
		}
		answers := actortest.Of[messages.DescribeDeliveryReply](f.asker)
		f.want("number of answers", 2, len(answers))
		for _, a := range answers {
			f.want("states", states, a.States)
		}
	})
}

func TestNotify_drainWaitsForEveryDelivery(t *testing.T) {
	bubble(t, func(f *fixture) {
		f.start("email/failed", "slack/failed", "teams/failed")
		f.record("a", "email/failed", "slack/failed", "teams/failed")
		f.send(messages.DrainDelivery{ReplyTo: actorkit.RefOf(f.asker.PID)})
		f.send(messages.DrainDeliveryReply{Instance: "email/failed"})
		f.send(messages.DrainDeliveryReply{Instance: "slack/failed"})
		f.want("answers", 0, len(f.asker.All()))
		// One that ends meanwhile has nothing on its way either.
		f.end("teams/failed")
		f.want("answers", []messages.DrainDeliveryReply{{Left: 3}}, actortest.Of[messages.DrainDeliveryReply](f.asker))
	})
}

func TestNotify_drainsThoughItCrashesMeanwhile(t *testing.T) {
	bubble(t, func(f *fixture) {
		f.start("email/failed")
		f.record("a", "email/failed")
		f.send(messages.DrainDelivery{ReplyTo: actorkit.RefOf(f.asker.PID)})
		f.send(crashNow{})
		sleep(time.Second)
		f.want("email lives", 1, len(f.all("email/failed")))
		f.want("answers", []messages.DrainDeliveryReply{{Left: 1}}, actortest.Of[messages.DrainDeliveryReply](f.asker))
	})
}

func TestNotify_aNewConfigurationLetsTheOldOneFinish(t *testing.T) {
	bubble(t, func(f *fixture) {
		t := f.t
		f.start("email/failed", "slack/failed")
		f.record("a", "email/failed", "slack/failed")
		f.send(TableChanged{Table: table(t, "email/failed", "teams/failed")})
		f.want("Teams lives", 1, len(f.all("teams/failed")))
		f.want("email lives", 1, len(f.all("email/failed")))
		f.want("drain commands", 1, len(actortest.Of[messages.DrainDelivery](&f.current("email/failed").Probe)))
		f.want("parked notices", []string(nil), f.parkedIDs())

		f.send(messages.DrainDeliveryReply{Instance: "email/failed"})
		f.want("email lives", 2, len(f.all("email/failed")))
		f.want("gone", []string(nil), f.goneOnes())

		// The one that never finishes is stopped, and what it leaves is parked.
		sleep(retireAfter + time.Second)
		f.want("gone", []string{"slack/failed"}, f.goneOnes())
		f.want("Slack stopped", true, f.current("slack/failed").stopped.Load())
		f.want("parked notices", []string{"a-slack unconfigured"}, f.parkedIDs())
		f.want("email lives", 2, len(f.all("email/failed")))
		f.want("the new email stopped", false, f.current("email/failed").stopped.Load())
	})
}

func TestNotify_tellsOfAnInstanceThatIsGoneWhileItHadNoDelivery(t *testing.T) {
	bubble(t, func(f *fixture) {
		squatter := f.occupy("slack/failed")
		f.start("email/failed", "slack/failed")
		f.send(TableChanged{Table: table(f.t, "email/failed")})
		f.send(messages.DrainDeliveryReply{Instance: "email/failed"})
		f.want("gone", []string{"slack/failed"}, f.goneOnes())
		must(f.t, f.kit.System.Root.StopFuture(squatter).Wait())
	})
}

func TestNotify_survivesItsOwnRestart(t *testing.T) {
	bubble(t, func(f *fixture) {
		f.start("email/failed")
		f.send(messages.NoticesRecorded{Notices: f.record("a", "email/failed")})
		f.send(crashNow{})
		sleep(time.Second)
		f.want("lines about its deliveries, which end with it", 0, f.logs.FilterLevelExact(zapcore.ErrorLevel).Len())
		f.want("email lives", 2, len(f.all("email/failed")))
		f.send(messages.NoticesRecorded{Notices: f.record("b", "email/failed")})
		f.want("notices by email", []string{"b-email"}, queuedIDs(f.current("email/failed")))
	})
}

func TestNotify_remindsOfParkedNotices(t *testing.T) {
	bubble(t, func(f *fixture) {
		f.start("email/failed")
		f.record("a", "email/failed")
		f.park("email/failed", "a-email")
		sleep(2*time.Hour + time.Minute)
		f.want("reminders", 2, f.logs.FilterMessageSnippet("wait for an operator").Len())
	})
}

func TestParkedMetric_countsByIntegration(t *testing.T) {
	bubble(t, func(f *fixture) {
		t := f.t
		f.record("a", "email/failed", "slack/failed")
		f.record("b", "email/aborted")
		f.park("email/failed", "a-email")
		f.park("email/aborted", "b-email")
		reg := prometheus.NewRegistry()
		NewMetrics(reg, f.outbox, table(t, "email/failed", "slack/failed").Built())
		want := `
# HELP butler_dead_letters Parked notices that wait for an operator.
# TYPE butler_dead_letters gauge
butler_dead_letters{integration="email"} 2
butler_dead_letters{integration="slack"} 0
`
		if err := testutil.GatherAndCompare(reg, strings.NewReader(want), "butler_dead_letters"); err != nil {
			t.Error(err)
		}
	})
}

// trouble is what was told of an instance last.
func (f *fixture) trouble(instance string) string {
	f.t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	told, ok := f.healths[instance]
	if !ok {
		f.t.Errorf("nothing was told of %s", instance)
	}
	return told.Trouble
}

func TestNotify_tellsHowEveryDestinationIs(t *testing.T) {
	bubble(t, func(f *fixture) {
		f.start("email/failed", "slack/failed")
		f.want("trouble at the start", "", f.trouble("email/failed")+f.trouble("slack/failed"))

		change := messages.DeliveryChanged{Instance: "email/failed", Condition: messages.DeliveryBreakerOpen, LastError: "connection refused"}
		f.send(change)
		f.want("trouble of a failing server", "it keeps failing and is tried again after a pause: connection refused", f.trouble("email/failed"))
		f.want("trouble of another", "", f.trouble("slack/failed"))

		change.Condition = messages.DeliveryMisconfigured
		f.send(change)
		f.want("trouble of a bad password", "it refuses everything until its configuration is corrected: connection refused", f.trouble("email/failed"))

		f.send(messages.DeliveryChanged{Instance: "email/failed", Condition: messages.Delivering})
		f.want("trouble after it recovered", "", f.trouble("email/failed"))

		f.record("a", "email/failed")
		f.park("email/failed", "a-email")
		f.send(messages.DeliveryChanged{Instance: "email/failed", Condition: messages.Delivering})
		f.want("trouble with a parked notice", "1 parked, see: butler parked list", f.trouble("email/failed"))

		f.send(messages.DropParked{IDs: []messages.NoticeID{"a-email"}, ReplyTo: actorkit.RefOf(f.asker.PID)})
		f.want("trouble after it was dropped", "", f.trouble("email/failed"))

		f.record("b", "email/failed")
		f.park("email/failed", "b-email")
		f.send(messages.DeliveryChanged{Instance: "email/failed", Condition: messages.Delivering})
		f.want("trouble with another parked notice", "1 parked, see: butler parked list", f.trouble("email/failed"))
		f.send(messages.ReplayParked{IDs: []messages.NoticeID{"b-email"}, ReplyTo: actorkit.RefOf(f.asker.PID)})
		f.want("trouble after it was replayed", "", f.trouble("email/failed"))
	})
}

func TestNotify_tellsOfAnInstanceThatIsGoneOnlyWhileItIsInTrouble(t *testing.T) {
	bubble(t, func(f *fixture) {
		f.record("a", "teams/gone")
		f.start("email/failed")
		f.want("health", Health{Instance: "teams/gone", Trouble: "1 parked, see: butler parked list"}, f.healths["teams/gone"])
		f.send(messages.DropParked{IDs: []messages.NoticeID{"a-teams"}, ReplyTo: actorkit.RefOf(f.asker.PID)})
		f.want("health", Health{Instance: "teams/gone"}, f.healths["teams/gone"])
	})
}

func TestNotify_dropsWhatIsParkedTooLong(t *testing.T) {
	bubble(t, func(f *fixture) {
		f.keep = outbox.Retention{For: 48 * time.Hour}
		f.start("email/failed", "slack/failed")
		f.record("a", "email/failed", "slack/failed")
		f.park("email/failed", "a-email")
		sleep(24 * time.Hour)
		f.park("slack/failed", "a-slack")
		sleep(24*time.Hour - trimEvery)
		f.want("parked before the time", []string{"a-email rejected", "a-slack rejected"}, f.parkedIDs())

		sleep(2 * trimEvery)
		f.want("parked after the time", []string{"a-slack rejected"}, f.parkedIDs())
		f.want("trouble of the first", "", f.trouble("email/failed"))
		f.want("trouble of the second", "1 parked, see: butler parked list", f.trouble("slack/failed"))
		f.want("alerts", 1, f.ledger.Len("alert"))

		sleep(24 * time.Hour)
		f.want("parked at the end", []string(nil), f.parkedIDs())
		f.want("alerts at the end", 0, f.ledger.Len("alert"))
	})
}

// The clock may be wrong at the start, or for the moment of a look.
func TestNotify_dropsNothingThatIsTooOldInOneLookOnly(t *testing.T) {
	bubble(t, func(f *fixture) {
		f.record("a", "email/failed")
		f.park("email/failed", "a-email")
		sleep(72 * time.Hour)
		f.keep = outbox.Retention{For: 48 * time.Hour}
		f.start("email/failed")
		mute := func(destination.Built) *actor.Props {
			return f.kit.Props("delivery", func() actor.Actor { return &life{} })
		}
		f.send(TableChanged{Table: table(f.t, "email/failed"), Keep: f.keep, NewDelivery: mute})
		f.want("parked after the first look and a new configuration", []string{"a-email rejected"}, f.parkedIDs())
		sleep(trimEvery)
		f.want("parked after the second look", []string(nil), f.parkedIDs())
	})
}

func TestLooks_believeTheClockWhenTwoOfThemAgree(t *testing.T) {
	noon := time.Date(2026, 5, 6, 12, 0, 0, 0, time.UTC)
	year := 365 * 24 * time.Hour
	var l ageClock
	for i, step := range []struct{ clock, want time.Time }{
		{noon, time.Time{}},
		{noon.Add(10 * time.Minute), noon},
		{noon.Add(year), noon.Add(10 * time.Minute)},
		{noon.Add(30 * time.Minute), noon.Add(30 * time.Minute)},
		{noon.Add(year), noon.Add(30 * time.Minute)},
		{noon.Add(year + 10*time.Minute), noon.Add(year)},
	} {
		if l.read(step.clock); !l.safe.Equal(step.want) {
			t.Errorf("look %d at %v: judged by %v, want %v", i, step.clock, l.safe, step.want)
		}
	}
}

func TestNotify_dropsTheOldestOfWhatIsParkedTooMuchAndTellsOnce(t *testing.T) {
	bubble(t, func(f *fixture) {
		for _, id := range []string{"a", "b", "c", "d"} {
			f.record(id, "email/failed")
			f.park("email/failed", messages.NoticeID(id+"-email"))
			sleep(time.Second)
		}
		f.record("e", "teams/gone") // parked by the scan: its destination is not configured
		all, err := f.outbox.Surplus(outbox.Retention{Bytes: 1}, time.Now())
		must(f.t, err)
		f.want("parked before the start", 4, len(all))
		one := f.ledger.Size("parked", "a-email") + f.ledger.Size("alert", "a") + f.ledger.Size("told", "a")
		f.keep = outbox.Retention{Bytes: int64(2*one + one/2)}

		f.start("email/failed")
		sleep(trimEvery)
		f.want("parked", []string{"d-email rejected", "e-teams unconfigured"}, f.parkedIDs())
		lines := f.logs.FilterMessageSnippet("are dropped for good").All()
		told := 0
		for _, line := range lines {
			f.want("level", zapcore.ErrorLevel, line.Level)
			told += int(line.ContextMap()["count"].(int64))
		}
		f.want("notices told of", 3, told)
		f.want("the trail", []string{"email/failed b-email: " + trail.ByAge}, f.dropped("x-b"))
		if len(lines) > 2 {
			f.t.Errorf("want a line for each round that dropped something, got %v", lines)
		}
		want := `
# HELP butler_dead_letters_dropped_total Parked notices that were dropped because of their age or number.
# TYPE butler_dead_letters_dropped_total counter
butler_dead_letters_dropped_total{integration="email",receiver="email/failed"} 3
`
		if err := testutil.GatherAndCompare(f.reg, strings.NewReader(want), "butler_dead_letters_dropped_total"); err != nil {
			f.t.Error(err)
		}
	})
}

func TestNotify_dropsWhatIsParkedTooLongOnceANewConfigurationSaysSo(t *testing.T) {
	bubble(t, func(f *fixture) {
		f.start("email/failed")
		f.record("a", "email/failed")
		f.park("email/failed", "a-email")
		sleep(24 * time.Hour)
		mute := func(destination.Built) *actor.Props {
			return f.kit.Props("delivery", func() actor.Actor { return &life{} })
		}
		for range 2 { // the second comes while what the first has begun may run
			f.send(TableChanged{Table: table(f.t, "email/failed"), Keep: outbox.Retention{For: 25 * time.Hour}, NewDelivery: mute})
		}
		f.want("parked before the time", []string{"a-email rejected"}, f.parkedIDs())
		sleep(time.Hour + trimEvery)
		f.want("parked after the time", []string(nil), f.parkedIDs())

		f.record("b", "email/failed")
		f.park("email/failed", "b-email")
		f.send(TableChanged{Table: table(f.t, "email/failed"), NewDelivery: mute})
		sleep(1000 * time.Hour)
		f.want("parked when it is to be kept for ever", []string{"b-email rejected"}, f.parkedIDs())
	})
}

func TestNotify_keepsParkedNoticesForEverWhenToldSo(t *testing.T) {
	bubble(t, func(f *fixture) {
		f.start("email/failed")
		f.record("a", "email/failed")
		f.park("email/failed", "a-email")
		sleep(10000 * time.Hour)
		f.want("parked", []string{"a-email rejected"}, f.parkedIDs())
	})
}
