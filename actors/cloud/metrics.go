package cloud

import (
	"github.com/prometheus/client_golang/prometheus"

	"butler/messages"
)

// Metrics count the outcomes of events of Qlik Cloud, and the look-ups in the tenant.
type Metrics struct {
	events    *prometheus.CounterVec
	decisions *prometheus.CounterVec
	calls     *prometheus.CounterVec
	degraded  prometheus.Counter
	open      prometheus.Gauge
}

// NewMetrics returns metrics that reg exposes; a nil reg exposes nothing.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{
		events: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "butler_cloud_events_total",
			Help: "Events of Qlik Cloud by result: accepted, duplicate, ignored, refused, or busy when the sender has to send the event again.",
		}, []string{"result"}),
		decisions: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "butler_cloud_reloads_decided_total",
			Help: "Failed app reloads in Qlik Cloud: alerted, nobody_notified, no_route, or abandoned, which must be 0.",
		}, []string{"result"}),
		calls: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "butler_cloud_lookups_total", Help: "Look-ups in the tenant of Qlik Cloud by operation and result.",
		}, []string{"operation", "result"}),
		degraded: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "butler_cloud_alerts_degraded_total", Help: "Alerts about Qlik Cloud that were sent without some of the information their destinations wanted.",
		}),
		open: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "butler_cloud_events_open", Help: "Events of Qlik Cloud that are not decided yet.",
		}),
	}
	for _, o := range messages.CloudOutcomes() {
		m.events.WithLabelValues(string(o))
	}
	for _, o := range []string{outcomeAlerted, outcomeNobodyNotified, outcomeNoRoute, outcomeAbandoned} {
		m.decisions.WithLabelValues(o)
	}
	for _, q := range questions {
		for _, r := range []string{resultOK, resultNotFound, resultRefused, resultFailed} {
			m.calls.WithLabelValues(q.label, r)
		}
	}
	if reg != nil {
		reg.MustRegister(m.events, m.decisions, m.calls, m.degraded, m.open)
	}
	return m
}

// Count counts an event by its outcome.
func (m *Metrics) Count(o messages.CloudOutcome) { m.events.WithLabelValues(string(o)).Inc() }

// The results of a look-up.
const (
	resultOK       = "ok"
	resultNotFound = "not_found"
	resultRefused  = "refused"
	resultFailed   = "failed"
)

func (m *Metrics) called(c called) {
	result := resultFailed
	switch {
	case !c.failure.Failed():
		result = resultOK
	case c.failure.Kind == messages.FailureNotFound:
		result = resultNotFound
	case !c.failure.Retryable():
		result = resultRefused
	}
	m.calls.WithLabelValues(questions[c.what].label, result).Inc()
}
