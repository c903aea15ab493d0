package app

import (
	"github.com/prometheus/client_golang/prometheus"

	"butler/internal/journal"
)

// registerJournal exposes the sizes of the journal, read when they are asked for.
func registerJournal(reg prometheus.Registerer, queue *journal.Queue, ledger *journal.Ledger) {
	gauge := func(name, help string, read func() float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, read)
	}
	reg.MustRegister(
		gauge("butler_journal_size_bytes", "Size of the events log on disk.", func() float64 { return float64(queue.Stats().Bytes) }),
		gauge("butler_journal_unprocessed_records", "Events that are journalled and not decided.", func() float64 { return float64(queue.Stats().Entries) }),
		gauge("butler_journal_oldest_unprocessed_timestamp_seconds", "When the oldest of them was journalled; 0 when there is none.", func() float64 {
			if at := queue.Stats().Oldest; !at.IsZero() {
				return float64(at.UnixMilli()) / 1000
			}
			return 0
		}),
		gauge("butler_journal_writable", "1 while the journal can be written.", func() float64 {
			if queue.Healthy() != nil || ledger.Healthy() != nil {
				return 0
			}
			return 1
		}),
		gauge("butler_ledger_keys", "Keys of the ledger.", func() float64 { return float64(ledger.Stats().Keys) }),
		gauge("butler_ledger_live_bytes", "Size of what the ledger holds.", func() float64 { return float64(ledger.Stats().LiveBytes) }),
		gauge("butler_ledger_size_bytes", "Size of the ledger's log on disk.", func() float64 { return float64(ledger.Stats().LogBytes) }),
	)
}

// discardRegistry returns a registry that nobody reads.
func discardRegistry() *prometheus.Registry { return prometheus.NewRegistry() }
