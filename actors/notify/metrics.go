package notify

import (
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"butler/internal/destination"
	"butler/internal/outbox"
)

// Metrics count parked notices.
type Metrics struct {
	outbox       *outbox.Outbox
	mu           sync.Mutex
	integrations map[string]struct{} // guarded by mu
	parked       *prometheus.Desc
	dropped      *prometheus.CounterVec
}

// NewMetrics registers the metrics with reg and creates the series of the instances in built.
func NewMetrics(reg prometheus.Registerer, o *outbox.Outbox, built []destination.Built) *Metrics {
	m := &Metrics{
		outbox: o, integrations: map[string]struct{}{},
		parked: prometheus.NewDesc("butler_dead_letters",
			"Parked notices that wait for an operator.", []string{"integration"}, nil),
		dropped: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "butler_dead_letters_dropped_total",
			Help: "Parked notices that were dropped because of their age or number.",
		}, []string{"integration", "receiver"}),
	}
	m.expect(built)
	reg.MustRegister(m, m.dropped)
	return m
}

// expect creates the series of instances.
func (m *Metrics) expect(built []destination.Built) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, b := range built {
		m.integrations[b.Instance.Integration] = struct{}{}
		m.dropped.WithLabelValues(b.Instance.Integration, b.Instance.Name)
	}
}

// Describe implements prometheus.Collector.
func (m *Metrics) Describe(out chan<- *prometheus.Desc) { out <- m.parked }

// Collect implements prometheus.Collector: it counts the parked notices when it is asked to.
func (m *Metrics) Collect(out chan<- prometheus.Metric) {
	counts := map[string]int{}
	m.mu.Lock()
	for name := range m.integrations {
		counts[name] = 0
	}
	m.mu.Unlock()
	for place, n := range m.outbox.ParkedCounts() {
		counts[place.Integration] += n
	}
	for integration, n := range counts {
		out <- prometheus.MustNewConstMetric(m.parked, prometheus.GaugeValue, float64(n), integration)
	}
}
