package notify

import (
	"github.com/prometheus/client_golang/prometheus"

	"butler/internal/outbox"
)

// parkedMetric counts the parked notices when it is asked to.
type parkedMetric struct {
	outbox       *outbox.Outbox
	integrations []string
	desc         *prometheus.Desc
}

// RegisterMetrics exposes how many notices are parked, by integration. The named
// integrations have a series from the start.
func RegisterMetrics(reg prometheus.Registerer, o *outbox.Outbox, integrations ...string) {
	reg.MustRegister(&parkedMetric{
		outbox: o, integrations: integrations,
		desc: prometheus.NewDesc("butler_dead_letters",
			"Parked notices that wait for an operator.", []string{"integration"}, nil),
	})
}

// Describe implements prometheus.Collector.
func (m *parkedMetric) Describe(out chan<- *prometheus.Desc) { out <- m.desc }

// Collect implements prometheus.Collector.
func (m *parkedMetric) Collect(out chan<- prometheus.Metric) {
	counts := map[string]int{}
	for _, name := range m.integrations {
		counts[name] = 0
	}
	for place, n := range m.outbox.ParkedCounts() {
		counts[place.Integration] += n
	}
	for integration, n := range counts {
		out <- prometheus.MustNewConstMetric(m.desc, prometheus.GaugeValue, float64(n), integration)
	}
}
