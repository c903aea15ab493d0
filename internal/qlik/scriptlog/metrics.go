package scriptlog

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics counts, times and sizes script log fetches.
type Metrics struct {
	fetches  *prometheus.CounterVec
	duration prometheus.Histogram
	size     prometheus.Histogram
}

// The results of a fetch, a label from a closed set.
const (
	resultFetched = "fetched"
	resultNone    = "none"
	resultFailed  = "failed"
)

// NewMetrics returns metrics that reg exposes; a nil reg exposes nothing.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{
		fetches: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "butler_script_log_fetches_total",
			Help: "Script log fetches by result: fetched, none (there is no log) or failed.",
		}, []string{"result"}),
		duration: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "butler_script_log_fetch_duration_seconds",
			Help:    "Duration of fetching a script log, retries and pauses included.",
			Buckets: []float64{.5, .6, .75, 1, 2, 3, 5, 10, 20, 60, 120},
		}),
		size: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "butler_script_log_size_bytes",
			Help:    "Size of fetched script logs.",
			Buckets: prometheus.ExponentialBuckets(1024, 4, 8),
		}),
	}
	for _, result := range []string{resultFetched, resultNone, resultFailed} {
		m.fetches.WithLabelValues(result)
	}
	if reg != nil {
		reg.MustRegister(m.fetches, m.duration, m.size)
	}
	return m
}

func (m *Metrics) fetched(available bool, size int, err error, took time.Duration) {
	m.duration.Observe(took.Seconds())
	switch {
	case err != nil:
		m.fetches.WithLabelValues(resultFailed).Inc()
	case !available:
		m.fetches.WithLabelValues(resultNone).Inc()
	default:
		m.fetches.WithLabelValues(resultFetched).Inc()
		m.size.Observe(float64(size))
	}
}
