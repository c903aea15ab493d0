package kv

import (
	"github.com/prometheus/client_golang/prometheus"

	"butler/messages"
)

// results are the label values for the result of a command.
var results = map[messages.FailureKind]string{
	messages.FailureNone:        "ok",
	messages.FailureNotFound:    "not_found",
	messages.FailureConflict:    "conflict",
	messages.FailureFull:        "full",
	messages.FailureRejected:    "rejected",
	messages.FailureBusy:        "busy",
	messages.FailureUnavailable: "unavailable",
}

// Metrics show the size of the store, and count its operations.
type Metrics struct {
	keys, namespaces, bytes prometheus.Gauge
	expired                 prometheus.Counter
	operations              [operationCount]map[messages.FailureKind]prometheus.Counter
}

// NewMetrics returns metrics that reg exposes; a nil reg exposes nothing.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{
		keys: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "butler_kv_keys", Help: "Keys in the key-value store.",
		}),
		namespaces: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "butler_kv_namespaces", Help: "Namespaces in the key-value store.",
		}),
		bytes: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "butler_kv_size_bytes", Help: "Approximate size of the key-value store: names, keys, values and an overhead for each.",
		}),
		expired: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "butler_kv_expired_total", Help: "Values of the key-value store that were removed because their TTL had passed.",
		}),
	}
	operations := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "butler_kv_operations_total", Help: "Operations of the key-value store by result.",
	}, []string{"operation", "result"})
	for op, name := range operationNames {
		m.operations[op] = map[messages.FailureKind]prometheus.Counter{}
		for kind, result := range results {
			m.operations[op][kind] = operations.WithLabelValues(name, result)
		}
	}
	if reg != nil {
		reg.MustRegister(m.keys, m.namespaces, m.bytes, m.expired, operations)
	}
	return m
}

func (m *Metrics) answered(op operation, failed messages.FailureKind) { m.operations[op][failed].Inc() }

// holds adds to the gauges of keys and bytes.
func (m *Metrics) holds(keys int, bytes int64) {
	m.keys.Add(float64(keys))
	m.bytes.Add(float64(bytes))
}
