package app

import (
	"testing"
	"time"

	"butler/internal/journal"
	"butler/internal/journal/journaltest"
	"butler/internal/journal/memory"
)

func TestFirstSeen_readsEveryVersion(t *testing.T) {
	const id = "11111111-aaaa-4bbb-8ccc-000000000001"
	at := time.Date(2026, 5, 6, 12, 0, 0, 0, time.UTC)
	open := func() firstSeenTimes {
		log, err := memory.New().Open(t.Context(), "ledger", journal.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		ledger, err := journal.OpenLedger(t.Context(), log, journal.LedgerOptions{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = ledger.Close(t.Context()) })
		return firstSeenTimes{ledger}
	}
	commit := func(f firstSeenTimes, op journal.Op) {
		done := make(chan error, 1)
		f.ledger.Commit([]journal.Op{op}, func(err error) { done <- err })
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	journaltest.Record[time.Time]{
		Name: string(bucketFirstSeen), Version: 1, Want: at,
		Write: func(at time.Time) []byte {
			f := open()
			f.of(at, id)
			commit(f, journal.Op{Bucket: bucketFirstSeen, Key: "behind it", Value: []byte("x")})
			raw, _, err := f.ledger.Get(bucketFirstSeen, id)
			if err != nil {
				t.Fatal(err)
			}
			return raw
		},
		Read: func(raw []byte) (time.Time, error) {
			f := open()
			commit(f, journal.Op{Bucket: bucketFirstSeen, Key: id, Value: raw})
			return f.of(at.Add(time.Hour), id), nil
		},
	}.Test(t)
}
