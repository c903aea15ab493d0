package engine

import (
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"butler/messages"
)

// The operations of the client, a metric label from a closed set.
const (
	opListApps = "list_apps"
	opDump     = "dump"
	opReload   = "reload"
)

// outcomeOK is the label of what worked; what did not bears the name of its kind.
const outcomeOK = "ok"

// Metrics counts and times conversations with the engine.
type Metrics struct {
	requests *prometheus.CounterVec
	duration *prometheus.HistogramVec
	sessions prometheus.Gauge
}

// NewMetrics returns metrics that reg exposes; a nil reg exposes nothing.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "butler_engine_requests_total",
			Help: "Requests to the Qlik engine to list, dump or reload apps, by operation and outcome.",
		}, []string{"operation", "outcome"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "butler_engine_request_duration_seconds",
			Help:    "Duration of a list, dump or reload, from the connection to the end.",
			Buckets: []float64{.05, .1, .5, 1, 5, 10, 30, 60, 300, 900, 3600, 4 * 3600},
		}, []string{"operation"}),
		sessions: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "butler_engine_sessions",
			Help: "Sessions that are open on the Qlik engine.",
		}),
	}
	for _, operation := range []string{opListApps, opDump, opReload} {
		m.duration.WithLabelValues(operation)
		m.requests.WithLabelValues(operation, outcomeOK)
		for _, kind := range []messages.FailureKind{
			messages.FailureUnavailable, messages.FailureTimeout, messages.FailureBusy,
			messages.FailureNotFound, messages.FailureRejected, messages.FailureInvalid,
		} {
			m.requests.WithLabelValues(operation, kind.String())
		}
	}
	if reg != nil {
		reg.MustRegister(m.requests, m.duration, m.sessions)
	}
	return m
}

func (m *Metrics) opened() { m.sessions.Inc() }
func (m *Metrics) closed() { m.sessions.Dec() }

// observe counts an operation that began at start and ended with *err.
func (c *Client) observe(operation string, start time.Time, err *error) {
	outcome := outcomeOK
	if *err != nil {
		outcome = messages.FailureInvalid.String()
	}
	if failed, ok := errors.AsType[*Error](*err); ok {
		outcome = failed.Kind.String()
	}
	c.metrics.requests.WithLabelValues(operation, outcome).Inc()
	c.metrics.duration.WithLabelValues(operation).Observe(time.Since(start).Seconds())
}
