package journal_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"butler/internal/journal"
	"butler/internal/journal/faulty"
	"butler/internal/journal/memory"
)

// A log fetches megabytes for whoever wants a record, so what compaction finds is
// written in several steps.
func TestLedger_compactsWithFewReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reads := &counted{}
		log, err := memory.New().Open(t.Context(), "STATE", journal.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		reads.Log = log
		l, err := journal.OpenLedger(t.Context(), reads, journal.LedgerOptions{CompactFrom: smallLog})
		if err != nil {
			t.Fatal(err)
		}
		passing := bytes.Repeat([]byte("x"), 900)
		for i := range 300 { // what stays lies between what goes
			l.Commit([]journal.Op{
				{Bucket: "a", Key: "passing", Value: passing},
				{Bucket: "b", Key: fmt.Sprint("staying ", i), Value: []byte("a value of 25 bytes, or so")},
			}, func(error) {})
			synctest.Wait()
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		s := l.Stats()
		if s.Moved < 200 || s.LogBytes > 5*s.LiveBytes {
			t.Fatalf("it does not compact: %+v", s)
		}
		if most := int(s.Moved) / 5; reads.n-1 > most {
			t.Errorf("%d reads to move %d entries, want at most %d", reads.n-1, s.Moved, most)
		}
		if err := l.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// What was found is written some steps later, and has to be what the ledger holds then.
func TestLedger_movesNothingThatHasChangedMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.faults.SetRules(faulty.Rules{Latency: 10 * time.Millisecond})
		random := rand.New(rand.NewPCG(1, 1))
		for i := range 600 {
			w.commit([]journal.Op{
				{Bucket: "a", Key: "passing", Value: make([]byte, 300)},
				{Bucket: "b", Key: fmt.Sprint(i), Value: []byte("a value")},
			})
			changed := journal.Op{Bucket: "b", Key: fmt.Sprint(random.IntN(i + 1))}
			if i%2 == 0 {
				changed.Value = fmt.Append(nil, "changed ", i)
			}
			time.Sleep(time.Duration(random.IntN(20)) * time.Millisecond)
			w.commit([]journal.Op{changed})
		}
		w.wait()
		if w.ledger.Stats().Moved == 0 {
			t.Fatal("it does not compact")
		}
		w.crash()
		w.wait()
		w.store.Close()
		w.stop()
	})
}

// Nothing is written again for a log that cannot be trimmed: that only makes it larger.
func TestLedger_restsWhileTheLogCannotBeTrimmed(t *testing.T) {
	rows := []struct {
		name    string
		staying int
	}{
		{"nothing in it is live", 0},
		{"something in it is live", 50},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				untrimmed := faulty.Rules{Trim: 1, Latency: time.Millisecond}
				w.faults.SetRules(untrimmed)
				for i := range row.staying {
					w.commit([]journal.Op{
						{Bucket: "a", Key: fmt.Sprint("staying ", i), Value: []byte("a value")},
						{Bucket: "a", Key: "passing", Value: make([]byte, 300)},
					})
					time.Sleep(time.Second)
				}
				for range 10 {
					w.commit([]journal.Op{{Bucket: "a", Key: "passing", Value: make([]byte, 900)}})
					w.commit([]journal.Op{{Bucket: "a", Key: "passing"}})
					time.Sleep(time.Second)
				}
				s := w.ledger.Stats()
				if most := int64(2 * row.staying); s.UpkeepFailures == 0 || s.Moved > most {
					t.Errorf("%d failures to compact and %d entries moved, want some and at most %d", s.UpkeepFailures, s.Moved, most)
				}
				time.Sleep(time.Minute)
				if more := w.ledger.Stats(); more.Moved > s.Moved || more.UpkeepFailures-s.UpkeepFailures > 15 {
					t.Errorf("in a minute of rest %d entries are moved and %d attempts fail, want none and at most 15",
						more.Moved-s.Moved, more.UpkeepFailures-s.UpkeepFailures)
				}
				w.wait()
				if s := w.ledger.Stats(); s.LogBytes > 2*smallLog {
					t.Errorf("the log can be trimmed again and has %d bytes, want at most %d", s.LogBytes, 2*smallLog)
				}
				w.store.Close()
				w.stop()
			})
		})
	}
}
