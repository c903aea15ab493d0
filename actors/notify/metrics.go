package notify

import (
	"github.com/prometheus/client_golang/prometheus"

	"butler/internal/destination"
	"butler/internal/outbox"
)

// Metrics count parked notices.
type Metrics struct {
	outbox       *outbox.Outbox
	integrations []string
	parked       *prometheus.Desc
	dropped      *prometheus.CounterVec
}

// NewMetrics registers the metrics with reg. Those of the destinations in built
// have a series from the start.
func NewMetrics(reg prometheus.Registerer, o *outbox.Outbox, built []destination.Built) *Metrics {
	m := &Metrics{
		outbox: o,
		parked: prometheus.NewDesc("butler_dead_letters",
			"Parked notices that wait for an operator.", []string{"integration"}, nil),
		dropped: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "butler_dead_letters_dropped_total",
			Help: "Parked notices that were dropped because of their age or number.",
		}, []string{"integration", "receiver"}),
	}
	for _, b := range built {
		m.integrations = append(m.integrations, b.Instance.Integration)
		m.dropped.WithLabelValues(b.Instance.Integration, b.Instance.Name)
	}
	reg.MustRegister(m, m.dropped)
	return m
}

// Describe implements prometheus.Collector.
func (m *Metrics) Describe(out chan<- *prometheus.Desc) { out <- m.parked }

// Collect implements prometheus.Collector: it counts the parked notices when it is asked to.
func (m *Metrics) Collect(out chan<- prometheus.Metric) {
	counts := map[string]int{}
	for _, name := range m.integrations {
		counts[name] = 0
	}
	for place, n := range m.outbox.ParkedCounts() {
		counts[place.Integration] += n
	}
	for integration, n := range counts {
		out <- prometheus.MustNewConstMetric(m.parked, prometheus.GaugeValue, float64(n), integration)
	}
}
