package journal_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"butler/internal/journal"
	"butler/internal/journal/faulty"
	"butler/internal/journal/memory"
)

// smallLog makes a ledger compact after a few kilobytes.
const smallLog = 4 << 10

// world is a ledger on a store that can crash, and what must be in it.
type world struct {
	t      fataler
	store  *memory.Store
	faults *faulty.Store
	ledger *journal.Ledger

	seed uint64
	// states[i] is the content after i commits; the last ones may be unacknowledged.
	states []map[string]string
	acked  int
}

// fataler is what testing.T and rapid.T have in common.
type fataler interface {
	Helper()
	Fatalf(format string, args ...any)
}

func newWorld(t fataler) *world {
	w := &world{t: t, store: memory.New(), states: []map[string]string{{}}}
	w.open()
	return w
}

func (w *world) open() {
	w.t.Helper()
	w.seed++
	w.faults = faulty.Wrap(w.store, w.seed)
	log, err := w.faults.Open(context.Background(), "STATE", journal.Limits{})
	if err != nil {
		w.t.Fatalf("open log: %v", err)
	}
	w.ledger, err = journal.OpenLedger(context.Background(), log, journal.LedgerOptions{CompactFrom: smallLog})
	if err != nil {
		w.t.Fatalf("open ledger: %v", err)
	}
	w.settle()
}

// settle finds out which of the unacknowledged commits are in the ledger: the
// first so many of them, whole.
func (w *world) settle() {
	w.t.Helper()
	got := contentOf(w.t, w.ledger)
	for n := w.acked; n < len(w.states); n++ {
		if maps.Equal(got, w.states[n]) {
			w.states, w.acked = w.states[:n+1], n
			return
		}
	}
	w.t.Fatalf("after a restart (-acknowledged +got):\n%s", cmp.Diff(w.states[w.acked], got))
}

// contentOf returns all of a ledger, by bucket and key.
func contentOf(t fataler, l *journal.Ledger) map[string]string {
	t.Helper()
	got := map[string]string{}
	for _, b := range []journal.Bucket{"a", "b"} {
		n := 0
		err := l.Range(b, func(key string, value []byte) bool {
			got[string(b)+"/"+key] = brief(value)
			n++
			return true
		})
		if err != nil || n != l.Len(b) {
			t.Fatalf("range over %s: %d keys of %d, %v", b, n, l.Len(b), err)
		}
	}
	return got
}

// brief stands for a value: its size and its begin, which tell the values of these tests apart.
func brief(value []byte) string {
	return fmt.Sprintf("%d bytes %x", len(value), value[:min(len(value), 20)])
}

// commit starts a commit; it is acknowledged some time later.
func (w *world) commit(ops []journal.Op) {
	state := maps.Clone(w.states[len(w.states)-1])
	for _, op := range ops {
		if key := string(op.Bucket) + "/" + op.Key; op.Value == nil {
			delete(state, key)
		} else {
			state[key] = brief(op.Value)
		}
	}
	w.states = append(w.states, state)
	n := len(w.states) - 1
	w.ledger.Commit(ops, func(err error) {
		if err == nil {
			w.acked = n // callbacks come one by one, and the test waits before it looks
		}
	})
}

// wait gives the ledger time to write everything.
func (w *world) wait() {
	w.t.Helper()
	w.faults.SetRules(faulty.Rules{})
	time.Sleep(time.Minute)
	synctest.Wait()
	if w.acked != len(w.states)-1 {
		w.t.Fatalf("%d of %d commits are acknowledged", w.acked, len(w.states)-1)
	}
	if diff := cmp.Diff(w.states[w.acked], contentOf(w.t, w.ledger)); diff != "" {
		w.t.Fatalf("content (-want +got):\n%s", diff)
	}
}

// crash ends the process at this instant and starts the next one.
func (w *world) crash() {
	w.t.Helper()
	w.store = w.store.Crash()
	w.stop()
	w.open()
}

// stop ends the goroutines of a ledger whose store is gone.
func (w *world) stop() {
	w.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := w.ledger.Close(ctx); err != nil && !errors.Is(err, context.Canceled) {
		w.t.Fatalf("close: %v", err)
	}
}

var (
	genKey   = rapid.SampledFrom(strings.Split("abcdefghijklmnop", ""))
	genValue = rapid.OneOf(
		rapid.Just([]byte(nil)), // a delete
		rapid.Map(rapid.StringN(0, 20, 80), func(s string) []byte { return []byte(s) }),
		rapid.Map(rapid.IntRange(500, 900), func(n int) []byte { return slices.Repeat([]byte{byte(n)}, n) }),
	)
	genOp = rapid.Custom(func(t *rapid.T) journal.Op {
		return journal.Op{
			Bucket: rapid.SampledFrom([]journal.Bucket{"a", "b"}).Draw(t, "bucket"),
			Key:    genKey.Draw(t, "key"),
			Value:  genValue.Draw(t, "value"),
		}
	})
)

func TestLedger_behavesLikeAMapThatSurvivesCrashes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rapid.Check(struct{ rapid.TB }{t}, func(t *rapid.T) { // wrapped: a bubble forbids t.Deadline
			w := newWorld(t)
			defer func() { w.store.Close(); w.stop() }()
			t.Repeat(map[string]func(*rapid.T){
				"commit": func(t *rapid.T) { w.commit(rapid.SliceOfN(genOp, 0, 6).Draw(t, "ops")) },
				"fail": func(t *rapid.T) {
					w.faults.SetRules(faulty.Rules{
						BeforeWrite: rapid.Float64Range(0, 0.5).Draw(t, "before"),
						AfterWrite:  rapid.Float64Range(0, 0.5).Draw(t, "after"),
						Trim:        rapid.Float64Range(0, 0.5).Draw(t, "trim"),
						Full:        rapid.Bool().Draw(t, "full"),
						Latency:     time.Duration(rapid.IntRange(0, 20).Draw(t, "latency")) * time.Millisecond,
					})
				},
				"pass time": func(t *rapid.T) {
					time.Sleep(time.Duration(rapid.IntRange(0, 300).Draw(t, "ms")) * time.Millisecond)
					synctest.Wait()
				},
				"wait":  func(*rapid.T) { w.wait() },
				"crash": func(*rapid.T) { w.crash() },
			})
		})
	})
}

func TestLedger_survivesACrashAfterEveryStep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		moved := int64(0)
		for step := 1; step < 120; step++ {
			w := newWorld(t)
			left := step
			crashed := make(chan struct{})
			w.faults.Observe(func(string, faulty.Step) {
				if left--; left == 0 {
					w.store = w.store.Crash()
					close(crashed)
				}
			})
			random := rand.New(rand.NewPCG(1, 1))
			for i := range 150 {
				w.commit([]journal.Op{
					{Bucket: "a", Key: fmt.Sprint(random.IntN(12)), Value: make([]byte, random.IntN(700))},
					{Bucket: "b", Key: fmt.Sprint(i % 40), Value: []byte("rarely changed")},
					{Bucket: "a", Key: fmt.Sprint(random.IntN(12))},
				})
				synctest.Wait()
			}
			<-crashed
			moved += w.ledger.Stats().Moved
			w.stop()
			w.open()
			w.wait()
			w.store.Close()
			w.stop()
		}
		if moved == 0 {
			t.Error("no crash hit a ledger that had compacted: the test does not test compaction")
		}
	})
}

func TestLedger_keepsItsLogSmall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		for i := range 2000 {
			w.commit([]journal.Op{
				{Bucket: "a", Key: fmt.Sprint(i % 10), Value: fmt.Append(nil, "value ", i)},
				{Bucket: "b", Key: "pinned", Value: []byte("x")},
			}[:1+max(0, 1-i)]) // the first commit pins its record
			synctest.Wait()
		}
		w.wait()
		if s := w.ledger.Stats(); s.LogBytes > smallLog {
			t.Errorf("2,000 changes of 11 keys: want a log of at most %d bytes, got %+v", smallLog, s)
		}
		w.crash()
		w.store.Close()
		w.stop()
	})
}

func TestLedger_readsOnlyWhatIsSelected(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reads := &counted{}
		log, err := memory.New().Open(t.Context(), "STATE", journal.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		reads.Log = log
		l, err := journal.OpenLedger(t.Context(), reads, journal.LedgerOptions{})
		if err != nil {
			t.Fatal(err)
		}
		large := bytes.Repeat([]byte("x"), 5000)
		for i := range 20 {
			l.Commit([]journal.Op{{Bucket: "a", Key: fmt.Sprint(i), Value: large}}, func(error) {})
			synctest.Wait() // a record for each
		}
		before := reads.n
		var got []string
		want := func(key string) bool { return key == "3" || key == "17" }
		if err := l.Select("a", want, func(key string, value []byte) bool {
			got = append(got, fmt.Sprintf("%s: %d", key, len(value)))
			return true
		}); err != nil {
			t.Error(err)
		}
		if diff := cmp.Diff([]string{"3: 5000", "17: 5000"}, got); diff != "" || reads.n-before != 2 {
			t.Errorf("selected with %d reads, want 2 (-want +got):\n%s", reads.n-before, diff)
		}
		if size, none := l.Size("a", "5"), l.Size("a", "none"); size != 5000 || none != 0 || reads.n-before != 2 {
			t.Errorf("want sizes of 5000 and 0 without a read, got %d and %d with %d reads", size, none, reads.n-before-2)
		}
		if err := l.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// counted counts the reads of a log.
type counted struct {
	journal.Log
	n int
}

func (c *counted) Read(ctx context.Context, from journal.Seq, visit func(journal.Seq, []byte) error) error {
	c.n++
	return c.Log.Read(ctx, from, visit)
}

func TestLedger_tellsItsHealthOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		faults := faulty.Wrap(memory.New(), 1)
		log, err := faults.Open(t.Context(), "STATE", journal.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		var told []string
		l, err := journal.OpenLedger(t.Context(), log, journal.LedgerOptions{OnHealth: func(err error) { told = append(told, fmt.Sprint(err)) }})
		if err != nil {
			t.Fatal(err)
		}
		faults.SetRules(faulty.Rules{BeforeWrite: 1})
		done := false
		l.Commit([]journal.Op{{Bucket: "a", Key: "1", Value: []byte("v")}}, func(error) { done = true })
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if done || !errors.Is(l.Writable(), journal.ErrUnavailable) {
			t.Errorf("while writing fails: done %v, healthy %v", done, l.Writable())
		}
		if _, ok, _ := l.Get("a", "1"); ok {
			t.Error("a value that is not durable is visible")
		}
		faults.SetRules(faulty.Rules{})
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if !done || l.Writable() != nil {
			t.Errorf("10 s after writing works again: done %v, healthy %v", done, l.Writable())
		}
		want := []string{"append: journal is unavailable: injected fault", "<nil>"}
		if diff := cmp.Diff(want, told); diff != "" {
			t.Errorf("OnHealth (-want +got):\n%s", diff)
		}
		if err := l.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestLedger_abandonsWritesWhenCloseMayNotWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.faults.SetRules(faulty.Rules{BeforeWrite: 1})
		var errs []error
		for range 3 {
			w.ledger.Commit([]journal.Op{{Bucket: "a", Key: "1", Value: []byte("v")}}, func(err error) { errs = append(errs, err) })
			synctest.Wait()
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		began := time.Now()
		if err := w.ledger.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("close: want %v, got %v", context.DeadlineExceeded, err)
		}
		if waited := time.Since(began); waited != time.Minute {
			t.Errorf("close waited %v, want 1m", waited)
		}
		if len(errs) != 3 || slices.ContainsFunc(errs, func(err error) bool { return !errors.Is(err, journal.ErrClosed) }) {
			t.Errorf("callbacks: want %v three times, got %v", journal.ErrClosed, errs)
		}
	})
}

func TestLedger_refusesALogItCannotRead(t *testing.T) {
	rows := []struct {
		name   string
		record []byte
	}{
		{"garbage", []byte("this is not a record of ours")},
		{"a later version", append([]byte{2}, make([]byte, 40)...)},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			log, err := memory.New().Open(t.Context(), "STATE", journal.Limits{})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := log.Append(t.Context(), "1", row.record); err != nil {
				t.Fatal(err)
			}
			_, err = journal.OpenLedger(t.Context(), log, journal.LedgerOptions{})
			if !errors.Is(err, journal.ErrCorrupt) || !strings.Contains(err.Error(), "record 1") {
				t.Errorf("want %v that names record 1, got %v", journal.ErrCorrupt, err)
			}
		})
	}
}

func TestLedger_countsRecordsThatAreMissing(t *testing.T) {
	log, err := memory.New().Open(t.Context(), "STATE", journal.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		l, err := journal.OpenLedger(t.Context(), holey{log}, journal.LedgerOptions{})
		if err != nil {
			t.Fatal(err)
		}
		_, next := log.Bounds()
		if want := int64(next-1) / 2; l.Stats().Missing != want {
			t.Errorf("missing of %d records: want %d, got %d", next-1, want, l.Stats().Missing)
		}
		for i := range 7 {
			done := make(chan error)
			l.Commit([]journal.Op{{Bucket: "a", Key: fmt.Sprint(i), Value: []byte("v")}}, func(err error) { done <- err })
			if err := <-done; err != nil {
				t.Fatal(err)
			}
		}
		if err := l.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

// holey is a log that has lost every second record.
type holey struct{ journal.Log }

func (h holey) Read(ctx context.Context, from journal.Seq, visit func(journal.Seq, []byte) error) error {
	return h.Log.Read(ctx, from, func(seq journal.Seq, record []byte) error {
		if seq%2 == 0 {
			return nil
		}
		return visit(seq, record)
	})
}
