package qrsgate

import (
	"github.com/prometheus/client_golang/prometheus"

	"butler/internal/metrics"
)

// Metrics tell whether the QRS is within reach and how the caches do.
type Metrics struct {
	up      *prometheus.GaugeVec
	host    string
	breaker prometheus.Gauge
	caches  *prometheus.CounterVec
	waiting prometheus.Gauge
	running prometheus.Gauge
}

// NewMetrics returns metrics that reg exposes; a nil reg exposes nothing. host
// is the host name of the QRS, "" when none is configured.
func NewMetrics(reg prometheus.Registerer, host string) *Metrics {
	m := &Metrics{
		up: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "butler_qrs_up", Help: "1 while the Qlik Repository Service can be reached, else 0.",
		}, []string{"host"}),
		breaker: metrics.Breakers(reg).WithLabelValues("qrs"),
		caches: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "butler_qrs_cache_requests_total",
			Help: "Look-ups in a cache by result: hit, miss, or stale when an expired copy was used because the repository could not be reached.",
		}, []string{"cache", "result"}),
		waiting: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "butler_qrs_lookups_waiting", Help: "Look-ups waiting for an answer.",
		}),
		running: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "butler_qrs_calls_running", Help: "Calls to the Qlik Repository Service in progress.",
		}),
	}
	for op := range operation(operationCount) {
		if !operations[op].cached {
			continue
		}
		for _, result := range []string{cacheHit, cacheMiss, cacheStale} {
			m.caches.WithLabelValues(op.String(), result)
		}
	}
	m.setHost(host)
	if reg != nil {
		reg.MustRegister(m.up, m.caches, m.waiting, m.running)
	}
	return m
}

// setHost sets the host of the QRS.
func (m *Metrics) setHost(host string) {
	m.up.Reset()
	m.host = host
	m.up.WithLabelValues(host).Set(0)
}

func (m *Metrics) health(up, open bool) {
	m.up.WithLabelValues(m.host).Set(truth(up))
	m.breaker.Set(truth(open))
}

func (m *Metrics) cache(c countCache) { m.caches.WithLabelValues(c.Op.String(), c.Result).Inc() }

func (m *Metrics) load(waiting, running int) {
	m.waiting.Set(float64(waiting))
	m.running.Set(float64(running))
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
