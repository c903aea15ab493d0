package jetstream_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"butler/internal/journal"
	"butler/internal/journal/jetstream"
)

func benchStore(b *testing.B) *jetstream.Store {
	b.Helper()
	s, err := jetstream.Open(b.Context(), jetstream.Options{Dir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := s.Close(); err != nil {
			b.Error(err)
		}
	})
	return s
}

func benchLog(b *testing.B, s journal.Store, name string) journal.Log {
	b.Helper()
	log, err := s.Open(b.Context(), name, journal.Limits{})
	if err != nil {
		b.Fatal(err)
	}
	return log
}

// BenchmarkLog_Append writes records of 128 events of 330 bytes, synced. It measures a
// second append in flight to see whether group commit should use one.
func BenchmarkLog_Append(b *testing.B) {
	const events, size = 128, 330
	for _, flight := range []int{1, 2} {
		b.Run(fmt.Sprintf("inflight=%d", flight), func(b *testing.B) {
			log := benchLog(b, benchStore(b), "EVENTS")
			record := make([]byte, events*size)
			b.ReportAllocs()
			b.SetBytes(int64(len(record)))
			b.ResetTimer()
			var all sync.WaitGroup
			for w := range flight {
				all.Go(func() {
					for i := w; i < b.N; i += flight {
						if _, err := log.Append(b.Context(), fmt.Sprint(i), record); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			all.Wait()
			b.ReportMetric(float64(b.N*events)/b.Elapsed().Seconds(), "events/s")
		})
	}
}

// BenchmarkLedger_Commit commits from many goroutines, as executions and deliveries do.
func BenchmarkLedger_Commit(b *testing.B) {
	l, err := journal.OpenLedger(b.Context(), benchLog(b, benchStore(b), "STATE"), journal.LedgerOptions{})
	if err != nil {
		b.Fatal(err)
	}
	value := make([]byte, 300)
	credit := make(chan struct{}, 256)
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		credit <- struct{}{}
		l.Commit([]journal.Op{{Bucket: "notice", Key: fmt.Sprintf("%036d", i%10000), Value: value}}, func(error) { <-credit })
	}
	if err := l.Close(b.Context()); err != nil {
		b.Fatal(err)
	}
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "commits/s")
	b.ReportMetric(float64(b.N)/float64(l.Stats().Records), "commits/record")
}

// BenchmarkLedger_OpenMillionKeys restarts, including the server, with a million live keys.
func BenchmarkLedger_OpenMillionKeys(b *testing.B) {
	const keys = 1_000_000
	opts := jetstream.Options{Dir: b.TempDir()}
	for n := 0; b.Loop(); n++ {
		if n == 0 {
			b.StopTimer()
			fillLedger(b, opts, keys)
			b.StartTimer()
		}
		s, err := jetstream.Open(b.Context(), opts)
		if err != nil {
			b.Fatal(err)
		}
		l, err := journal.OpenLedger(b.Context(), benchLog(b, s, "STATE"), journal.LedgerOptions{})
		if err != nil {
			b.Fatal(err)
		}
		if l.Len("seen") != keys {
			b.Fatalf("%d keys", l.Len("seen"))
		}
		if err := errors.Join(l.Close(b.Context()), s.Close()); err != nil {
			b.Fatal(err)
		}
	}
}

func fillLedger(b *testing.B, opts jetstream.Options, keys int) {
	b.Helper()
	s, err := jetstream.Open(b.Context(), opts)
	if err != nil {
		b.Fatal(err)
	}
	l, err := journal.OpenLedger(b.Context(), benchLog(b, s, "STATE"), journal.LedgerOptions{})
	if err != nil {
		b.Fatal(err)
	}
	value := make([]byte, 64)
	for i := range keys {
		l.Commit([]journal.Op{{Bucket: "seen", Key: fmt.Sprintf("%036d", i), Value: value}}, func(error) {})
	}
	if err := errors.Join(l.Close(b.Context()), s.Close()); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkQueue_AppendToNext moves batches of 128 events through the whole journal.
func BenchmarkQueue_AppendToNext(b *testing.B) {
	s := benchStore(b)
	l, err := journal.OpenLedger(b.Context(), benchLog(b, s, "STATE"), journal.LedgerOptions{})
	if err != nil {
		b.Fatal(err)
	}
	q, err := journal.OpenQueue(b.Context(), "events", benchLog(b, s, "EVENTS"), l, journal.QueueOptions{})
	if err != nil {
		b.Fatal(err)
	}
	batch := make([][]byte, 128)
	for i := range batch {
		batch[i] = make([]byte, 330)
	}
	credit := make(chan struct{}, 8)
	b.ReportAllocs()
	b.ResetTimer()
	go func() {
		for range b.N {
			credit <- struct{}{}
			q.Append(batch, func(journal.Seq, int, error) { <-credit })
		}
	}()
	for got := 0; got < b.N*len(batch); {
		r, err := q.Next(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		got += len(r.Entries)
		q.Ack(r.Seq)
	}
	b.StopTimer()
	b.ReportMetric(float64(b.N*len(batch))/b.Elapsed().Seconds(), "events/s")
	if err := q.Close(b.Context()); err != nil {
		b.Fatal(err)
	}
	if err := l.Close(b.Context()); err != nil {
		b.Fatal(err)
	}
}
