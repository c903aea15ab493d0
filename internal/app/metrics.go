package app

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"butler/internal/journal"
	"butler/supervisors"
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

// journalAppends returns what counts the writes of both logs.
func journalAppends(reg prometheus.Registerer) func(took time.Duration, err error) {
	appends := prometheus.NewCounter(prometheus.CounterOpts{
		Name: "butler_journal_appends_total", Help: "Records written to the journal.",
	})
	failed := prometheus.NewCounter(prometheus.CounterOpts{
		Name: "butler_journal_append_errors_total", Help: "Attempts to write a record that failed; each is repeated.",
	})
	took := prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: "butler_journal_fsync_duration_seconds", Help: "Time that writing one record took, until it was on disk.",
		Buckets: prometheus.ExponentialBuckets(0.0001, 2, 15),
	})
	reg.MustRegister(appends, failed, took)
	return func(d time.Duration, err error) {
		if err != nil {
			failed.Inc()
			return
		}
		appends.Inc()
		took.Observe(d.Seconds())
	}
}

// components exposes the health board: 1 for a component that is up.
type components struct {
	board *supervisors.Board
	up    *prometheus.Desc
}

func newComponents(board *supervisors.Board) *components {
	return &components{board, prometheus.NewDesc("butler_component_up",
		"1 while a component is up, 0 while it is degraded or down; /health has the reason.", []string{"component"}, nil)}
}

// Describe implements prometheus.Collector.
func (c *components) Describe(out chan<- *prometheus.Desc) { out <- c.up }

// Collect implements prometheus.Collector.
func (c *components) Collect(out chan<- prometheus.Metric) {
	_, all := c.board.Report()
	for _, one := range all {
		up := 0.0
		if one.State == supervisors.Up {
			up = 1
		}
		out <- prometheus.MustNewConstMetric(c.up, prometheus.GaugeValue, up, one.Name)
	}
}

// discardRegistry returns a registry that nobody reads.
func discardRegistry() *prometheus.Registry { return prometheus.NewRegistry() }
