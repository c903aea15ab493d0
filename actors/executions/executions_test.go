package executions

import (
	"context"
	"encoding/json"
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
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"butler/internal/actorkit"
	"butler/internal/actorkit/actortest"
	"butler/internal/fastpath"
	"butler/internal/journal"
	"butler/internal/journal/memory"
	"butler/internal/outbox"
	"butler/messages"
	"butler/supervisors"
)

// fixture runs the actor with its shards over a memory journal. Executions are
// scripted: what they do with an event is a function.
type fixture struct {
	t       *testing.T
	mu      sync.Mutex // the shards spawn and the executions handle at the same time
	store   *memory.Store
	queue   *journal.Queue
	ledger  *journal.Ledger
	pid     *actor.PID
	kit     kitT
	metrics *Metrics
	kept    []messages.QuarantinedDatagram
	resumed []messages.ResumeExecution
	got     []messages.TaskEventObserved
	handle  func(ctx actor.Context, e messages.TaskEventObserved)
	// resume is what an execution does with a snapshot; nil is nothing.
	resume func(ctx actor.Context, r messages.ResumeExecution)
	// crashed is how the process before ended.
	crashed bool
	// fast decides nothing unless a test puts another one there.
	fast FastPath
	// alone is set for one shard instead of several; shard is the newest.
	alone bool
	shard messages.Ref
	// burst is whether there is a burst of datagrams; nil is never.
	burst func() bool
	// spread is how long after a start a followed execution is looked at.
	spread time.Duration
	// asleep is how many tasks are followed without an actor.
	asleep atomic.Int64
	// spawnPanics is how often spawning an execution crashes its shard.
	spawnPanics int
	// keepPanics is how often the quarantine crashes who keeps something in it.
	keepPanics int
}

func open(t *testing.T, store *memory.Store) *fixture {
	t.Helper()
	f := &fixture{t: t, store: store, fast: noFastPath{}}
	ctx := context.Background()
	events, err := store.Open(ctx, "events", journal.Limits{})
	must(t, err)
	state, err := store.Open(ctx, "ledger", journal.Limits{})
	must(t, err)
	f.ledger, err = journal.OpenLedger(ctx, state, journal.LedgerOptions{})
	must(t, err)
	f.queue, err = journal.OpenQueue(ctx, "events", events, f.ledger, journal.QueueOptions{})
	must(t, err)
	f.handle = f.done
	return f
}

func (f *fixture) start() {
	f.t.Helper()
	kit, logs, stats := actortest.Kit(f.t)
	f.kit = kitT{kit, logs, stats}
	quiet := supervisors.NewStrategy(supervisors.Critical, zap.NewNop(), supervisors.NewBoard(), func(string, any) {})
	f.metrics = NewMetrics(prometheus.NewRegistry())
	shards := 4
	if f.alone {
		shards = 1
	}
	opts := &Options{
		Kit: kit, Queue: f.queue, Ledger: f.ledger, Quarantine: f, Shards: shards, Deduplicate: true, Log: kit.Log,
		Metrics: f.metrics, Supervise: quiet, SuperviseExecution: supervisors.StopEntity{},
		Decode: decodeJSON, FastPath: f.newFastPath,
		Execution: kit.Props("execution", f.execution), Crashed: f.crashed, Burst: f.burst,
		PollsAtOnce: 2, Spread: func() time.Duration { return f.spread }, Asleep: func(more int) { f.asleep.Add(int64(more)) },
	}
	pid, err := kit.System.Root.SpawnNamed(opts.Props(), "executions")
	must(f.t, err)
	f.pid = pid
	synctest.Wait()
}

// noFastPath leaves everything to actors.
type noFastPath struct{}

func (noFastPath) Decide(_ time.Time, first *messages.TaskEventObserved) fastpath.Ruling {
	return fastpath.Ruling{Key: first.Key}
}

func (noFastPath) Answer(time.Time, any) (fastpath.Ruling, bool) { return fastpath.Ruling{}, false }
func (noFastPath) Tick(time.Time, func(fastpath.Ruling))         {}
func (noFastPath) Next() time.Time                               { return time.Time{} }
func (noFastPath) Withdraw(messages.ExecutionKey)                {}
func (noFastPath) Ask()                                          {}

func (noFastPath) Record(func(error)) { panic("nothing was decided") }

// decodeJSON reads an event, and panics over one that begins with a zero byte.
func decodeJSON(raw []byte) (e messages.TaskEvent, err error) {
	if raw[0] == 0 {
		panic("on purpose")
	}
	return e, json.Unmarshal(raw, &e)
}

// Keep implements Quarantine.
func (f *fixture) Keep(d messages.QuarantinedDatagram) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.keepPanics--; f.keepPanics >= 0 {
		actorkit.Fail(errors.New("on purpose"))
	}
	f.kept = append(f.kept, d)
}

// newFastPath notes which shard the fast path is for.
func (f *fixture) newFastPath(shard messages.Ref, _ int) FastPath {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.shard = shard
	return f.fast
}

// answer brings the fast path of the only shard replies.
func (f *fixture) answer(replies ...any) {
	f.kit.System.Root.Send(actorkit.PIDOf(f.shard), messages.Answers{Replies: replies})
	synctest.Wait()
}

// execution is the scripted actor; making it may crash the shard that spawns it.
func (f *fixture) execution() actor.Actor {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.spawnPanics > 0 {
		f.spawnPanics--
		panic("on purpose, in the shard")
	}
	return actor.ReceiveFunc(func(ctx actor.Context) {
		f.mu.Lock()
		defer f.mu.Unlock()
		switch message := ctx.Message().(type) {
		case messages.ResumeExecution:
			f.resumed = append(f.resumed, message)
			if f.resume != nil {
				f.resume(ctx, message)
			}
		case messages.TaskEventObserved:
			f.got = append(f.got, message)
			f.handle(ctx, message)
		}
	})
}

// stop ends actors and journal in the order of the service.
func (f *fixture) stop() {
	f.t.Helper()
	must(f.t, f.kit.System.Root.StopFuture(f.pid).Wait())
	must(f.t, f.queue.Close(context.Background()))
	must(f.t, f.ledger.Close(context.Background()))
	synctest.Wait()
}

// kill ends the process as far as the journal can tell: nothing that happens
// afterwards gets there.
func (f *fixture) kill() {
	f.t.Helper()
	must(f.t, f.queue.Close(context.Background()))
	must(f.t, f.ledger.Close(context.Background()))
	if f.pid != nil {
		must(f.t, f.kit.System.Root.StopFuture(f.pid).Wait())
	}
	synctest.Wait()
}

func (f *fixture) append(events ...messages.TaskEvent) {
	f.t.Helper()
	var entries [][]byte
	for _, e := range events {
		raw, err := json.Marshal(e)
		must(f.t, err)
		entries = append(entries, raw)
	}
	f.queue.Append(entries, func(_ journal.Seq, _ int, err error) { must(f.t, err) })
	synctest.Wait()
}

// done handles an event as an execution does: durable first, then told.
func (f *fixture) done(ctx actor.Context, e messages.TaskEventObserved) {
	seen := e.Seen.WithFamily(e.Event.Family)
	seen.Seq, seen.Until = e.At.Seq, time.Now().Add(10*time.Minute)
	parent, root := ctx.Parent(), ctx.ActorSystem().Root
	f.ledger.Commit([]journal.Op{{Bucket: outbox.BucketSeen, Key: string(e.Key), Value: outbox.EncodeSeen(seen)}}, func(error) {
		root.Send(parent, messages.EventHandled{Key: e.Key, At: e.At, Seen: seen})
		root.Send(parent, messages.ExecutionFinished{Key: e.Key, Observed: 1})
	})
}

func (f *fixture) families() []string {
	var out []string
	for _, e := range f.got {
		out = append(out, string(e.Key)+"/"+e.Event.Family.String())
	}
	return out
}

func TestExecutions_acknowledgeARecordWhenEveryEventIsHandled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := open(t, memory.New())
		var held []func()
		f.handle = func(ctx actor.Context, e messages.TaskEventObserved) {
			parent, root := ctx.Parent(), ctx.ActorSystem().Root
			held = append(held, func() { root.Send(parent, messages.EventHandled{Key: e.Key, At: e.At, Seen: e.Seen}) })
		}
		f.start()
		f.append(failed("a"), failed("b"), failed("c"))
		for i, release := range held {
			if got := f.queue.Stats().Pending; got != 1 {
				t.Fatalf("want the record pending before event %d is handled, got %d", i, got)
			}
			release()
			synctest.Wait()
		}
		if got := f.queue.Stats().Pending; got != 0 || len(held) != 3 {
			t.Errorf("want nothing pending after 3 events, got %d after %d", got, len(held))
		}
		f.stop()
	})
}

func TestExecutions_dropRepetitionsWithinTheirTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := open(t, memory.New())
		f.start()
		f.append(failed("a"), failed("a"))
		f.append(failed("a"), aborted("a"))
		if diff := cmp.Diff([]string{"a/failed", "a/aborted"}, f.families()); diff != "" {
			t.Error(diff)
		}
		time.Sleep(11 * time.Minute)
		f.append(failed("a"))
		if got := len(f.got); got != 3 {
			t.Errorf("want the event handled anew after its time, got %d events", got)
		}
		if got := f.queue.Stats().Pending; got != 0 {
			t.Errorf("want duplicates acknowledged, %d records pending", got)
		}
		f.stop()
	})
}

func TestExecutions_takeNoTwoEventsWithoutAnExecutionIDForOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := open(t, memory.New())
		f.start()
		none := []string{"", " ", "00000000-0000-0000-0000-000000000000"}
		for _, id := range none {
			f.append(failed(id), failed(id))
		}
		if got := len(f.got); got != 2*len(none) {
			t.Errorf("want every event handled, got %d of %d", got, 2*len(none))
		}
		f.stop()
	})
}

func TestExecutions_rememberTheOutcomeOfWhatWasFollowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := open(t, memory.New())
		f.handle = func(ctx actor.Context, e messages.TaskEventObserved) {
			parent, root := ctx.Parent(), ctx.ActorSystem().Root
			seen := e.Seen.WithFamily(e.Event.Family)
			seen.Seq, seen.Until = e.At.Seq, time.Now().Add(6*time.Hour)
			root.Send(parent, messages.EventHandled{Key: e.Key, At: e.At, Seen: seen})
			if e.Event.Family == messages.FamilyDistribute {
				time.AfterFunc(time.Hour, func() {
					root.Send(parent, messages.ExecutionFinished{Key: e.Key, Observed: 1, Seen: seen.WithKind(messages.DistributeTaskSucceeded)})
				})
			}
		}
		f.start()
		f.append(messages.TaskEvent{Family: messages.FamilyDistribute, ExecutionID: "a"})
		time.Sleep(2 * time.Hour)
		f.append(messages.TaskEvent{Family: messages.FamilySucceeded, ExecutionID: "a"})
		if len(f.got) != 2 || !f.got[1].Seen.HasKind(messages.DistributeTaskSucceeded) {
			t.Errorf("want the later event to come with the outcome, got %+v", f.got)
		}
		f.stop()
	})
}

func TestExecutions_rememberDuplicatesAcrossARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memory.New()
		f := open(t, store)
		f.start()
		f.append(failed("a"))
		f.stop()

		again := open(t, store)
		again.start()
		again.append(failed("a"))
		if len(again.got) != 0 {
			t.Errorf("want the repetition dropped, got %v", again.families())
		}
		again.stop()
	})
}

func TestExecutions_resendWhatWasNotHandledBeforeARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memory.New()
		f := open(t, store)
		f.handle = func(ctx actor.Context, e messages.TaskEventObserved) {
			if e.Key == "b" {
				f.done(ctx, e)
			}
		}
		f.start()
		f.append(failed("a"), failed("b"))
		f.stop()

		again := open(t, store)
		again.start()
		if diff := cmp.Diff([]string{"a/failed"}, again.families()); diff != "" {
			t.Errorf("want only the unhandled event again: %s", diff)
		}
		again.stop()
	})
}

func TestExecutions_rebuildACrashedExecutionAndTryLessEachTime(t *testing.T) {
	tests := []struct {
		crashes   int
		wantBare  bool
		wantGiven bool
	}{
		{1, false, false},
		{4, false, false},
		{5, true, false},
		{99, true, true},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprintf("%d crashes", tt.crashes), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := open(t, memory.New())
				left := tt.crashes
				f.handle = func(ctx actor.Context, e messages.TaskEventObserved) {
					if left > 0 && e.Key == "a" {
						left--
						panic("on purpose")
					}
					f.done(ctx, e)
				}
				f.start()
				f.append(failed("a"), failed("b"))
				time.Sleep(time.Minute)
				synctest.Wait()
				if got := f.queue.Stats().Pending; got != 0 {
					t.Errorf("want the record acknowledged in the end, %d pending", got)
				}
				last := f.got[len(f.got)-1]
				if last.Key == "a" && last.Bare != tt.wantBare {
					t.Errorf("want bare %v at the last try, got %v", tt.wantBare, last.Bare)
				}
				if given := left > 0; given != tt.wantGiven {
					t.Errorf("want given up %v, got %v", tt.wantGiven, given)
				}
				if kept := len(f.kept) == 1 && f.kept[0].Reason == "crashed" && strings.Contains(f.kept[0].Payload, `executionId\":\"a\"`); kept != tt.wantGiven {
					t.Errorf("want the event in quarantine %v, got %+v", tt.wantGiven, f.kept)
				}
				if got := f.ledger.Len(outbox.BucketTrial); got != 0 {
					t.Errorf("want no trial left behind, got %d", got)
				}
				f.stop()
			})
		})
	}
}

// A process that dies without a word, again and again: what it leaves behind is
// held against an execution when the process crashed by itself, and only then.
func TestExecutions_countCrashesOfTheProcess(t *testing.T) {
	for _, tt := range []struct {
		crashed  bool
		wantBare int // of ten processes, how many try with less
		wantKept int
	}{{true, 1, 1}, {false, 0, 0}} {
		t.Run(fmt.Sprintf("crashed by itself %t", tt.crashed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store, bare, kept := memory.New(), 0, 0
				f := open(t, store)
				f.append(failed("a"))
				f.kill()
				for range 10 {
					time.Sleep(time.Second)
					f = open(t, store)
					f.crashed = tt.crashed
					f.handle = func(actor.Context, messages.TaskEventObserved) {}
					f.start()
					for _, e := range f.got {
						if e.Bare {
							bare++
						}
					}
					kept += len(f.kept)
					f.kill()
				}
				if bare != tt.wantBare || kept != tt.wantKept {
					t.Errorf("want %d bare tries and %d in quarantine, got %d and %d", tt.wantBare, tt.wantKept, bare, kept)
				}
			})
		})
	}
}

// After a reboot the clock may be behind until it is set over the network. Every bubble
// begins at the same time, so the second process is an hour behind the first.
func TestExecutions_countCrashesThoughTheClockIsBehind(t *testing.T) {
	store := memory.New()
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Hour)
		f := open(t, store)
		f.append(failed("a"))
		f.kill()
	})
	synctest.Test(t, func(t *testing.T) {
		f := open(t, store)
		f.handle = func(actor.Context, messages.TaskEventObserved) {}
		f.start()
		if got := f.ledger.Len(outbox.BucketTrial); len(f.got) != 1 || got != 1 {
			t.Errorf("want a trial of the event that an earlier process may have had, got %d trials of %d events", got, len(f.got))
		}
		f.append(failed("b"))
		if got := f.ledger.Len(outbox.BucketTrial); len(f.got) != 2 || got != 1 {
			t.Errorf("want no trial of a new event, got %d trials of %d events", got, len(f.got))
		}
		f.kill()
	})
}

func TestExecutions_anOrderlyStopIsNoCrash(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memory.New()
		for range 10 {
			time.Sleep(time.Second)
			f := open(t, store)
			f.crashed = true
			f.handle = func(actor.Context, messages.TaskEventObserved) {}
			f.start()
			if f.queue.Stats().Pending == 0 {
				f.append(failed("a"))
			}
			if len(f.got) != 1 || f.got[0].Bare {
				t.Fatalf("want one complete try in every process, got %+v", f.got)
			}
			f.stop()
			if got := f.ledger.Len(outbox.BucketTrial); got != 0 {
				t.Fatalf("want the try taken back, got %d trials", got)
			}
		}
	})
}

func TestExecutions_anExecutionThatCrashesItsShardIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := open(t, memory.New())
		f.spawnPanics = 99
		f.start()
		f.append(failed("a"))
		time.Sleep(time.Minute)
		synctest.Wait()
		if got := f.queue.Stats().Pending; got != 0 || len(f.kept) != 1 {
			t.Errorf("want the event in quarantine and nothing pending, got %d kept and %d pending", len(f.kept), got)
		}
		f.spawnPanics = 0
		f.append(failed("b"))
		if diff := cmp.Diff([]string{"b/failed"}, f.families()); diff != "" {
			t.Errorf("want the others handled: %s", diff)
		}
		f.stop()
	})
}

func TestExecutions_aSnapshotThatCannotBeResumed(t *testing.T) {
	for _, tt := range []struct {
		name     string
		bareToo  bool // whether the bare try fails as well
		wantKept []string
	}{
		{"ends bare", false, nil},
		{"is in the quarantine as found", true, []string{`crashed snap\xff\"`}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := open(t, memory.New())
				f.ledger.Commit([]journal.Op{{Bucket: outbox.BucketState, Key: "d", Value: []byte("snap\xff\"")}}, func(error) {})
				synctest.Wait()
				f.resume = func(ctx actor.Context, r messages.ResumeExecution) {
					if !r.Bare || tt.bareToo {
						actorkit.Fail(errors.New("on purpose"))
					}
					f.ledger.Commit([]journal.Op{{Bucket: outbox.BucketState, Key: "d"}}, func(error) {})
					ctx.Send(ctx.Parent(), messages.ExecutionFinished{Key: r.Key})
				}
				f.start()
				if last := f.resumed[len(f.resumed)-1]; !last.Bare || len(f.resumed) != bareAfter+1 {
					t.Errorf("want a bare try after %d complete ones, got %d tries, the last bare %t", bareAfter, len(f.resumed), last.Bare)
				}
				var kept []string
				for _, d := range f.kept {
					kept = append(kept, d.Reason+" "+d.Payload)
				}
				if diff := cmp.Diff(tt.wantKept, kept); diff != "" {
					t.Error(diff)
				}
				if state, trials := f.ledger.Len(outbox.BucketState), f.ledger.Len(outbox.BucketTrial); state+trials != 0 {
					t.Errorf("want nothing left in the ledger, got %d snapshots and %d trials", state, trials)
				}
				f.stop()
			})
		})
	}
}

func TestExecutions_resumeWhatLivesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := open(t, memory.New())
		f.ledger.Commit([]journal.Op{{Bucket: outbox.BucketState, Key: "d", Value: []byte("snapshot")}}, func(error) {})
		synctest.Wait()
		f.start()
		if len(f.resumed) != 1 || f.resumed[0].Key != "d" || string(f.resumed[0].Snapshot) != "snapshot" {
			t.Errorf("want execution d resumed, got %+v", f.resumed)
		}
		f.stop()
	})
}

func TestExecutions_aShardThatCrashesIsGivenItsEventsAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := open(t, memory.New())
		f.spawnPanics = 3
		f.start()
		f.append(failed("a"), failed("b"), failed("c"), failed("d"), failed("e"))
		time.Sleep(time.Minute)
		synctest.Wait()
		if got := f.queue.Stats().Pending; got != 0 {
			t.Errorf("want every event handled after the crash, %d records pending; %v", got, f.families())
		}
		f.stop()
	})
}

// noShard is a message that crashes the owner of the consumer.
var noShard = messages.ShardStarted{Shard: 99}

func TestExecutions_decideEverythingWhenTheOwnerOfTheConsumerCrashes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := open(t, memory.New())
		var held []messages.TaskEventObserved
		f.handle = func(_ actor.Context, e messages.TaskEventObserved) { held = append(held, e) }
		f.start()
		f.append(failed("a"))
		f.append(failed("b"), failed("b"))
		f.handle = f.done
		f.kit.System.Root.Send(f.pid, noShard)
		f.append(failed("c"))
		time.Sleep(time.Minute)
		synctest.Wait()
		if got := f.queue.Stats().Pending; got != 0 || len(held) != 2 {
			t.Errorf("want nothing pending after the crash with 2 events held, got %d with %d held", got, len(held))
		}
		decided := f.families()[len(held):]
		slices.Sort(decided)
		if diff := cmp.Diff([]string{"a/failed", "b/failed", "c/failed"}, decided); diff != "" {
			t.Errorf("want every event decided once: %s", diff)
		}
		if got := testutil.ToFloat64(f.metrics.duplicates.WithLabelValues("failed")); got != 1 {
			t.Errorf("want 1 repetition counted, got %v", got)
		}
		f.stop()
	})
}

func TestExecutions_aRecordThatCrashesTheOwnerIsTriedOnceMore(t *testing.T) {
	for crashes, want := range []struct {
		handled, pending, lines int
	}{{2, 0, 0}, {2, 0, 0}, {1, 1, 1}} {
		t.Run(fmt.Sprintf("%d crashes", crashes), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := open(t, memory.New())
				f.start()
				f.keepPanics = crashes
				raw, err := json.Marshal(failed("a"))
				must(t, err)
				f.queue.Append([][]byte{[]byte("not json"), raw}, func(journal.Seq, int, error) {})
				time.Sleep(time.Minute)
				f.append(failed("b"))
				time.Sleep(time.Minute)
				synctest.Wait()
				if got := f.queue.Stats().Pending; len(f.got) != want.handled || got != want.pending {
					t.Errorf("want %d handled and %d pending, got %v and %d", want.handled, want.pending, f.families(), got)
				}
				if got := f.kit.logs.FilterMessageSnippet("cannot be handled").Len(); got != want.lines {
					t.Errorf("want %d lines about it, got %d", want.lines, got)
				}
				f.stop()
			})
		})
	}
}

func TestExecutions_countARepetitionOnce(t *testing.T) {
	for _, crashes := range []int{0, 3} {
		t.Run(fmt.Sprintf("%d crashes of the shard", crashes), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := open(t, memory.New())
				f.spawnPanics = crashes
				f.append(failed("a"), failed("a")) // it waits for the shards to start
				f.start()
				f.append(failed("b"), failed("b"))
				f.append(failed("b"))
				time.Sleep(time.Minute)
				synctest.Wait()
				if got := testutil.ToFloat64(f.metrics.duplicates.WithLabelValues("failed")); got != 3 {
					t.Errorf("want 3 repetitions counted, got %v", got)
				}
				f.stop()
			})
		})
	}
}

func TestExecutions_skipWhatCannotBeRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := open(t, memory.New())
		f.start()
		f.queue.Append([][]byte{[]byte("not json"), []byte("\x00panic")}, func(journal.Seq, int, error) {})
		f.append(failed("a"))
		if len(f.kept) != 2 || f.kept[0].Reason != "unreadable" || f.kept[0].Payload != "not json" {
			t.Errorf("want both entries in quarantine, got %+v", f.kept)
		}
		if len(f.got) != 1 || f.queue.Stats().Pending != 0 {
			t.Errorf("want the readable event handled and nothing pending, got %d and %d", len(f.got), f.queue.Stats().Pending)
		}
		f.stop()
	})
}

func TestExecutions_passOverMemoriesThatCannotBeRead(t *testing.T) {
	for _, from := range []journal.Bucket{outbox.BucketSeen, outbox.BucketTrial} {
		t.Run(string(from), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := open(t, memory.New())
				f.ledger.Commit([]journal.Op{{Bucket: from, Key: "later", Value: []byte("of a later release")}}, func(err error) { must(t, err) })
				synctest.Wait() // the ledger is read by the start
				f.start()
				f.append(failed("b"))
				if raw, ok, err := f.ledger.Get(from, "later"); err != nil || !ok || string(raw) != "of a later release" {
					t.Errorf("want the record kept, got %q, %v, %v", raw, ok, err)
				}
				f.append(failed("later"))
				if diff := cmp.Diff([]string{"b/failed", "later/failed"}, f.families()); diff != "" {
					t.Error(diff)
				}
				if got := testutil.ToFloat64(f.metrics.unreadable); got != 1 {
					t.Errorf("want 1 record counted, got %v", got)
				}
				f.stop()
			})
		})
	}
}

func TestExecutions_aShardThatBeginsAnewReadsItsOwnMemories(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const records = 64
		f := open(t, memory.New())
		for i := range records { // each is told of by whoever reads it
			f.ledger.Commit([]journal.Op{{Bucket: outbox.BucketSeen, Key: fmt.Sprint(i), Value: []byte("damaged")}}, func(err error) { must(t, err) })
		}
		synctest.Wait() // the ledger is read by the start
		f.spawnPanics = 1
		f.start()
		f.append(failed("a"))
		time.Sleep(time.Minute)
		synctest.Wait()
		if got := testutil.ToFloat64(f.metrics.unreadable); got <= records || got >= 2*records {
			t.Errorf("want %d records read by all shards, and some by the one that crashed, got %v", records, got)
		}
		f.stop()
	})
}

func TestExecutions_tryAgainThoughWhatWasSeenCannotBeRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := open(t, memory.New())
		crashes := 1
		f.handle = func(ctx actor.Context, e messages.TaskEventObserved) {
			if crashes--; crashes < 0 {
				f.done(ctx, e)
				return
			}
			f.ledger.Commit([]journal.Op{{Bucket: outbox.BucketSeen, Key: string(e.Key), Value: []byte("damaged")}}, func(error) {})
			panic("on purpose")
		}
		f.start()
		f.append(failed("a"))
		time.Sleep(time.Minute)
		synctest.Wait()
		if diff := cmp.Diff([]string{"a/failed", "a/failed"}, f.families()); diff != "" {
			t.Error(diff)
		}
		if got := testutil.ToFloat64(f.metrics.unreadable); got != 1 || f.queue.Stats().Pending != 0 {
			t.Errorf("want 1 record counted and nothing pending, got %v and %d", got, f.queue.Stats().Pending)
		}
		f.stop()
	})
}

func TestExecutions_showAtOnceHowMuchIsRemembered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := open(t, memory.New())
		f.start()
		shown := func() (sum float64) {
			for i := range 4 {
				sum += testutil.ToFloat64(f.metrics.remembered.WithLabelValues(fmt.Sprintf("%02d", i)))
			}
			return sum
		}
		f.append(failed("a"))
		f.append(failed("b"))
		f.append(failed("b"))
		synctest.Wait()
		if got := shown(); got != 2 {
			t.Errorf("want 2 executions shown, got %v", got)
		}
		time.Sleep(12 * time.Minute)
		synctest.Wait()
		if got := shown(); got != 0 {
			t.Errorf("want none shown after their time, got %v", got)
		}
		f.stop()
	})
}

func TestExecutions_forgetWhatIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := open(t, memory.New())
		f.start()
		f.append(failed("a"))
		f.append(failed("b"))
		time.Sleep(12 * time.Minute)
		synctest.Wait()
		if got := f.ledger.Len(outbox.BucketSeen); got != 0 {
			t.Errorf("want nothing remembered after its time, got %d", got)
		}
		f.stop()
	})
}

func failed(id string) messages.TaskEvent {
	return messages.TaskEvent{Family: messages.FamilyFailed, ExecutionID: id, TaskID: "t"}
}

func aborted(id string) messages.TaskEvent {
	return messages.TaskEvent{Family: messages.FamilyAborted, ExecutionID: id, TaskID: "t"}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// kitT is the actor kit of a test with its log and statistics.
type kitT struct {
	*actorkit.Kit
	logs  *observer.ObservedLogs
	stats *actorkit.Stats
}
