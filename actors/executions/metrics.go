package executions

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"

	"butler/messages"
)

// Metrics count duplicates, crashes and what is remembered.
type Metrics struct {
	duplicates *prometheus.CounterVec
	remembered *prometheus.GaugeVec
	forgotten  prometheus.Counter
	crashes    prometheus.Counter
	lost       prometheus.Counter
	unreadable prometheus.Counter
}

// NewMetrics registers the metrics with reg and creates every series that is known beforehand.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{
		duplicates: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "butler_events_duplicate_total",
			Help: "Events dropped because the same event of the execution was handled before.",
		}, []string{"event_type"}),
		remembered: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "butler_dedup_entries",
			Help: "Executions that are remembered to detect duplicates, by shard.",
		}, []string{"shard"}),
		forgotten: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "butler_dedup_evictions_total",
			Help: "Executions that were forgotten because their deduplication time had passed.",
		}),
		crashes: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "butler_execution_crashes_total",
			Help: "Executions that crashed and were rebuilt from the journal.",
		}),
		lost: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "butler_executions_given_up_total",
			Help: "Executions that crashed too often and whose events ended without a decision; must stay 0.",
		}),
		unreadable: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "butler_journal_corrupt_records_total",
			Help: "Records of the journal, and events in them, that were damaged or missing when they were read.",
		}),
	}
	reg.MustRegister(m.duplicates, m.remembered, m.forgotten, m.crashes, m.lost, m.unreadable)
	for _, f := range messages.Families() {
		m.duplicates.WithLabelValues(f.String())
	}
	return m
}

// Damaged counts records that were found damaged or missing when the journal was opened.
func (m *Metrics) Damaged(records int64) { m.unreadable.Add(float64(records)) }

// rememberedBy returns a function that sets the number of executions a shard remembers.
func (m *Metrics) rememberedBy(shard int) func(executions int) {
	gauge := m.remembered.WithLabelValues(fmt.Sprintf("%02d", shard))
	return func(executions int) { gauge.Set(float64(executions)) }
}
