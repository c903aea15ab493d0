package journal_test

import (
	"fmt"
	"runtime"
	"testing"

	"butler/internal/journal"
	"butler/internal/journal/memory"
)

// The benchmarks here measure our own part, over a log in memory; those of
// journal/jetstream measure the whole.

func benchLedger(b *testing.B) (*memory.Store, *journal.Ledger) {
	b.Helper()
	store := memory.New()
	log, err := store.Open(b.Context(), "STATE", journal.Limits{})
	if err != nil {
		b.Fatal(err)
	}
	l, err := journal.OpenLedger(b.Context(), log, journal.LedgerOptions{})
	if err != nil {
		b.Fatal(err)
	}
	return store, l
}

// fillLedger puts n keys of the size of an execution key, with values of 64 bytes.
func fillLedger(b *testing.B, l *journal.Ledger, n int) {
	b.Helper()
	done := make(chan error, 1)
	value := make([]byte, 64)
	for i := range n {
		last := func(error) {}
		if i == n-1 {
			last = func(err error) { done <- err }
		}
		l.Commit([]journal.Op{{Bucket: "seen", Key: fmt.Sprintf("%036d", i), Value: value}}, last)
	}
	if err := <-done; err != nil {
		b.Fatal(err)
	}
}

func BenchmarkLedger_Commit(b *testing.B) {
	_, l := benchLedger(b)
	b.ReportAllocs()
	b.ResetTimer()
	fillLedger(b, l, b.N)
	b.StopTimer()
	if err := l.Close(b.Context()); err != nil {
		b.Fatal(err)
	}
}

func BenchmarkLedger_OpenMillionKeys(b *testing.B) {
	const keys = 1_000_000
	store := filledStore(b, keys)
	var perKey float64
	for b.Loop() {
		log, err := store.Open(b.Context(), "STATE", journal.Limits{})
		if err != nil {
			b.Fatal(err)
		}
		before := heap()
		l, err := journal.OpenLedger(b.Context(), log, journal.LedgerOptions{})
		if err != nil {
			b.Fatal(err)
		}
		perKey = float64(heap()-before) / keys
		if l.Len("seen") != keys {
			b.Fatalf("%d keys", l.Len("seen"))
		}
		if err := l.Close(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(perKey, "B/key")
}

// filledStore returns a store with a ledger of n keys, which itself is no longer in memory.
func filledStore(b *testing.B, n int) *memory.Store {
	b.Helper()
	store, l := benchLedger(b)
	fillLedger(b, l, n)
	if err := l.Close(b.Context()); err != nil {
		b.Fatal(err)
	}
	return store
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func BenchmarkQueue_AppendToNext(b *testing.B) {
	store, l := benchLedger(b)
	log, err := store.Open(b.Context(), "EVENTS", journal.Limits{})
	if err != nil {
		b.Fatal(err)
	}
	q, err := journal.OpenQueue(b.Context(), "events", log, l, journal.QueueOptions{})
	if err != nil {
		b.Fatal(err)
	}
	batch := make([][]byte, 128)
	for i := range batch {
		batch[i] = make([]byte, 330)
	}
	b.ReportAllocs()
	for b.Loop() {
		q.Append(batch, func(journal.Seq, int, error) {})
		r, err := q.Next(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		q.Ack(r.Seq)
	}
	b.ReportMetric(float64(b.N*len(batch))/b.Elapsed().Seconds(), "events/s")
	if err := q.Close(b.Context()); err != nil {
		b.Fatal(err)
	}
	if err := l.Close(b.Context()); err != nil {
		b.Fatal(err)
	}
}
