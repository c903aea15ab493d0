package app

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"butler/internal/journal"
	"butler/internal/journal/memory"
)

func TestRegisterJournal_countsWhatAnEarlierProcessLeft(t *testing.T) {
	ctx, store := t.Context(), memory.New()
	open := func() (*journal.Queue, *journal.Ledger) {
		state, err := store.Open(ctx, logLedger, journal.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		ledger, err := journal.OpenLedger(ctx, state, journal.LedgerOptions{})
		if err != nil {
			t.Fatal(err)
		}
		events, err := store.Open(ctx, logEvents, journal.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		queue, err := journal.OpenQueue(ctx, logEvents, events, ledger, journal.QueueOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return queue, ledger
	}
	end := func(queue *journal.Queue, ledger *journal.Ledger) {
		if err := queue.Close(ctx); err != nil {
			t.Error(err)
		}
		if err := ledger.Close(ctx); err != nil {
			t.Error(err)
		}
	}
	queue, ledger := open()
	queue.Append([][]byte{[]byte("one"), []byte("two")}, func(journal.Seq, int, error) {})
	end(queue, ledger)

	queue, ledger = open()
	defer end(queue, ledger)
	reg := prometheus.NewRegistry()
	registerJournal(reg, queue, ledger)
	numbers, err := measure(reg)
	if got := numbers.total("butler_journal_replayed_records_total"); err != nil || got != 2 {
		t.Errorf("want the two events that were left, got %v, %v", got, err)
	}
}
