package journal_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"butler/internal/journal"
	"butler/internal/journal/faulty"
	"butler/internal/journal/memory"
)

// rig is a queue in a bubble, on a store that can fail and crash.
type rig struct {
	t      fataler
	store  *memory.Store
	faults *faulty.Store
	ledger *journal.Ledger
	log    journal.Log
	opts   journal.QueueOptions
	*journal.Queue
}

func newRig(t fataler, opts journal.QueueOptions) *rig {
	t.Helper()
	d := &rig{t: t, store: memory.New(), opts: opts}
	d.open()
	return d
}

func (d *rig) open() {
	d.t.Helper()
	ctx := context.Background()
	d.faults = faulty.Wrap(d.store, 1)
	state, err := d.faults.Open(ctx, "STATE", journal.Limits{})
	if err != nil {
		d.t.Fatalf("open log: %v", err)
	}
	if d.log, err = d.faults.Open(ctx, "EVENTS", journal.Limits{}); err != nil {
		d.t.Fatalf("open log: %v", err)
	}
	if d.ledger, err = journal.OpenLedger(ctx, state, journal.LedgerOptions{}); err != nil {
		d.t.Fatalf("open ledger: %v", err)
	}
	if d.Queue, err = journal.OpenQueue(ctx, "events", d.log, d.ledger, d.opts); err != nil {
		d.t.Fatalf("open queue: %v", err)
	}
}

// end stops everything without waiting for what is outstanding.
func (d *rig) end() {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_ = d.Close(ctx) // it says that it did not wait
	d.ledger.Close(ctx)
}

// crash ends the process at this instant and starts the next one.
func (d *rig) crash() {
	d.t.Helper()
	d.store = d.store.Crash()
	d.end()
	d.open()
}

// push appends one record with one entry.
func (d *rig) push(text string) {
	d.Append([][]byte{[]byte(text)}, func(journal.Seq, int, error) {})
	synctest.Wait()
}

// take returns a record if there is one to be given.
func (d *rig) take() (journal.Record, bool) {
	d.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Nanosecond)
	defer cancel()
	r, err := d.Next(ctx)
	if err != nil && !errors.Is(err, context.DeadlineExceeded) {
		d.t.Fatalf("next: %v", err)
	}
	return r, err == nil
}

func (d *rig) first() journal.Seq {
	first, _ := d.log.Bounds()
	return first
}

func TestQueue_addsNoDelayWhenIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newRig(t, journal.QueueOptions{})
		defer d.end()
		d.faults.SetRules(faulty.Rules{Latency: 3 * time.Millisecond})
		began := time.Now()
		d.Append([][]byte{[]byte("a")}, func(journal.Seq, int, error) {})
		if _, err := d.Next(t.Context()); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took != 3*time.Millisecond {
			t.Errorf("from Append to Next: want the 3ms of the write, got %v", took)
		}
	})
}

func TestQueue_packsWhatWaitsWhileAWriteIsUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newRig(t, journal.QueueOptions{})
		defer d.end()
		d.faults.SetRules(faulty.Rules{Latency: time.Millisecond})
		const n = 5000
		for i := range n {
			d.Append([][]byte{fmt.Append(nil, i)}, func(journal.Seq, int, error) {})
			if i == 0 {
				synctest.Wait()
			}
		}
		var sizes []int
		for range 3 {
			r, err := d.Next(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			sizes = append(sizes, len(r.Entries))
		}
		if want := []int{1, 4096, n - 1 - 4096}; !slices.Equal(sizes, want) {
			t.Errorf("entries of the records: want %v, got %v", want, sizes)
		}
	})
}

func TestQueue_keepsHandledRecordsForTheirTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newRig(t, journal.QueueOptions{KeepFor: time.Hour})
		defer d.end()
		for i := range 6 { // one every ten minutes
			d.push(fmt.Sprint(i))
			if r, ok := d.take(); ok && i < 5 {
				d.Ack(r.Seq)
			}
			time.Sleep(10 * time.Minute)
		}
		rows := []struct {
			at    time.Duration // since the first record
			first journal.Seq
		}{
			{60*time.Minute - time.Second, 1},
			{60*time.Minute + 2*time.Second, 2},
			{82 * time.Minute, 4},
			{48 * time.Hour, 6}, // the last one is not handled
		}
		at := 60 * time.Minute
		for _, row := range rows {
			if row.at < at {
				continue
			}
			time.Sleep(row.at - at)
			at = row.at
			synctest.Wait()
			if got := d.first(); got != row.first {
				t.Errorf("after %v: want record %d to be the first kept, got %d", row.at, row.first, got)
			}
		}
	})
}

func TestQueue_repeatsLittleAfterACrash(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newRig(t, journal.QueueOptions{KeepFor: time.Hour})
		defer func() { d.end() }()
		for i := range 100 {
			d.push(fmt.Sprint(i))
			r, _ := d.take()
			time.Sleep(10 * time.Millisecond)
			d.Ack(r.Seq)
		}
		commits := d.ledger.Stats().Commits
		if commits < 2 || commits > 6 {
			t.Errorf("commits of the place within one second: want about 4, got %d", commits)
		}
		floor := d.Floor()
		d.crash()
		r, ok := d.take()
		if !ok || r.Seq != floor || floor < 70 {
			t.Errorf("after the crash: want the record at the durable floor %d, within 250ms of the end, got %d", floor, r.Seq)
		}
	})
}

func TestQueue_givesNoPlaceTwiceWhenItsLogIsANewOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newRig(t, journal.QueueOptions{})
		defer func() { d.end() }()
		for i := range 5 {
			d.push(fmt.Sprint(i))
			r, _ := d.take()
			d.Ack(r.Seq)
		}
		time.Sleep(time.Second)
		fresh, err := memory.New().Open(t.Context(), "EVENTS", journal.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		q, err := journal.OpenQueue(t.Context(), "events", fresh, d.ledger, journal.QueueOptions{})
		if err != nil {
			t.Fatal(err)
		}
		defer q.Close(t.Context())
		q.Append([][]byte{[]byte("new")}, func(journal.Seq, int, error) {})
		if r, err := q.Next(t.Context()); err != nil || r.Seq != 6 || string(r.Entries[0]) != "new" {
			t.Errorf("want the new record behind the five of the old log, got %d, %v", r.Seq, err)
		}
		if lost := q.Stats().Lost; lost != 5 {
			t.Errorf("want five lost records counted, got %d", lost)
		}
	})
}

func TestQueue_givesNoPlaceTwiceWhenItsNewestRecordsWereLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newRig(t, journal.QueueOptions{})
		defer func() { d.end() }()
		for _, text := range []string{"a", "b", "c"} {
			d.push(text)
		}
		first, _ := d.take()
		d.Ack(first.Seq)
		time.Sleep(time.Second)
		d.opts.After = 7 // there were four more
		d.crash()
		if lost := d.Stats().Lost; lost != 4 {
			t.Errorf("want four lost records counted, got %d", lost)
		}
		d.push("new")
		var got []string
		for {
			r, ok := d.take()
			if !ok {
				break
			}
			got = append(got, fmt.Sprint(r.Seq, " ", len(r.Entries), " ", r.Damage))
			d.Ack(r.Seq)
		}
		want := []string{"2 1 <nil>", "3 1 <nil>", "4 0 <nil>", "5 0 <nil>", "6 0 <nil>", "7 0 <nil>", "8 1 <nil>"}
		if !slices.Equal(got, want) {
			t.Errorf("want what waited, empty records in the place of the lost ones and the new one behind them, got %q", got)
		}
	})
}

func TestQueue_handsOutADamagedRecordAsSuch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newRig(t, journal.QueueOptions{})
		defer func() { d.end() }()
		d.push("a")
		if _, err := d.log.Append(t.Context(), "x", []byte("damaged beyond recognition")); err != nil {
			t.Fatal(err)
		}
		d.push("c")
		d.crash()
		if r, ok := d.take(); !ok || string(r.Entries[0]) != "a" || !r.At.Equal(time.Now()) {
			t.Errorf("before the damage: got %v, %v", r, ok)
		}
		r, ok := d.take()
		if !ok || r.Seq != 2 || r.Entries != nil || !errors.Is(r.Damage, journal.ErrCorrupt) {
			t.Errorf("want record 2 with %v, got %+v, %v", journal.ErrCorrupt, r, ok)
		}
		if r, ok := d.take(); !ok || string(r.Entries[0]) != "c" {
			t.Errorf("behind the damage: got %v, %v", r, ok)
		}
		var damaged []journal.Seq
		if err := d.Range(t.Context(), 0, func(r journal.Record) error {
			if r.Damage != nil {
				damaged = append(damaged, r.Seq)
			}
			return nil
		}); err != nil || !slices.Equal(damaged, []journal.Seq{2}) {
			t.Errorf("range: want record 2 damaged, got %v, %v", damaged, err)
		}
		d.Ack(1, 2)
		if got := d.Stats(); got.Pending != 1 || got.Entries != 1 {
			t.Errorf("after the damage was acknowledged: got %+v", got)
		}
	})
}

func TestQueue_goesOnBehindRecordsThatVanished(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newRig(t, journal.QueueOptions{})
		defer func() { d.end() }()
		for _, text := range []string{"a", "b", "c"} {
			d.push(text)
		}
		d.crash() // now nothing of it is in memory
		if err := d.log.Trim(t.Context(), 3); err != nil {
			t.Fatal(err)
		}
		for want := journal.Seq(1); want <= 3; want++ {
			r, ok := d.take()
			if !ok || r.Seq != want || errors.Is(r.Damage, journal.ErrCorrupt) != (want < 3) {
				t.Errorf("record %d: got %+v, %v", want, r, ok)
			}
		}
	})
}

func TestQueue_waitsForStorageThatCannotBeRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told []bool
		d := newRig(t, journal.QueueOptions{OnReading: func(err error) { told = append(told, err == nil) }})
		defer func() { d.end() }()
		d.push("a")
		d.crash() // what was appended before is only on disk
		d.faults.SetRules(faulty.Rules{Read: 1})
		got := make(chan journal.Record)
		go func() {
			r, err := d.Next(t.Context())
			if err != nil {
				t.Error(err)
			}
			got <- r
		}()
		time.Sleep(time.Minute)
		synctest.Wait()
		if err := d.Readable(); !errors.Is(err, journal.ErrUnavailable) {
			t.Errorf("while reading fails: want %v, got %v", journal.ErrUnavailable, err)
		}
		if err := d.Writable(); err != nil {
			t.Errorf("while reading fails: want it writable, so that new entries are stored, got %v", err)
		}
		d.faults.SetRules(faulty.Rules{})
		if r := <-got; r.Seq != 1 {
			t.Errorf("want record 1, got %d", r.Seq)
		}
		if diff := cmp.Diff([]bool{false, true}, told); diff != "" || d.Readable() != nil {
			t.Errorf("health (-want +got), now %v:\n%s", d.Readable(), diff)
		}
	})
}

func TestQueue_losesNothingAndKeepsOrderThroughFaultsAndCrashes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rapid.Check(struct{ rapid.TB }{t}, func(t *rapid.T) { // wrapped: a bubble forbids t.Deadline
			d := newRig(t, journal.QueueOptions{MaxUnacked: 5, KeepFor: time.Duration(rapid.IntRange(0, 2).Draw(t, "keep")) * time.Second})
			defer func() { d.end() }()
			var (
				issued  int
				mu      sync.Mutex
				durable = map[journal.Seq][]string{} // acknowledged to the appender
				handled = map[journal.Seq]bool{}
				inHand  []journal.Seq
				last    journal.Seq
			)
			texts := func(r journal.Record) (all []string) {
				for _, e := range r.Entries {
					all = append(all, string(e))
				}
				return all
			}
			t.Repeat(map[string]func(*rapid.T){
				"append": func(t *rapid.T) {
					n := rapid.IntRange(1, 3).Draw(t, "entries")
					var batch [][]byte
					for range n {
						batch = append(batch, fmt.Append(nil, issued))
						issued++
					}
					d.Append(batch, func(seq journal.Seq, base int, err error) {
						mu.Lock()
						defer mu.Unlock()
						for i, e := range batch {
							if err == nil && base+i != len(durable[seq]) {
								t.Errorf("entry %s: want place %d, got %d", e, len(durable[seq]), base+i)
							}
							if err == nil {
								durable[seq] = append(durable[seq], string(e))
							}
						}
					})
				},
				"next": func(t *rapid.T) {
					synctest.Wait()
					r, ok := d.take()
					if !ok {
						return
					}
					if r.Seq <= last {
						t.Fatalf("record %d comes after %d", r.Seq, last)
					}
					synctest.Wait() // for the callbacks of a record that came just now
					mu.Lock()
					defer mu.Unlock()
					if want, ok := durable[r.Seq]; ok && !slices.Equal(want, texts(r)) {
						t.Fatalf("record %d: want %q, got %q", r.Seq, want, texts(r))
					}
					last, inHand = r.Seq, append(inHand, r.Seq)
				},
				"ack": func(t *rapid.T) {
					if len(inHand) == 0 {
						return
					}
					i := rapid.IntRange(0, len(inHand)-1).Draw(t, "which")
					d.Ack(inHand[i])
					handled[inHand[i]] = true
					inHand = slices.Delete(inHand, i, i+1)
				},
				"fail": func(t *rapid.T) {
					d.faults.SetRules(faulty.Rules{
						BeforeWrite: rapid.Float64Range(0, 0.5).Draw(t, "before"),
						AfterWrite:  rapid.Float64Range(0, 0.5).Draw(t, "after"),
						Trim:        rapid.Float64Range(0, 0.5).Draw(t, "trim"),
						Full:        rapid.Bool().Draw(t, "full"),
						Latency:     time.Duration(rapid.IntRange(0, 20).Draw(t, "latency")) * time.Millisecond,
					})
				},
				"pass time": func(t *rapid.T) {
					time.Sleep(time.Duration(rapid.IntRange(0, 1000).Draw(t, "ms")) * time.Millisecond)
					synctest.Wait()
				},
				"crash": func(*rapid.T) {
					d.crash()
					inHand, last = nil, d.Floor()-1
				},
				"": func(t *rapid.T) {
					synctest.Wait()
					first := d.first()
					mu.Lock()
					defer mu.Unlock()
					for seq := range durable {
						if seq < first && !handled[seq] {
							t.Fatalf("record %d was dropped before it was handled; the log begins at %d", seq, first)
						}
						if seq < d.Floor() && !handled[seq] {
							t.Fatalf("the floor %d is above record %d, which was not handled", d.Floor(), seq)
						}
					}
				},
			})
			d.faults.SetRules(faulty.Rules{})
			d.crash()
			left := map[journal.Seq]bool{}
			for time.Sleep(time.Minute); ; {
				r, ok := d.take()
				if !ok {
					break
				}
				left[r.Seq] = true
				d.Ack(r.Seq)
			}
			for seq := range durable {
				if !handled[seq] && !left[seq] {
					t.Fatalf("record %d was acknowledged to the appender, but never handed out for good", seq)
				}
			}
			if s := d.Stats(); s.Pending != 0 || s.Entries != 0 {
				t.Fatalf("everything is handled, but %+v", s)
			}
		})
	})
}
