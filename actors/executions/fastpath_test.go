package executions

import (
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"butler/internal/fastpath"
	"butler/internal/journal"
	"butler/internal/journal/memory"
	"butler/internal/outbox"
	"butler/messages"
)

// fakeFastPath decides about every first event, and records it in the ledger of a
// fixture when it is let.
type fakeFastPath struct {
	noFastPath
	fixture *fixture
	decided []string
	ops     []journal.Op
	// hold keeps what is to be recorded until release; refuse refuses it.
	hold    bool
	refuse  error
	release []func()
	// waits lets every execution wait for an answer first, which is a Ruling; at is
	// when it is decided without one.
	waits     bool
	at        time.Time
	waiting   []messages.TaskEventObserved
	withdrawn []messages.ExecutionKey
}

func (d *fakeFastPath) Decide(now time.Time, in *messages.TaskEventObserved) fastpath.Ruling {
	d.fixture.mu.Lock()
	defer d.fixture.mu.Unlock()
	if d.waits {
		d.waiting = append(d.waiting, *in)
		return fastpath.Ruling{Key: in.Key, Progress: fastpath.Waiting}
	}
	return d.decide(now, in)
}

func (d *fakeFastPath) Answer(now time.Time, reply any) (fastpath.Ruling, bool) {
	d.fixture.mu.Lock()
	defer d.fixture.mu.Unlock()
	said := reply.(fastpath.Ruling)
	i := slices.IndexFunc(d.waiting, func(in messages.TaskEventObserved) bool { return in.Key == said.Key })
	if i < 0 {
		return fastpath.Ruling{}, false
	}
	if said.Progress != fastpath.Decided {
		return said, true
	}
	in := d.waiting[i]
	d.waiting = slices.Delete(d.waiting, i, i+1)
	return d.decide(now, &in), true
}

func (d *fakeFastPath) Next() time.Time { return d.at }

func (d *fakeFastPath) Tick(now time.Time, rule func(fastpath.Ruling)) {
	d.fixture.mu.Lock()
	defer d.fixture.mu.Unlock()
	if d.at.IsZero() || now.Before(d.at) {
		return
	}
	d.at = time.Time{}
	for i := range d.waiting {
		rule(d.decide(now, &d.waiting[i]))
	}
}

func (d *fakeFastPath) Withdraw(key messages.ExecutionKey) {
	d.fixture.mu.Lock()
	defer d.fixture.mu.Unlock()
	d.withdrawn = append(d.withdrawn, key)
	d.waiting = slices.DeleteFunc(d.waiting, func(in messages.TaskEventObserved) bool { return in.Key == key })
}

func (d *fakeFastPath) decide(now time.Time, in *messages.TaskEventObserved) fastpath.Ruling {
	d.decided = append(d.decided, string(in.Key)+"/"+in.Event.Family.String())
	seen := in.Seen.WithFamily(in.Event.Family)
	seen.Seq, seen.Until = in.At.Seq, now.Add(10*time.Minute)
	d.ops = append(d.ops, journal.Op{Bucket: outbox.BucketSeen, Key: string(in.Key), Value: outbox.EncodeSeen(seen)})
	return fastpath.Ruling{Key: in.Key, Progress: fastpath.Decided, Seen: seen}
}

func (d *fakeFastPath) Record(done func(error)) {
	d.fixture.mu.Lock()
	defer d.fixture.mu.Unlock()
	if d.refuse != nil {
		go done(d.refuse)
		return
	}
	ops := d.ops
	d.ops = nil
	commit := func() { d.fixture.ledger.Commit(ops, done) }
	if d.hold {
		d.release = append(d.release, commit)
		return
	}
	commit()
}

func (d *fakeFastPath) count() int {
	d.fixture.mu.Lock()
	defer d.fixture.mu.Unlock()
	return len(d.decided)
}

func withFastPath(t *testing.T) (*fixture, *fakeFastPath) {
	t.Helper()
	f := open(t, memory.New())
	fast := &fakeFastPath{fixture: f}
	f.fast = fast
	return f, fast
}

func TestExecutions_whatTheFastPathDecidesTakesNoActor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, fast := withFastPath(t)
		f.start()
		f.append(failed("a"), failed("b"), failed("a"))
		f.append(failed("a"))
		if diff := cmp.Diff([]string{"a/failed", "b/failed"}, slices.Sorted(slices.Values(fast.decided))); diff != "" {
			t.Error(diff)
		}
		if got, pending := len(f.got), f.queue.Stats().Pending; got != 0 || pending != 0 {
			t.Errorf("want no actor and nothing pending, got %d events at actors and %d records", got, pending)
		}
		f.stop()
	})
}

func TestExecutions_anEventWaitsForTheDecisionBeforeIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, fast := withFastPath(t)
		fast.hold = true
		f.start()
		f.append(failed("a"))
		f.append(aborted("a"))
		if got := len(f.got); got != 0 || len(fast.decided) != 1 {
			t.Fatalf("want the second event to wait, got %d at actors and %v decided", got, fast.decided)
		}
		if got := f.queue.Stats().Pending; got != 2 {
			t.Errorf("want both records pending, got %d", got)
		}
		fast.release[0]()
		synctest.Wait()
		if diff := cmp.Diff([]string{"a/aborted"}, f.families()); diff != "" {
			t.Error(diff)
		}
		if !f.got[0].Seen.HasFamily(messages.FamilyFailed) {
			t.Error("the actor does not know what was decided before")
		}
		if got := f.queue.Stats().Pending; got != 0 {
			t.Errorf("want nothing pending, got %d", got)
		}
		f.stop()
	})
}

func TestExecutions_aDecisionThatCannotBeRecordedIsLeftToAnActor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, fast := withFastPath(t)
		fast.refuse = errors.New("too large")
		f.start()
		f.append(failed("a"))
		synctest.Wait()
		if diff := cmp.Diff([]string{"a/failed"}, f.families()); diff != "" {
			t.Error(diff)
		}
		if got := f.queue.Stats().Pending; got != 0 {
			t.Errorf("want nothing pending, got %d", got)
		}
		f.stop()
	})
}

func TestExecutions_aDecisionThatWasNotRecordedIsMadeAgainAfterARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, fast := withFastPath(t)
		fast.hold = true
		f.start()
		f.append(failed("a"))
		f.kill()

		again := open(t, f.store)
		again.start()
		if diff := cmp.Diff([]string{"a/failed"}, again.families()); diff != "" {
			t.Error(diff)
		}
		again.stop()
	})
}

func TestExecutions_whoWaitsAtTheFastPathIsDecidedByTheAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, fast := withFastPath(t)
		fast.waits, f.alone = true, true
		f.start()
		f.append(failed("a"))
		f.append(failed("a"))
		if got, pending := fast.count(), f.queue.Stats().Pending; got != 0 || pending == 0 {
			t.Fatalf("want the execution to wait, got %d decisions and %d pending records", got, pending)
		}
		answer := fastpath.Ruling{Key: "a", Progress: fastpath.Decided}
		f.answer(fastpath.Ruling{Key: "nobody"}, answer)
		f.append(failed("a"))
		f.answer(answer)
		if diff := cmp.Diff([]string{"a/failed"}, fast.decided); diff != "" {
			t.Error(diff)
		}
		if got, pending := len(f.got), f.queue.Stats().Pending; got != 0 || pending != 0 {
			t.Errorf("want no actor and nothing pending, got %d events at actors and %d records", got, pending)
		}
		f.stop()
	})
}

func TestExecutions_whoWaitsAtTheFastPathTooLongIsDecidedByTheClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, fast := withFastPath(t)
		f.alone, fast.waits, fast.at = true, true, time.Now().Add(30*time.Second)
		f.start()
		f.append(failed("a"))
		time.Sleep(30*time.Second - time.Nanosecond)
		synctest.Wait()
		if fast.count() != 0 {
			t.Error("decided before the time")
		}
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		if got, pending := fast.count(), f.queue.Stats().Pending; got != 1 || pending != 0 {
			t.Errorf("want one decision and nothing pending, got %d and %d", got, pending)
		}
		f.stop()
	})
}

// The actor has no more time for the event than the fast path has left.
func TestExecutions_whoWaitsAtTheFastPathGetsAnActor(t *testing.T) {
	rows := []struct {
		name     string
		then     func(*fixture)
		families []string
	}{
		{"because another event arrives", func(f *fixture) { f.append(aborted("a")) }, []string{"a/failed", "a/aborted"}},
		{"because the answer is nothing for a fast path", func(f *fixture) { f.answer(fastpath.Ruling{Key: "a"}) }, []string{"a/failed"}},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f, fast := withFastPath(t)
				fast.waits, f.alone = true, true
				f.start()
				began := time.Now()
				f.append(failed("a"))
				time.Sleep(time.Second)
				row.then(f)
				synctest.Wait()
				if diff := cmp.Diff(row.families, f.families()); diff != "" {
					t.Fatal(diff)
				}
				for i, want := range []time.Time{began, began.Add(time.Second)}[:len(f.got)] {
					if !f.got[i].Since.Equal(want) {
						t.Errorf("want event %d taken up at %s, got %s", i, want, f.got[i].Since)
					}
				}
				if another := len(row.families) > 1; another != (len(fast.withdrawn) > 0) {
					t.Errorf("want the execution withdrawn when the fast path waits for it, got %v", fast.withdrawn)
				}
				if got := f.queue.Stats().Pending; got != 0 {
					t.Errorf("want nothing pending, got %d", got)
				}
				f.stop()
			})
		})
	}
}

func TestExecutions_twoEventsOfOneRecordThatHaveToWaitGetAnActor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, fast := withFastPath(t)
		fast.waits, f.alone = true, true
		f.start()
		f.append(failed("a"), aborted("a"))
		if diff := cmp.Diff([]string{"a/failed", "a/aborted"}, f.families()); diff != "" {
			t.Error(diff)
		}
		f.stop()
	})
}

func TestExecutions_recordsGiveWayToTheIntakeForAWhile(t *testing.T) {
	for _, row := range []struct {
		name        string
		lasts, want time.Duration
	}{
		{"no burst", 0, 0},
		{"a short one", maxGiveWay / 2, maxGiveWay / 2},
		{"one without end", time.Hour, maxGiveWay},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f, fast := withFastPath(t)
				began := time.Now()
				f.burst = func() bool { return time.Since(began) < row.lasts }
				f.start()
				f.append(failed("a"))
				if row.want > 0 {
					time.Sleep(row.want - giveWayEvery)
					synctest.Wait()
					if fast.count() != 0 {
						t.Error("a record did not wait for the intake")
					}
					time.Sleep(giveWayEvery)
					synctest.Wait()
				}
				if fast.count() != 1 {
					t.Errorf("want the event decided after %s, got %d decisions", row.want, fast.count())
				}
				f.stop()
			})
		})
	}
}

func TestExecutions_aRecordWaitsWhileTheShardsHaveEnough(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var ahead ahead
		ahead.pumped.Store(1)
		ahead.sent.Store(maxAhead - 1)
		gone := false
		go func() {
			new(Options).giveWay(t.Context(), &ahead)
			gone = true
		}()
		time.Sleep(time.Hour)
		if gone {
			t.Fatal("a record did not wait for the shards")
		}
		ahead.sent.Add(-1)
		time.Sleep(giveWayEvery)
		synctest.Wait()
		if !gone {
			t.Error("want the record to go on as soon as the shards have less")
		}
	})
}

func TestExecutions_nothingIsAheadForEver(t *testing.T) {
	for _, row := range []struct {
		name  string
		upset func(f *fixture)
	}{
		{"not after what cannot be read", func(f *fixture) {
			f.queue.Append(make([][]byte, 2*maxAhead), func(journal.Seq, int, error) {})
		}},
		{"not after repetitions", func(f *fixture) {
			f.append(slices.Repeat([]messages.TaskEvent{failed("again")}, 2*maxAhead)...)
		}},
		{"not after a shard has crashed", func(f *fixture) {
			f.spawnPanics = 3
			f.append(slices.Repeat([]messages.TaskEvent{failed("crash")}, 2*maxAhead)...)
			time.Sleep(time.Minute)
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := open(t, memory.New())
				f.start()
				row.upset(f)
				f.append(failed("a"))
				time.Sleep(time.Second)
				synctest.Wait()
				if got := f.families(); len(got) == 0 || got[len(got)-1] != "a/failed" {
					t.Errorf("want the next event handled, got %d others", len(got))
				}
				f.stop()
			})
		})
	}
}
