package kv

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
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/zap"

	"butler/internal/actorkit"
	"butler/internal/actorkit/actortest"
	"butler/internal/journal"
	"butler/internal/journal/faulty"
	"butler/internal/journal/memory"
	"butler/messages"
	"butler/supervisors"
)

// fixture runs the store with its actors over a faulty journal in memory.
type fixture struct {
	t       *testing.T
	disk    *memory.Store
	faults  *faulty.Store
	ledger  *journal.Ledger
	hooked  *hooked
	limits  Limits
	kit     *actorkit.Kit
	stats   *actorkit.Stats
	reg     *prometheus.Registry
	pid     *actor.PID
	probe   *actortest.Probe
	metrics *Metrics
	cache   *ReadCache
}

// hooked is a ledger of which single calls can be made to fail.
type hooked struct {
	Ledger
	mu sync.Mutex
	// commit and read, when set, are called before the ledger; their errors are returned.
	commit func(ops []journal.Op) error
	read   func() error
}

// fail sets the hooks of a ledger; nil removes them.
func (h *hooked) fail(commit func(ops []journal.Op) error, read func() error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.commit, h.read = commit, read
}

func (h *hooked) hooks() (commit func(ops []journal.Op) error, read func() error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.commit, h.read
}

func (h *hooked) Commit(ops []journal.Op, done func(error)) {
	if commit, _ := h.hooks(); commit != nil {
		if err := commit(ops); err != nil {
			done(err)
			return
		}
	}
	h.Ledger.Commit(ops, done)
}

func (h *hooked) Select(b journal.Bucket, want func(string) bool, visit func(string, []byte) bool) error {
	if _, read := h.hooks(); read != nil {
		if err := read(); err != nil {
			return err
		}
	}
	return h.Ledger.Select(b, want, visit)
}

// once returns a hook that refuses the first commit with changes, permanently.
func once() func(ops []journal.Op) error {
	var changes atomic.Int32
	return func(ops []journal.Op) error {
		if len(ops) > 0 && changes.Add(1) == 1 {
			return journal.ErrTooLarge
		}
		return nil
	}
}

func openStore(t *testing.T, disk *memory.Store, limits Limits) *fixture {
	t.Helper()
	f := &fixture{t: t, disk: disk, faults: faulty.Wrap(disk, 1), limits: limits, reg: prometheus.NewRegistry()}
	log, err := f.faults.Open(t.Context(), "kv", journal.Limits{})
	must(t, err)
	f.ledger, err = journal.OpenLedger(t.Context(), log, journal.LedgerOptions{Rand: rand.New(rand.NewPCG(1, 2))})
	must(t, err)
	f.hooked = &hooked{Ledger: f.ledger}
	f.run(f.hooked)
	return f
}

func (f *fixture) run(ledger Ledger) {
	f.t.Helper()
	f.kit, _, f.stats = actortest.Kit(f.t)
	strategy := supervisors.NewStrategy(supervisors.Service, zap.NewNop(), supervisors.NewBoard(), func(string, any) {})
	f.metrics = NewMetrics(f.reg)
	f.cache = NewReadCache(f.metrics)
	opts := Options{Kit: f.kit, Ledger: ledger, Limits: f.limits, Metrics: f.metrics, ReadCache: f.cache, Supervise: strategy}
	var err error
	f.pid, err = f.kit.System.Root.SpawnNamed(opts.Props().Clone(actor.WithGuardian(strategy)), "kv")
	must(f.t, err)
	f.probe = actortest.Spawn(f.t, f.kit, "asker", nil)
	synctest.Wait()
}

// stop stops the actors and closes the ledger.
func (f *fixture) stop() {
	f.t.Helper()
	must(f.t, f.kit.System.Root.StopFuture(f.pid).Wait())
	if f.ledger != nil {
		must(f.t, f.ledger.Close(context.Background()))
	}
	synctest.Wait()
}

// crash simulates the death of the process and returns the store that the next
// process opens.
func (f *fixture) crash() *fixture {
	f.t.Helper()
	disk := f.disk.Crash()
	f.stop()
	return openStore(f.t, disk, f.limits)
}

func (f *fixture) send(message any) { f.kit.System.Root.Send(f.pid, message) }

func (f *fixture) ref() messages.Ref { return actorkit.RefOf(f.probe.PID) }

// ask sends a command, waits until the store is idle and returns the latest new answer
// of type R.
func ask[R any](f *fixture, command any) (R, bool) {
	before := len(actortest.Of[R](f.probe))
	f.send(command)
	synctest.Wait()
	answers := actortest.Of[R](f.probe)
	if len(answers) == before {
		var none R
		return none, false
	}
	return answers[len(answers)-1], true
}

func (f *fixture) put(ns, key, value string, ttl time.Duration) messages.PutValueReply {
	f.t.Helper()
	reply, ok := ask[messages.PutValueReply](f, messages.PutValue{Namespace: ns, Key: key, Value: value, TTL: ttl, ReplyTo: f.ref()})
	if !ok {
		f.t.Fatalf("put %s/%s was not answered", ns, key)
	}
	return reply
}

func (f *fixture) get(ns, key string) messages.GetValueReply {
	f.t.Helper()
	reply, ok := ask[messages.GetValueReply](f, messages.GetValue{Namespace: ns, Key: key, ReplyTo: f.ref()})
	if !ok {
		f.t.Fatalf("get %s/%s was not answered", ns, key)
	}
	return reply
}

func (f *fixture) list(ns string) messages.ListKeysReply {
	f.t.Helper()
	reply, _ := ask[messages.ListKeysReply](f, messages.ListKeys{Namespace: ns, ReplyTo: f.ref()})
	return reply
}

func TestStore_survivesADiskThatFailsAndAProcessThatDies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := openStore(t, memory.New(), Limits{})
		random := rand.New(rand.NewPCG(3, 4))
		var mu sync.Mutex // every probe has a goroutine of its own
		acknowledged := map[string]string{}
		for life := range 4 {
			f.faults.SetRules(faulty.Rules{BeforeWrite: 0.3, AfterWrite: 0.3, Latency: 5 * time.Millisecond})
			asked := map[string]string{}
			for i := range 50 {
				key, value := fmt.Sprint("key ", random.IntN(100)), fmt.Sprintf("life %d put %d", life, i)
				if _, ok := asked[key]; ok {
					continue
				}
				asked[key] = value
				asker := actortest.Spawn(t, f.kit, fmt.Sprintf("asker-%d-%d", life, i), func(_ actor.Context, message any) {
					mu.Lock()
					defer mu.Unlock()
					if !message.(messages.PutValueReply).Failure.Failed() {
						acknowledged[key] = value
					}
				})
				f.send(messages.PutValue{Namespace: "etl", Key: key, Value: value, ReplyTo: actorkit.RefOf(asker.PID)})
				time.Sleep(time.Duration(random.IntN(20)) * time.Millisecond)
			}
			synctest.Wait()
			before := len(acknowledged)
			f = f.crash()
			if before == 0 {
				t.Fatal("want some puts acknowledged before the crash")
			}
			for key, value := range acknowledged {
				got := f.get("etl", key)
				if maybe, ok := asked[key]; !got.Found || got.Value != value && (!ok || got.Value != maybe) {
					t.Fatalf("want %s=%q as acknowledged, got %+v", key, value, got)
				}
				acknowledged[key] = got.Value
			}
		}
		f.stop()
	})
}

func TestStore_aPutIsAcknowledgedWhenItIsOnDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := openStore(t, memory.New(), Limits{})
		f.put("etl", "sure", "1", 0)
		f.faults.SetRules(faulty.Rules{Full: true})
		f.send(messages.PutValue{Namespace: "etl", Key: "a", Value: "2", ReplyTo: f.ref()})
		time.Sleep(time.Minute)
		if got := actortest.Of[messages.PutValueReply](f.probe); len(got) != 1 {
			t.Errorf("want no acknowledgement while the disk is full, got %v", got)
		}
		if got := f.get("etl", "sure"); got.Value != "1" {
			t.Errorf("want other values served meanwhile, got %v", got)
		}
		f.faults.SetRules(faulty.Rules{})
		time.Sleep(time.Minute)
		if got := actortest.Of[messages.PutValueReply](f.probe); len(got) != 2 {
			t.Errorf("want the acknowledgement when the disk is well again, got %v", got)
		}
		f.stop()
	})
}

func TestStore_keepsTheRemainingTimeAcrossARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := openStore(t, memory.New(), Limits{})
		f.put("etl", "short", "1", time.Minute)
		f.put("etl", "long", "2", time.Hour)
		f = f.crash()
		time.Sleep(59 * time.Second)
		f = f.crash()
		time.Sleep(2 * time.Second)
		f = f.crash()
		if diff := cmp.Diff([]string{"long"}, f.list("etl").Keys); diff != "" {
			t.Error(diff)
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if got := f.ledger.Len(bucketValue); got != 0 {
			t.Errorf("want nothing left on disk, got %d values", got)
		}
		f.stop()
	})
}

// One timer per namespace is enough for all of its values.
func TestStore_expires100000KeysWithinASecondOfTheirTime(t *testing.T) {
	const keys = 100_000
	synctest.Test(t, func(t *testing.T) {
		f := openStore(t, memory.New(), Limits{Keys: keys})
		random := rand.New(rand.NewPCG(5, 6))
		began, due := time.Now(), make([]time.Duration, keys)
		for i := range due {
			due[i] = 20 * time.Minute // most of them expire at the same time
			if i%10 == 0 {
				due[i] = time.Duration(1+random.IntN(3_600_000)) * time.Millisecond
			}
			f.send(messages.PutValue{Namespace: "etl", Key: fmt.Sprint("key ", i), Value: "v", TTL: due[i]})
		}
		slices.Sort(due)
		alive := func(at time.Duration) int { // the maximum number of live keys
			dead, _ := slices.BinarySearch(due, at)
			return keys - dead
		}
		for range 2 * 3601 {
			time.Sleep(time.Second / 2)
			synctest.Wait()
			now := time.Since(began)
			if got := int(testutil.ToFloat64(f.metrics.keys)); got > alive(now-time.Second) || got < alive(now) {
				t.Fatalf("after %v: want between %d and %d keys, got %d", now, alive(now), alive(now-time.Second), got)
			}
		}
		if got := testutil.ToFloat64(f.metrics.expired); got != keys || f.ledger.Len(bucketValue) != 0 {
			t.Errorf("want %d expired and none on disk, got %v and %d", keys, got, f.ledger.Len(bucketValue))
		}
		f.stop()
	})
}

func TestStore_aNamespaceThatCrashesComesBackAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := openStore(t, memory.New(), Limits{})
		f.put("etl", "a", "1", time.Hour)
		f.put("other", "a", "1", 0)
		f.send(messages.WatchNamespace{Namespace: "etl", ReplyTo: f.ref()})
		synctest.Wait()
		f.hooked.fail(once(), nil)
		f.send(messages.PutValue{Namespace: "etl", Key: "a", Value: "never durable", ReplyTo: f.ref()})
		f.send(messages.GetValue{Namespace: "etl", Key: "a", ReplyTo: f.ref()}) // waits for the commit
		f.send(messages.PutValue{Namespace: "etl", Key: "b", Value: "2", ReplyTo: f.ref()})
		synctest.Wait()
		if got := f.get("other", "a"); got.Value != "1" {
			t.Errorf("want the other namespace at work, got %v", got)
		}
		time.Sleep(time.Second)
		if got := f.get("etl", "a"); got.Value != "1" || got.TTL == 0 {
			t.Errorf("want what was acknowledged, got %v", got)
		}
		if got := f.put("etl", "c", "3", 0); got.Failure.Failed() {
			t.Errorf("want the namespace at work again, got %v", got)
		}
		if diff := cmp.Diff([]messages.WatchEnded{{Namespace: "etl", Reason: messages.WatchInterrupted}}, actortest.Of[messages.WatchEnded](f.probe)); diff != "" {
			t.Error(diff)
		}
		if got := testutil.ToFloat64(f.metrics.keys); int(got) != f.ledger.Len(bucketValue) {
			t.Errorf("want %d keys shown, got %v", f.ledger.Len(bucketValue), got)
		}
		if f.stats.Bugs() != 0 {
			t.Errorf("want no bug, got %d", f.stats.Bugs())
		}
		f.stop()
	})
}

func TestStore_aNamespaceThatNeverReachedTheDiskIsNotThere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := openStore(t, memory.New(), Limits{})
		f.hooked.fail(once(), nil)
		f.send(messages.PutValue{Namespace: "etl", Key: "a", Value: "never durable", ReplyTo: f.ref()})
		time.Sleep(time.Second)
		if got := f.get("etl", "a").Failure; got != errNoNamespace {
			t.Errorf("want no namespace, got %v", got)
		}
		if got := f.put("etl", "a", "1", 0); !got.Created {
			t.Errorf("want the name free, got %v", got)
		}
		f.stop()
	})
}

func TestStore_comesBackFromACrashOfTheWhole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := openStore(t, memory.New(), Limits{})
		f.put("etl", "a", "1", time.Hour)
		f.put("other", "b", "2", 0)
		// The name of the next namespace's actor is taken, which makes the front fail.
		time.Sleep(time.Second)
		actortest.Spawn(t, f.kit, fmt.Sprintf("kv/ns-%d", time.Now().UnixMicro()), nil)
		f.send(messages.PutValue{Namespace: "new", Key: "a", Value: "1", ReplyTo: f.ref()})
		f.send(messages.GetValue{Namespace: "other", Key: "b", ReplyTo: f.ref()})
		time.Sleep(time.Second)
		if got := actortest.Of[messages.GetValueReply](f.probe); len(got) != 1 || got[0].Value != "2" {
			t.Errorf("want the command behind the crash answered, got %v", got)
		}
		if got := f.get("etl", "a"); got.Value != "1" || got.TTL == 0 {
			t.Errorf("want what was acknowledged, got %v", got)
		}
		if got := f.put("new", "a", "1", 0); got.Failure.Failed() {
			t.Errorf("want the store at work again, got %v", got)
		}
		f.stop()
	})
}

func TestStore_answersNothingUntilItCanReadItsLedger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := openStore(t, memory.New(), Limits{})
		f.put("etl", "a", "1", 0)
		f.stop()
		f.hooked = &hooked{Ledger: reopened(t, f)}
		f.hooked.fail(nil, func() error { return errors.New("no") })
		f.reg = prometheus.NewRegistry()
		f.run(f.hooked)
		if _, ok := ask[messages.GetValueReply](f, messages.GetValue{Namespace: "etl", Key: "a", ReplyTo: f.ref()}); ok {
			t.Error("want no answer from a store that does not know what it holds")
		}
		f.hooked.fail(nil, nil)
		time.Sleep(time.Minute)
		if got := f.get("etl", "a"); got.Value != "1" {
			t.Errorf("want the value when the ledger can be read, got %v", got)
		}
		f.stop()
	})
}

// reopened opens the ledger of a store that was stopped in order.
func reopened(t *testing.T, f *fixture) *journal.Ledger {
	t.Helper()
	log, err := f.faults.Open(t.Context(), "kv", journal.Limits{})
	must(t, err)
	f.ledger, err = journal.OpenLedger(t.Context(), log, journal.LedgerOptions{})
	must(t, err)
	return f.ledger
}

func TestStore_inMemoryOnlyForgetsEverything(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fixture{t: t, reg: prometheus.NewRegistry()}
		f.run(nil)
		f.put("etl", "a", "1", time.Minute)
		if got := f.get("etl", "a"); got.Value != "1" {
			t.Errorf("want the value, got %v", got)
		}
		f.stop()
		f.reg = prometheus.NewRegistry()
		f.run(nil)
		if got := f.get("etl", "a").Failure; got != errNoNamespace {
			t.Errorf("want nothing after a restart, got %v", got)
		}
		f.stop()
	})
}

func TestMetrics_tellWhatTheStoreHoldsAndDoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := openStore(t, memory.New(), Limits{Keys: 2})
		f.put("etl", "a", "1", time.Minute)
		f.put("etl", "b", "2", 0)
		f.put("etl", "c", "3", 0)
		f.get("etl", "nothing")
		f.put("other", "a", "1", 0)
		f.send(messages.DeleteNamespace{Namespace: "other", ReplyTo: f.ref()})
		time.Sleep(2 * time.Minute)
		want := `
# HELP butler_kv_expired_total Values of the key-value store that were removed because their TTL had passed.
# TYPE butler_kv_expired_total counter
butler_kv_expired_total 1
# HELP butler_kv_keys Keys in the key-value store.
# TYPE butler_kv_keys gauge
butler_kv_keys 1
# HELP butler_kv_namespaces Namespaces in the key-value store.
# TYPE butler_kv_namespaces gauge
butler_kv_namespaces 1
`
		if err := testutil.GatherAndCompare(f.reg, strings.NewReader(want), "butler_kv_expired_total", "butler_kv_keys", "butler_kv_namespaces"); err != nil {
			t.Error(err)
		}
		for labels, want := range map[[2]any]float64{
			{opPut, messages.FailureNone}: 3, {opPut, messages.FailureFull}: 1, {opGet, messages.FailureNotFound}: 1,
			{opDeleteNamespace, messages.FailureNone}: 1, {opDelete, messages.FailureNone}: 0,
		} {
			got := testutil.ToFloat64(f.metrics.operations[labels[0].(operation)][labels[1].(messages.FailureKind)])
			if got != want {
				t.Errorf("want %v of %v, got %v", want, labels, got)
			}
		}
		f.stop()
		if got := testutil.ToFloat64(f.metrics.keys); got != 0 {
			t.Errorf("want nothing shown by a store that has stopped, got %v", got)
		}
	})
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
