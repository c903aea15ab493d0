package monitor

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics count the probes of the monitors.
type Metrics struct {
	probes      *prometheus.CounterVec
	skips       *prometheus.CounterVec
	alerts      *prometheus.CounterVec
	duration    *prometheus.HistogramVec
	lastSuccess *prometheus.GaugeVec
}

// The results of a probe and the ends of an alert, labels from closed sets.
const (
	resultOK, resultFailed         = "ok", "failed"
	resultRecorded, resultToNobody = "recorded", "nobody_notified"
)

// NewMetrics returns metrics that reg exposes, with a series of each of the
// monitors from the start; a nil reg exposes nothing.
func NewMetrics(reg prometheus.Registerer, monitors ...string) *Metrics {
	label := []string{"monitor"}
	m := &Metrics{
		probes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "butler_monitor_probes_total", Help: "Probes of the monitors by result.",
		}, []string{"monitor", "result"}),
		skips: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "butler_monitor_skipped_total", Help: "Probes that were skipped because the one before had not ended.",
		}, label),
		alerts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "butler_monitor_alerts_total", Help: "Alerts and readings of the monitors: recorded for a destination, or without one.",
		}, []string{"monitor", "result"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "butler_monitor_duration_seconds", Help: "Duration of a probe.", Buckets: []float64{0.01, 0.05, 0.25, 1, 5, 30, 120, 600},
		}, label),
		lastSuccess: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "butler_monitor_last_success_timestamp_seconds", Help: "Time of the last successful probe; 0 before the first.",
		}, label),
	}
	m.Expect(monitors...)
	if reg != nil {
		reg.MustRegister(m.probes, m.skips, m.alerts, m.duration, m.lastSuccess)
	}
	return m
}

// Expect gives each of the monitors its series.
func (m *Metrics) Expect(monitors ...string) {
	for _, name := range monitors {
		for _, result := range []string{resultOK, resultFailed} {
			m.probes.WithLabelValues(name, result)
		}
		for _, result := range []string{resultRecorded, resultToNobody} {
			m.alerts.WithLabelValues(name, result)
		}
		m.skips.WithLabelValues(name)
		m.duration.WithLabelValues(name)
		m.lastSuccess.WithLabelValues(name)
	}
}

func (m *Metrics) probed(name string, took time.Duration, ok bool, at time.Time) {
	result := resultFailed
	if ok {
		result = resultOK
		m.lastSuccess.WithLabelValues(name).Set(float64(at.UnixMilli()) / 1000)
	}
	m.probes.WithLabelValues(name, result).Inc()
	m.duration.WithLabelValues(name).Observe(took.Seconds())
}

func (m *Metrics) skipped(name string) { m.skips.WithLabelValues(name).Inc() }

func (m *Metrics) told(name string, somebody bool) {
	result := resultToNobody
	if somebody {
		result = resultRecorded
	}
	m.alerts.WithLabelValues(name, result).Inc()
}
