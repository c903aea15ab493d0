package delivery

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	gocmp "github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"butler/internal/actorkit"
	"butler/internal/actorkit/actortest"
	"butler/internal/destination"
	"butler/internal/journal"
	"butler/internal/journal/faulty"
	"butler/internal/journal/memory"
	"butler/internal/metrics"
	"butler/internal/outbox"
	"butler/internal/trail"
	"butler/internal/trail/trailtest"
	"butler/messages"
)

// provider is a scripted destination that notes what it is asked.
type provider struct {
	answer func(ctx context.Context, n messages.Notice) error

	mu    sync.Mutex
	calls []call
}

type call struct {
	At     time.Duration // since the start of the test
	Notice string
	Held   int
}

func (p *provider) Deliver(ctx context.Context, n messages.Notice) (destination.Receipt, error) {
	p.mu.Lock()
	p.calls = append(p.calls, call{time.Since(bubbleStart), string(n.ID), n.SuppressedBefore})
	p.mu.Unlock()
	if p.answer == nil {
		return destination.Receipt{}, nil
	}
	return destination.Receipt{}, p.answer(ctx, n)
}

// bubbleStart is when every synctest bubble starts.
var bubbleStart = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

func (p *provider) seen() []call {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.calls)
}

// fixture is delivery actors over the real ledger in a bubble.
type fixture struct {
	t      *testing.T
	ledger *journal.Ledger
	outbox *outbox.Outbox
	kit    *actorkit.Kit
	logs   *observer.ObservedLogs
	stats  *actorkit.Stats
	reg    *prometheus.Registry
	probe  *actortest.Probe
	parent *actortest.Probe
	meters *Metrics
	steps  trailtest.Notes

	actors map[string]*actor.PID
	mu     sync.Mutex
	ends   map[messages.NoticeID]messages.NoticeSettled
}

func newFixture(t *testing.T, store journal.Store) *fixture {
	t.Helper()
	log, err := store.Open(t.Context(), "ledger", journal.Limits{})
	must(t, err)
	ledger, err := journal.OpenLedger(t.Context(), log, journal.LedgerOptions{})
	must(t, err)
	box, err := outbox.Open(ledger, outbox.Options{})
	must(t, err)
	f := &fixture{
		t: t, ledger: ledger, outbox: box, reg: prometheus.NewRegistry(),
		actors: map[string]*actor.PID{}, ends: map[messages.NoticeID]messages.NoticeSettled{},
	}
	f.kit, f.logs, f.stats = actortest.Kit(t)
	f.meters = NewMetrics(f.reg)
	f.probe = actortest.Spawn(t, f.kit, "probe", nil)
	f.parent = actortest.Spawn(t, f.kit, "notify", func(ctx actor.Context, message any) {
		if do, ok := message.(spawn); ok {
			do.spawned <- ctx.Spawn(do.props)
		}
	})
	return f
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// start spawns the delivery of an instance named test/<name>.
func (f *fixture) start(name string, d destination.Destination, change ...func(*destination.Instance)) {
	f.t.Helper()
	i := destination.Instance{Name: "test/" + name, Integration: "test"}
	for _, c := range change {
		c(&i)
	}
	props := Props(f.kit, Options{
		Built: destination.Built{Instance: i, Destination: d}, Outbox: f.outbox, Metrics: f.meters, Trail: trail.New(&f.steps),
		Rand: rand.New(rand.NewPCG(1, 2)),
		OnSettled: func(end messages.NoticeSettled) {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.ends[end.ID] = end
		},
	}, actor.WithReceiverMiddleware(crashOnDemand))
	spawned := make(chan *actor.PID, 1)
	f.kit.System.Root.Send(f.parent.PID, spawn{props, spawned})
	f.actors["test/"+name] = <-spawned
	synctest.Wait()
}

// spawn asks the parent for a child.
type spawn struct {
	props   *actor.Props
	spawned chan *actor.PID
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

// alert records one notice per instance, as a decision does, and announces it.
func (f *fixture) alert(id, task string, instances ...string) {
	f.t.Helper()
	alert := &messages.Alert{
		ID: messages.AlertID("alert-" + id), Kind: messages.ReloadTaskFailed, Key: messages.ExecutionKey("x-" + id),
		Event: messages.TaskEvent{TaskID: task, TaskName: task, ExecutionID: "x-" + id, At: time.Now()},
	}
	var notices []messages.NoticeHead
	for _, name := range instances {
		notices = append(notices, messages.NoticeHead{
			ID: messages.NoticeID(id + "-" + name), Instance: "test/" + name, SuppressBy: task, QueuedAt: time.Now(),
		})
	}
	f.outbox.Record(outbox.Decision{Alert: alert, Notices: notices}, nil, func(err error) {
		must(f.t, err)
		for _, n := range notices {
			if pid, ok := f.actors[n.Instance]; ok {
				f.kit.System.Root.Send(pid, messages.NoticesQueued{Notices: []messages.NoticeHead{n}})
			}
		}
	})
	synctest.Wait()
}

func (f *fixture) stop() {
	f.t.Helper()
	for _, pid := range f.actors {
		must(f.t, f.kit.System.Root.StopFuture(pid).Wait())
	}
	must(f.t, f.kit.System.Root.StopFuture(f.parent.PID).Wait())
	must(f.t, f.kit.System.Root.StopFuture(f.probe.PID).Wait())
	must(f.t, f.ledger.Close(context.Background()))
	synctest.Wait()
}

func (f *fixture) outcome(id string) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	if end, ok := f.ends[messages.NoticeID(id)]; ok {
		return end.Outcome.String()
	}
	return "open"
}

func (f *fixture) wantCalls(p *provider, want ...call) {
	f.t.Helper()
	if diff := gocmp.Diff(want, p.seen()); diff != "" {
		f.t.Errorf("calls differ (-want +got):\n%s", diff)
	}
}

func (f *fixture) wantOutcomes(want map[string]string) {
	f.t.Helper()
	got := map[string]string{}
	for id := range want {
		got[id] = f.outcome(id)
	}
	if diff := gocmp.Diff(want, got); diff != "" {
		f.t.Errorf("outcomes differ (-want +got):\n%s", diff)
	}
}

func bubble(t *testing.T, test func(*fixture)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, memory.New())
		test(f)
		f.stop()
		if n := f.stats.Bugs(); n != 0 {
			t.Errorf("%d actors panicked", n)
		}
	})
}

func TestDelivery_deliversAndTellsHowLongItTook(t *testing.T) {
	bubble(t, func(f *fixture) {
		t := f.t
		p := &provider{answer: func(context.Context, messages.Notice) error {
			time.Sleep(250 * time.Millisecond)
			return nil
		}}
		f.start("a", p)
		f.alert("1", "task", "a")
		time.Sleep(time.Second)
		f.wantCalls(p, call{Notice: "1-a"})
		f.wantOutcomes(map[string]string{"1-a": "delivered"})
		if n := f.ledger.Len("notice") + f.ledger.Len("alert"); n != 0 {
			t.Errorf("%d entries are left in the ledger, want none", n)
		}
		lines := f.logs.FilterMessage("alert delivered").All()
		if len(lines) != 1 || lines[0].ContextMap()["execution_id"] != "x-1" || lines[0].ContextMap()["latency"] != 250*time.Millisecond {
			t.Errorf("log has %v, want one line with the execution and the latency", lines)
		}
		f.wantMetrics(`
			# HELP butler_notifications_total Notices handed to a destination, repetitions included.
			# TYPE butler_notifications_total counter
			butler_notifications_total{integration="test",receiver="test/a"} 1
			# HELP butler_notification_requests_failed_total Delivery attempts that failed.
			# TYPE butler_notification_requests_failed_total counter
			butler_notification_requests_failed_total{integration="test",receiver="test/a"} 0
			# HELP butler_destination_last_success_timestamp_seconds When a destination accepted a notice last; 0 before the first.
			# TYPE butler_destination_last_success_timestamp_seconds gauge
			butler_destination_last_success_timestamp_seconds{integration="test",receiver="test/a"} 9.4668480025e+08
			# HELP butler_notification_queue_length Notices that are neither delivered, held back nor parked yet.
			# TYPE butler_notification_queue_length gauge
			butler_notification_queue_length{integration="test",receiver="test/a"} 0
		`)
	})
}

// wantMetrics compares the families that text names.
func (f *fixture) wantMetrics(text string) {
	f.t.Helper()
	var names []string
	for line := range strings.Lines(text) {
		if rest, ok := strings.CutPrefix(strings.TrimSpace(line), "# TYPE "); ok {
			names = append(names, strings.Fields(rest)[0])
		}
	}
	if err := testutil.GatherAndCompare(f.reg, strings.NewReader(strings.ReplaceAll(text, "\t", "")), names...); err != nil {
		f.t.Error(err)
	}
}

func TestDelivery_aBrokenDestinationDelaysNobodyElse(t *testing.T) {
	rows := map[string]func(release chan struct{}) func(context.Context, messages.Notice) error{
		"refusing": func(chan struct{}) func(context.Context, messages.Notice) error {
			return func(context.Context, messages.Notice) error { return errors.New("connection refused") }
		},
		"hanging until its deadline": func(chan struct{}) func(context.Context, messages.Notice) error {
			return func(ctx context.Context, _ messages.Notice) error {
				<-ctx.Done()
				return ctx.Err()
			}
		},
		"hanging for ever": func(release chan struct{}) func(context.Context, messages.Notice) error {
			return func(context.Context, messages.Notice) error {
				<-release
				return errors.New("too late")
			}
		},
		"throttling": func(chan struct{}) func(context.Context, messages.Notice) error {
			return func(context.Context, messages.Notice) error {
				return destination.Throttled(errors.New("slow down"), time.Hour)
			}
		},
		"crashing": func(chan struct{}) func(context.Context, messages.Notice) error {
			return func(context.Context, messages.Notice) error { panic("nil map") }
		},
		"misconfigured": func(chan struct{}) func(context.Context, messages.Notice) error {
			return func(context.Context, messages.Notice) error { return destination.Misconfigured(errors.New("401")) }
		},
	}
	for name, behave := range rows {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(f *fixture) {
				t := f.t
				release := make(chan struct{})
				good, bad := &provider{}, &provider{answer: behave(release)}
				f.start("good", good)
				f.start("bad", bad, func(i *destination.Instance) { i.MaxInFlight = 2 })
				want := map[string]string{}
				for n := range 20 {
					id := fmt.Sprint(n)
					f.alert(id, "task"+id, "good", "bad")
					want[id+"-good"] = "delivered"
				}
				f.wantOutcomes(want)
				for _, c := range good.seen() {
					if c.At != 0 {
						t.Errorf("notice %s waited %s for another instance", c.Notice, c.At)
					}
				}
				// A day later even the bad one has come to an end with everything.
				time.Sleep(27 * time.Hour)
				synctest.Wait()
				close(release)
				for n := range 20 {
					want[fmt.Sprint(n)+"-bad"] = "parked"
				}
				f.wantOutcomes(want)
				if got := f.ledger.Len("parked"); got != 20 {
					t.Errorf("%d notices are parked, want 20", got)
				}
			})
		})
	}
}

func TestDelivery_comesBackWhenTheProviderSays(t *testing.T) {
	bubble(t, func(f *fixture) {
		busy := true
		p := &provider{}
		p.answer = func(context.Context, messages.Notice) error {
			if busy {
				busy = false
				return destination.Throttled(errors.New("429"), 42*time.Second)
			}
			return nil
		}
		f.start("a", p, func(i *destination.Instance) { i.MaxInFlight = 1 })
		f.alert("1", "t1", "a")
		f.alert("2", "t2", "a")
		time.Sleep(time.Hour)
		f.wantCalls(p, call{Notice: "1-a"}, call{At: 42 * time.Second, Notice: "1-a"}, call{At: 42 * time.Second, Notice: "2-a"})
	})
}

func TestDelivery_suppressesWithinTheWindowAndTellsHowMany(t *testing.T) {
	bubble(t, func(f *fixture) {
		t := f.t
		p := &provider{}
		f.start("a", p, func(i *destination.Instance) { i.Window = 5 * time.Minute })
		f.alert("1", "task", "a")
		f.alert("2", "task", "a")
		f.alert("3", "task", "a")
		f.alert("4", "another task", "a")
		time.Sleep(5 * time.Minute)
		f.alert("5", "task", "a")
		f.wantCalls(p, call{Notice: "1-a"}, call{Notice: "4-a"}, call{At: 5 * time.Minute, Notice: "5-a", Held: 2})
		f.wantOutcomes(map[string]string{
			"1-a": "delivered", "2-a": "suppressed", "3-a": "suppressed", "4-a": "delivered", "5-a": "delivered",
		})
		if end := f.ends["2-a"]; !strings.HasSuffix(end.Reason, "the next is sent after 2000-01-01 00:05:00 UTC") {
			t.Errorf("reason is %q, want it to say when the next is sent", end.Reason)
		}
	})
}

func TestDelivery_aTestAlertIsNeverSuppressed(t *testing.T) {
	bubble(t, func(f *fixture) {
		p := &provider{}
		f.start("a", p, func(i *destination.Instance) { i.Window = 5 * time.Minute })
		f.alert("1", "task", "a")
		alert := &messages.Alert{ID: "probe", Test: true, Event: messages.TaskEvent{TaskID: "task"}}
		n := messages.NoticeHead{ID: "2-a", Instance: "test/a", SuppressBy: "task", Exempt: true, QueuedAt: time.Now()}
		f.outbox.Record(outbox.Decision{Alert: alert, Notices: []messages.NoticeHead{n}}, nil, func(error) {
			f.kit.System.Root.Send(f.actors["test/a"], messages.NoticesQueued{Notices: []messages.NoticeHead{n}})
		})
		synctest.Wait()
		f.wantCalls(p, call{Notice: "1-a"}, call{Notice: "2-a"})
	})
}

func TestDelivery_goesOnAfterARestartOfItsActor(t *testing.T) {
	bubble(t, func(f *fixture) {
		hang := true
		p := &provider{}
		p.answer = func(ctx context.Context, _ messages.Notice) error {
			if hang {
				<-ctx.Done()
				return ctx.Err()
			}
			return nil
		}
		f.start("a", p, func(i *destination.Instance) { i.MaxInFlight, i.Window = 1, time.Minute })
		f.alert("1", "task", "a")
		f.alert("2", "task", "a")
		f.alert("3", "other", "a")
		hang = false
		f.kit.System.Root.Send(f.actors["test/a"], crashNow{})
		time.Sleep(30 * time.Second)
		f.wantOutcomes(map[string]string{"1-a": "delivered", "2-a": "suppressed", "3-a": "delivered"})
		f.wantCalls(p, call{Notice: "1-a"}, call{Notice: "1-a"}, call{Notice: "3-a"})
	})
}

func TestDelivery_anAnnouncementThatComesLateIsNotSentAgain(t *testing.T) {
	bubble(t, func(f *fixture) {
		p := &provider{}
		f.alert("1", "task", "a") // nobody there to hear of it
		f.start("a", p)
		n := messages.NoticeHead{ID: "1-a", Instance: "test/a"}
		f.kit.System.Root.Send(f.actors["test/a"], messages.NoticesQueued{Notices: []messages.NoticeHead{n}})
		time.Sleep(time.Minute)
		f.wantCalls(p, call{Notice: "1-a"})
	})
}

func TestDelivery_anAnnouncementWhileItStartsAgainIsNotCountedTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk, p := faulty.Wrap(memory.New(), 1), &provider{}
		f := newFixture(t, disk)
		f.start("a", p, func(i *destination.Instance) { i.Window = time.Minute })
		f.alert("1", "task", "a")
		disk.SetRules(faulty.Rules{Latency: 2 * time.Second})
		f.alert("2", "task", "a")
		time.Sleep(3 * time.Second) // its end is on the way to the disk
		f.kit.System.Root.Send(f.actors["test/a"], crashNow{})
		again := messages.NoticeHead{ID: "2-a", Instance: "test/a", SuppressBy: "task", QueuedAt: time.Now()}
		f.kit.System.Root.Send(f.actors["test/a"], messages.NoticesQueued{Notices: []messages.NoticeHead{again}})
		time.Sleep(time.Minute)
		disk.SetRules(faulty.Rules{})
		f.alert("3", "task", "a")
		f.wantOutcomes(map[string]string{"1-a": "delivered", "2-a": "suppressed", "3-a": "delivered"})
		f.wantCalls(p, call{Notice: "1-a"}, call{At: 63 * time.Second, Notice: "3-a", Held: 1})
		f.stop()
	})
}

func TestDelivery_drainLetsRunningAttemptsFinish(t *testing.T) {
	bubble(t, func(f *fixture) {
		t := f.t
		p := &provider{answer: func(context.Context, messages.Notice) error {
			time.Sleep(3 * time.Second)
			return nil
		}}
		f.start("a", p, func(i *destination.Instance) { i.MaxInFlight = 1 })
		f.alert("1", "t1", "a")
		f.alert("2", "t2", "a")
		f.kit.System.Root.Send(f.actors["test/a"], messages.DrainDelivery{ReplyTo: actorkit.RefOf(f.probe.PID)})
		time.Sleep(time.Minute)
		f.wantOutcomes(map[string]string{"1-a": "delivered", "2-a": "open"})
		want := []messages.DrainDeliveryReply{{Instance: "test/a"}}
		if diff := gocmp.Diff(want, actortest.Of[messages.DrainDeliveryReply](f.probe)); diff != "" {
			t.Errorf("answers differ (-want +got):\n%s", diff)
		}
		if got := f.probe.All()[0].At.Sub(bubbleStart); got != 3*time.Second {
			t.Errorf("drained after %s, want 3s", got)
		}
	})
}

// The wish to drain is that of somebody who does not know of the crash.
func TestDelivery_drainsThoughItCrashesMeanwhile(t *testing.T) {
	bubble(t, func(f *fixture) {
		hang := true
		p := &provider{}
		p.answer = func(ctx context.Context, _ messages.Notice) error {
			if hang {
				<-ctx.Done()
			}
			return ctx.Err()
		}
		f.start("a", p, func(i *destination.Instance) { i.MaxInFlight = 1 })
		f.alert("1", "t1", "a")
		f.alert("2", "t2", "a")
		f.kit.System.Root.Send(f.actors["test/a"], messages.DrainDelivery{ReplyTo: actorkit.RefOf(f.probe.PID)})
		synctest.Wait()
		hang = false
		for range 2 {
			f.kit.System.Root.Send(f.actors["test/a"], crashNow{})
			time.Sleep(time.Minute)
			if got := len(actortest.Of[messages.DrainDeliveryReply](f.probe)); got != 1 {
				f.t.Errorf("%d answers, want one", got)
			}
		}
		f.wantCalls(p, call{Notice: "1-a"}) // nothing is started any more
		f.wantOutcomes(map[string]string{"1-a": "open", "2-a": "open"})
	})
}

// batches is a provider that takes several notices at once.
type batches struct {
	provider
	sizes []int
}

func (b *batches) DeliverBatch(_ context.Context, notices []messages.Notice) []error {
	b.sizes = append(b.sizes, len(notices))
	errs := make([]error, len(notices))
	for i, n := range notices {
		if strings.HasPrefix(string(n.ID), "bad") {
			errs[i] = destination.Permanent(errors.New("malformed"))
		}
	}
	return errs
}

func TestDelivery_sendsABacklogInBatches(t *testing.T) {
	bubble(t, func(f *fixture) {
		t := f.t
		for _, id := range []string{"1", "2", "bad", "4", "5"} {
			f.alert(id, "task", "a")
		}
		b := &batches{}
		f.start("a", b, func(i *destination.Instance) { i.Batch, i.MaxInFlight = 3, 1 })
		if diff := gocmp.Diff([]int{3, 2}, b.sizes); diff != "" {
			t.Errorf("batch sizes differ (-want +got):\n%s", diff)
		}
		f.wantOutcomes(map[string]string{"1-a": "delivered", "2-a": "delivered", "bad-a": "parked", "5-a": "delivered"})
	})
}

// brittle crashes on a batch with a bad or an odd notice, and on a bad one alone.
type brittle struct{ provider }

func (b *brittle) Deliver(ctx context.Context, n messages.Notice) (destination.Receipt, error) {
	receipt, err := b.provider.Deliver(ctx, n)
	if strings.HasPrefix(string(n.ID), "bad") {
		panic("cannot do " + string(n.ID))
	}
	return receipt, err
}

func (b *brittle) DeliverBatch(_ context.Context, notices []messages.Notice) []error {
	for _, n := range notices {
		if strings.HasPrefix(string(n.ID), "bad") || strings.HasPrefix(string(n.ID), "odd") {
			panic("cannot do them all")
		}
	}
	return make([]error, len(notices))
}

func TestDelivery_aNoticeThatCrashesItsBatchTakesNoOtherWithIt(t *testing.T) {
	bubble(t, func(f *fixture) {
		for _, id := range []string{"1", "2", "bad", "4", "5"} {
			f.alert(id, "task", "a")
		}
		b := &brittle{}
		f.start("a", b, func(i *destination.Instance) { i.Batch, i.MaxInFlight = 5, 1 })
		f.wantOutcomes(map[string]string{"1-a": "delivered", "2-a": "delivered", "bad-a": "open", "4-a": "delivered", "5-a": "delivered"})
		time.Sleep(time.Hour)
		f.wantOutcomes(map[string]string{"bad-a": "parked"})
		if calls := len(b.seen()); calls != 4+maxPanics {
			t.Errorf("%d calls for one notice, want one for each of the others and %d for the bad one", calls, maxPanics)
		}
	})
}

func TestDelivery_tellsOfABatchThatCrashedThoughEveryNoticeArrived(t *testing.T) {
	bubble(t, func(f *fixture) {
		t := f.t
		f.alert("1", "task", "a")
		f.alert("odd", "task", "a")
		f.start("a", &brittle{}, func(i *destination.Instance) { i.Batch, i.MaxInFlight = 5, 1 })
		f.wantOutcomes(map[string]string{"1-a": "delivered", "odd-a": "delivered"})
		if n := f.logs.FilterMessage("destination panicked").Len(); n != 1 {
			t.Errorf("%d lines about the crash, want one", n)
		}
	})
}

func TestDelivery_parksWhatCannotBeRead(t *testing.T) {
	bubble(t, func(f *fixture) {
		t := f.t
		f.alert("1", "task", "a")
		f.alert("2", "task", "a")
		torn := []journal.Op{
			{Bucket: "alert", Key: "alert-1", Value: []byte("torn")},
			{Bucket: "notice", Key: "2-a@test/a", Value: []byte("torn")},
		}
		f.ledger.Commit(torn, func(error) {})
		synctest.Wait()
		f.outbox, _ = outbox.Open(f.ledger, outbox.Options{}) // forgets what it remembers
		f.start("a", &provider{}, func(i *destination.Instance) { i.Window = time.Minute })
		f.wantOutcomes(map[string]string{"1-a": "parked", "2-a": "parked"})
		if n := f.logs.FilterMessage("alert parked").Len(); n != 2 {
			t.Errorf("%d lines about parked alerts, want one for each", n)
		}
	})
}

func TestDelivery_aNoticeThatCannotBeReadLeavesOutNoOtherOfItsBatch(t *testing.T) {
	bubble(t, func(f *fixture) {
		t := f.t
		for _, id := range []string{"1", "2", "3"} {
			f.alert(id, "task", "a")
		}
		f.ledger.Commit([]journal.Op{{Bucket: "alert", Key: "alert-2", Value: []byte("torn")}}, func(error) {})
		synctest.Wait()
		f.outbox, _ = outbox.Open(f.ledger, outbox.Options{}) // forgets what it remembers
		b := &batches{}
		f.start("a", b, func(i *destination.Instance) { i.Batch, i.MaxInFlight = 3, 1 })
		f.wantOutcomes(map[string]string{"1-a": "delivered", "2-a": "parked", "3-a": "delivered"})
		if diff := gocmp.Diff([]int{2}, b.sizes); diff != "" {
			t.Errorf("batch sizes differ (-want +got):\n%s", diff)
		}
	})
}

func TestDelivery_callsNoDestinationWhoseAttemptsDoNotReturn(t *testing.T) {
	bubble(t, func(f *fixture) {
		release := make(chan struct{})
		p := &provider{answer: func(context.Context, messages.Notice) error {
			<-release
			return nil
		}}
		f.start("a", p, func(i *destination.Instance) { i.MaxInFlight = 1 })
		want := map[string]string{}
		for _, id := range []string{"1", "2", "3"} {
			f.alert(id, "task "+id, "a")
			want[id+"-a"] = "open"
		}
		time.Sleep(time.Hour)
		f.wantOutcomes(want)
		if calls := len(p.seen()); calls != 1 {
			f.t.Errorf("%d calls, want none beside the one that does not return", calls)
		}
		close(release)
		time.Sleep(time.Hour)
		for notice := range want {
			want[notice] = "delivered"
		}
		f.wantOutcomes(want)
	})
}

func TestDelivery_aJournalThatCannotBeReadIsNoFaultOfTheDestination(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk, p := faulty.Wrap(memory.New(), 1), &provider{}
		f := newFixture(t, disk)
		f.start("a", p)
		disk.SetRules(faulty.Rules{Read: 1})
		want := map[string]string{}
		for n := range 2 * defaultFailures {
			id := fmt.Sprint(n)
			f.alert(id, strings.Repeat("too long to stay in memory ", 40), "a")
			want[id+"-a"] = "delivered"
		}
		time.Sleep(time.Minute)
		if failed := f.logs.FilterMessage("attempt failed, trying again").Len(); failed == 0 || len(p.seen()) > 0 {
			t.Errorf("%d lines about failures and %d calls, want the journal unread", failed, len(p.seen()))
		}
		if opened := f.logs.FilterMessage("destination keeps failing, circuit breaker opened").Len(); opened != 0 {
			t.Errorf("the breaker opened %d times, for a destination that was not asked", opened)
		}
		disk.SetRules(faulty.Rules{})
		time.Sleep(10 * time.Minute)
		f.wantOutcomes(want)
		f.stop()
	})
}

// silent is a ledger that cannot read waiting notices for now.
type silent struct {
	*journal.Ledger
	now atomic.Bool
}

func (s *silent) Get(b journal.Bucket, key string) ([]byte, bool, error) {
	if b == "notice" && s.now.Load() {
		return nil, false, journal.ErrUnavailable
	}
	return s.Ledger.Get(b, key)
}

func TestDelivery_parksANoticeOnceTheJournalCanBeReadAgain(t *testing.T) {
	bubble(t, func(f *fixture) {
		t := f.t
		ledger := &silent{Ledger: f.ledger}
		box, err := outbox.Open(ledger, outbox.Options{})
		must(t, err)
		f.outbox = box
		calls := 0
		f.start("a", &provider{answer: func(context.Context, messages.Notice) error {
			calls++
			ledger.now.Store(calls == 1)
			return destination.Permanent(errors.New("no such user"))
		}})
		f.alert("1", "task", "a")
		time.Sleep(time.Minute)
		synctest.Wait()
		f.wantOutcomes(map[string]string{"1-a": "open"})
		ledger.now.Store(false)
		time.Sleep(time.Hour)
		synctest.Wait()
		f.wantOutcomes(map[string]string{"1-a": "parked"})
		list, err := box.Parked(outbox.ParkedFilter{})
		if err != nil || len(list) != 1 || list[0].Alert != "alert-1" || calls != 2 {
			t.Fatalf("%+v is parked after %d attempts (%v), want the notice with its alert after two", list, calls, err)
		}
		if got := testutil.ToFloat64(f.meters.parked.WithLabelValues(list[0].Integration, string(list[0].Cause))); got != 1 {
			t.Errorf("%v notices are counted as parked, want one", got)
		}
	})
}

func TestEndings_leavesOutWhatStillWaits(t *testing.T) {
	waits := outbox.Outcome{ID: "1", Attempts: 5}
	s := outbox.Settlement{Outcomes: []outbox.Outcome{
		waits, {ID: "1", Ended: messages.NoticeSuppressed}, {ID: "2", Ended: messages.NoticeParked}, {ID: "3", Ended: messages.NoticeParked},
	}}
	var got []string
	for o, end := range endings(s, []messages.NoticeSettled{{ID: "1"}, {ID: "3"}}) { // 2 had ended before
		got = append(got, fmt.Sprint(o.ID, " ", o.Ended, " ", end.ID))
	}
	if want := []string{"1 suppressed 1", "3 parked 3"}; !slices.Equal(got, want) {
		t.Errorf("want %q, got %q", want, got)
	}
}

func TestDelivery_everyLineSaysWhatItIsAbout(t *testing.T) {
	bubble(t, func(f *fixture) {
		p := &provider{answer: func(_ context.Context, n messages.Notice) error {
			if n.Alert.Key == "x-2" {
				return errors.New("connection refused")
			}
			return nil
		}}
		f.start("a", p, func(i *destination.Instance) { i.Window = time.Minute })
		f.alert("1", "sales", "a")
		f.alert("2", "stock", "a")
		f.alert("3", "sales", "a")
		for message, want := range map[string]map[string]any{
			"attempt failed, trying again": {"execution_id": "x-2", "task_id": "stock", "task_name": "stock", "alert": "reload_task_failed", "notice_id": "2-a"},
			"alert suppressed":             {"execution_id": "x-3", "task_name": "sales", "alert": "reload_task_failed", "notice_id": "3-a"},
		} {
			lines := f.logs.FilterMessage(message).All()
			if len(lines) == 0 {
				f.t.Errorf("no line %q", message)
				continue
			}
			for field, text := range want {
				if got := lines[0].ContextMap()[field]; got != text {
					f.t.Errorf("%s: want %s %q, got %v", message, field, text, got)
				}
			}
		}
	})
}

// lazy has nothing to do for any notice.
type lazy struct{ *provider }

func (lazy) Idle(*messages.Notice) string { return "no script log to store" }

func TestDelivery_saysThatThereWasNothingToDo(t *testing.T) {
	bubble(t, func(f *fixture) {
		f.start("a", lazy{&provider{}})
		f.alert("1", "sales", "a")
		f.wantOutcomes(map[string]string{"1-a": "delivered"})
		lines := f.logs.FilterMessage("alert delivered").All()
		if len(lines) != 1 || lines[0].ContextMap()["nothing_done"] != "no script log to store" {
			f.t.Errorf("want a line that says so, got %v", lines)
		}
		found, err := trail.New(&f.steps).Find(f.t.Context(), []string{"x-1"}, 10)
		must(f.t, err)
		story := trail.Tell(trail.Evidence{ID: "x-1", Entries: found.Entries})
		if n := len(story.Notices); n != 1 || story.Notices[0].State != trail.Delivered || story.Notices[0].Reason != "no script log to store" {
			f.t.Errorf("want a notice that says so, got %+v", story.Notices)
		}
		if step := story.Steps[len(story.Steps)-1]; step.Text != "attempt 1: no script log to store" {
			f.t.Errorf("want a step that says so, got %+v", step)
		}
	})
}

// clueless crashes when it is asked why there was nothing to do.
type clueless struct{ *provider }

func (clueless) Idle(*messages.Notice) string { panic("nil map") }

func TestDelivery_aCrashAfterTheDeliveryChangesNoResult(t *testing.T) {
	bubble(t, func(f *fixture) {
		f.start("a", clueless{&provider{}})
		f.alert("1", "sales", "a")
		f.wantOutcomes(map[string]string{"1-a": "delivered"})
		if n := f.logs.FilterMessage("destination panicked").Len(); n != 1 {
			f.t.Errorf("%d lines about the crash, want one", n)
		}
	})
}

// What is parked waits for an operator: no execution hides behind another one.
func TestDelivery_everyExecutionThatIsParkedIsALine(t *testing.T) {
	bubble(t, func(f *fixture) {
		p := &provider{answer: func(context.Context, messages.Notice) error { return destination.Permanent(errors.New("refused")) }}
		f.start("a", p)
		const executions = parkedKeys + 3
		for n := range executions {
			f.alert(fmt.Sprint(n), "task "+fmt.Sprint(n%2), "a")
		}
		time.Sleep(2 * summaryEvery)
		synctest.Wait()
		lines := f.logs.FilterMessage("alert parked").All()
		if len(lines) != parkedKeys+1 {
			f.t.Fatalf("want a line for each of %d executions and one for the others, got %d", parkedKeys, len(lines))
		}
		got := lines[1].ContextMap()
		for field, want := range map[string]any{"execution_id": "x-1", "task_name": "task 1", "alert": "reload_task_failed", "notice_id": "1-a", "reason": "rejected"} {
			if got[field] != want {
				f.t.Errorf("want %s %q, got %v", field, want, got[field])
			}
		}
		summary := f.logs.FilterMessage("repeated").All()
		if len(summary) != 1 || summary[0].Level != zap.ErrorLevel || summary[0].ContextMap()["count"] != int64(2) ||
			!strings.Contains(summary[0].ContextMap()["line"].(string), "butler parked list") {
			f.t.Errorf("want an error that counts the 2 others, got %v", summary)
		}
	})
}

func TestDelivery_repeatingFailuresAreSummarised(t *testing.T) {
	bubble(t, func(f *fixture) {
		t := f.t
		p := &provider{answer: func(context.Context, messages.Notice) error { return errors.New("connection refused") }}
		f.start("a", p)
		for n := range 10 {
			f.alert(fmt.Sprint(n), fmt.Sprint(n), "a")
		}
		time.Sleep(61 * time.Second)
		synctest.Wait()
		if n := f.logs.FilterMessage("attempt failed, trying again").Len(); n != 1 {
			t.Errorf("%d lines about failed attempts in the first minute, want 1", n)
		}
		summaries := f.logs.FilterMessage("repeated").All()
		if len(summaries) != 1 || summaries[0].ContextMap()["count"] != int64(5) {
			t.Errorf("summaries are %v, want one that counts the other 5", summaries)
		}
	})
}

func TestDelivery_tellsItsParentWhenTheWayOpensOrCloses(t *testing.T) {
	bubble(t, func(f *fixture) {
		var trouble atomic.Value
		trouble.Store(func() error { return errors.New("connection refused") })
		p := &provider{answer: func(context.Context, messages.Notice) error { return trouble.Load().(func() error)() }}
		f.start("a", p)
		changes := func(want ...messages.DeliveryChanged) {
			f.t.Helper()
			for i := range want {
				want[i].Instance = "test/a"
			}
			if diff := gocmp.Diff(want, actortest.Of[messages.DeliveryChanged](f.parent)); diff != "" {
				f.t.Errorf("changes differ (-want +got):\n%s", diff)
			}
		}
		up := messages.DeliveryChanged{Condition: messages.Delivering}
		down := messages.DeliveryChanged{Condition: messages.DeliveryBreakerOpen, LastError: "connection refused"}
		changes(up)
		for n := range 10 {
			f.alert(fmt.Sprint(n), fmt.Sprint(n), "a")
		}
		changes(up, down)
		trouble.Store(func() error { return nil })
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		changes(up, down, up)

		trouble.Store(func() error { return destination.Permanent(errors.New("550 no such user")) })
		f.alert("parked", "parked", "a")
		f.wantOutcomes(map[string]string{"parked-a": "parked"})
		changes(up, down, up, up)

		trouble.Store(func() error { return destination.Throttled(errors.New("429 too many requests"), time.Second) })
		f.alert("late", "late", "a")
		time.Sleep(time.Minute)
		synctest.Wait()
		changes(up, down, up, up, messages.DeliveryChanged{Condition: messages.DeliveryThrottled, LastError: "429 too many requests"})
		trouble.Store(func() error { return nil })
		time.Sleep(time.Minute)
		synctest.Wait()
		f.wantOutcomes(map[string]string{"late-a": "delivered"})
		changes(up, down, up, up, messages.DeliveryChanged{Condition: messages.DeliveryThrottled, LastError: "429 too many requests"}, up)
	})
}

func TestDelivery_describesItself(t *testing.T) {
	bubble(t, func(f *fixture) {
		t := f.t
		p := &provider{answer: func(context.Context, messages.Notice) error {
			return destination.Misconfigured(errors.New("401 Unauthorized"))
		}}
		f.start("a", p)
		f.alert("1", "task", "a")
		f.kit.System.Root.Send(f.actors["test/a"], messages.DescribeDelivery{ReplyTo: actorkit.RefOf(f.probe.PID)})
		synctest.Wait()
		want := []messages.DescribeDeliveryReply{{At: bubbleStart, States: []messages.DeliveryState{{
			Instance: "test/a", Integration: "test", Condition: messages.DeliveryMisconfigured, Until: bubbleStart.Add(30 * time.Second),
			Queued: 1, Retrying: 1, Oldest: bubbleStart, LastError: "401 Unauthorized",
		}}}}
		if diff := gocmp.Diff(want, actortest.Of[messages.DescribeDeliveryReply](f.probe)); diff != "" {
			t.Errorf("description differs (-want +got):\n%s", diff)
		}
		f.wantMetrics(`
			# HELP butler_circuit_breaker_open 1 while the circuit breaker of a target is open.
			# TYPE butler_circuit_breaker_open gauge
			butler_circuit_breaker_open{target="test/a"} 1
		`)
	})
}

func TestDelivery_remembersTheLastSuccessOfTheActorBeforeIt(t *testing.T) {
	bubble(t, func(f *fixture) {
		t := f.t
		p := &provider{}
		f.start("a", p)
		f.alert("1", "task", "a")
		synctest.Wait()
		must(t, f.kit.System.Root.StopFuture(f.actors["test/a"]).Wait())
		f.start("a", p) // as after a reload
		f.kit.System.Root.Send(f.actors["test/a"], messages.DescribeDelivery{ReplyTo: actorkit.RefOf(f.probe.PID)})
		synctest.Wait()
		told := actortest.Of[messages.DescribeDeliveryReply](f.probe)
		if len(told) != 1 || !told[0].States[0].LastSuccess.Equal(bubbleStart) {
			t.Errorf("want the success of %s told, got %+v", bubbleStart, told)
		}
	})
}

func TestMetrics_shareTheBreakersWithOtherPackages(t *testing.T) {
	reg := prometheus.NewRegistry()
	metrics.Breakers(reg).WithLabelValues("qrs").Set(1)
	NewMetrics(reg).of(destination.Instance{Name: "test/a", Integration: "test"})
	want := `
# HELP butler_circuit_breaker_open 1 while the circuit breaker of a target is open.
# TYPE butler_circuit_breaker_open gauge
butler_circuit_breaker_open{target="qrs"} 1
butler_circuit_breaker_open{target="test/a"} 0
`
	if err := testutil.GatherAndCompare(reg, strings.NewReader(want), "butler_circuit_breaker_open"); err != nil {
		t.Error(err)
	}
}

func TestMetrics_countWhatIsParkedWithoutADelivery(t *testing.T) {
	reg := prometheus.NewRegistry()
	NewMetrics(reg).CountParked(messages.NoticeSettled{Integration: "teams"}, outbox.Unconfigured)
	const want = `
# HELP butler_notifications_dead_lettered_total Notices that were parked.
# TYPE butler_notifications_dead_lettered_total counter
butler_notifications_dead_lettered_total{integration="teams",reason="unconfigured"} 1
`
	must(t, testutil.GatherAndCompare(reg, strings.NewReader(want), "butler_notifications_dead_lettered_total"))
}

func TestClassify_everyKindOfErrorHasItsResultAndLabel(t *testing.T) {
	plain := errors.New("boom")
	rows := []struct {
		err   error
		kind  resultKind
		label string
	}{
		{nil, resultAccepted, ""},
		{plain, resultTransient, "server_error"},
		{fmt.Errorf("post: %w", context.DeadlineExceeded), resultTransient, "timeout"},
		{context.Canceled, resultTransient, "canceled"},
		{destination.Deferred(plain), resultDeferred, "server_error"},
		{destination.Permanent(plain), resultPermanent, "client_error"},
		{destination.Misconfigured(plain), resultMisconfigured, "auth_error"},
		{fmt.Errorf("send: %w", destination.Throttled(plain, time.Minute)), resultThrottled, "rate_limited"},
		{crash{cause: "nil map"}, resultPanicked, "panic"},
	}
	for _, row := range rows {
		r, label := classify(row.err)
		if r.kind != row.kind || label != row.label {
			t.Errorf("%v is %d %q, want %d %q", row.err, r.kind, label, row.kind, row.label)
		}
		if label != "" && !slices.Contains(failureLabels(), label) {
			t.Errorf("label %q has no series", label)
		}
	}
}

// TestDelivery_losesNothingWhenTheProcessDies kills the process at a moment of
// chance, between or within commits, attempts and pauses, and starts it again.
func TestDelivery_losesNothingWhenTheProcessDies(t *testing.T) {
	for seed := range uint64(25) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				chance := rand.New(rand.NewPCG(seed, seed))
				p := &provider{answer: unreliable(rand.New(rand.NewPCG(seed, 0)))}
				store, ends, recorded := memory.New(), map[messages.NoticeID]string{}, 0
				for life := range 4 {
					f := newFixture(t, store)
					f.start("a", p, func(i *destination.Instance) { i.MaxInFlight, i.Window = 2, time.Minute })
					for range 8 {
						recorded++
						f.alert(fmt.Sprint(recorded), fmt.Sprint("task", recorded%3), "a")
						time.Sleep(time.Duration(chance.IntN(20_000)) * time.Millisecond)
					}
					if life == 3 {
						time.Sleep(27 * time.Hour)
						synctest.Wait()
					}
					store = store.Crash()
					f.kill()
					for id, end := range f.ends {
						if was, twice := ends[id]; twice {
							t.Errorf("notice %s ended twice: %s, then %s", id, was, end.Outcome)
						}
						ends[id] = end.Outcome.String()
					}
				}
				accepted := map[messages.NoticeID]bool{}
				for _, c := range p.seen() {
					accepted[messages.NoticeID(c.Notice)] = true
				}
				for n := range recorded {
					id := messages.NoticeID(fmt.Sprintf("%d-a", n+1))
					if ends[id] == "" || ends[id] == "delivered" && !accepted[id] {
						t.Errorf("notice %s ended %q, sent: %t", id, ends[id], accepted[id])
					}
				}
			})
		})
	}
}

// unreliable answers everything that can be answered, slowly.
func unreliable(chance *rand.Rand) func(context.Context, messages.Notice) error {
	var mu sync.Mutex
	draw := func(n int) int {
		mu.Lock()
		defer mu.Unlock()
		return chance.IntN(n)
	}
	return func(context.Context, messages.Notice) error {
		time.Sleep(time.Duration(draw(4000)) * time.Millisecond)
		switch draw(8) {
		case 0:
			return destination.Permanent(errors.New("malformed"))
		case 1:
			return destination.Throttled(errors.New("slow down"), 20*time.Second)
		case 2, 3:
			return errors.New("connection reset")
		case 4:
			panic("nil map")
		}
		return nil
	}
}

// kill ends everything without letting anything more become durable: the store
// has crashed already.
func (f *fixture) kill() {
	f.t.Helper()
	gone, cancel := context.WithCancel(context.Background())
	cancel()
	_ = f.ledger.Close(gone)
	for _, pid := range f.actors {
		must(f.t, f.kit.System.Root.StopFuture(pid).Wait())
	}
	must(f.t, f.kit.System.Root.StopFuture(f.probe.PID).Wait())
	time.Sleep(time.Minute) // what runs ends
	synctest.Wait()
}

// After the time of de-duplication a repeated event leads to the same notice again.
func TestDelivery_suppressesANoticeThatIsRecordedAgainWithinItsWindow(t *testing.T) {
	bubble(t, func(f *fixture) {
		p := &provider{}
		f.start("a", p, func(i *destination.Instance) { i.Window = time.Hour })
		f.alert("1", "task", "a")
		time.Sleep(11 * time.Minute)
		f.alert("1", "task", "a")
		f.wantCalls(p, call{Notice: "1-a"})
		f.wantOutcomes(map[string]string{"1-a": "suppressed"})
		time.Sleep(49 * time.Minute)
		f.alert("1", "task", "a")
		f.wantCalls(p, call{Notice: "1-a"}, call{At: time.Hour, Notice: "1-a", Held: 1})
	})
}
