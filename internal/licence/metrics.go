package licence

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"butler/internal/qlik/qrs"
	"butler/messages"
)

// Metrics are the last readings of the licence monitors.
type Metrics struct {
	expiry, expired    prometheus.Gauge
	assigned, capacity *prometheus.GaugeVec
	released           *prometheus.CounterVec
}

// The ways in which licences are released.
const live, dryRun = "live", "dry_run"

// NewMetrics returns metrics that reg exposes; a nil reg exposes nothing.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{
		expiry: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "butler_qlik_license_expiry_timestamp_seconds", Help: "Expiry time of the Qlik Sense server licence; 0 while it is not known.",
		}),
		expired: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "butler_qlik_license_expired", Help: "1 when Qlik Sense reports that its server licence has expired.",
		}),
		assigned: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "butler_qlik_license_assigned", Help: "Access licences that are assigned to users.",
		}, []string{"license_type"}),
		capacity: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "butler_qlik_license_capacity", Help: "Access licences available in total, assigned or not.",
		}, []string{"license_type"}),
		released: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "butler_qlik_licenses_released_total", Help: "Access licences that were released, or would have been released in a dry run.",
		}, []string{"license_type", "mode"}),
	}
	for _, t := range []qrs.AccessType{qrs.Professional, qrs.Analyzer} {
		m.seats(t, qrs.SeatAccess{})
		m.released.WithLabelValues(t.String(), live)
		m.released.WithLabelValues(t.String(), dryRun)
	}
	if reg != nil {
		reg.MustRegister(m.expiry, m.expired, m.assigned, m.capacity, m.released)
	}
	return m
}

// Server sets the metrics of the server licence.
func (m *Metrics) Server(l messages.License) {
	m.expired.Set(0)
	if l.Expired {
		m.expired.Set(1)
	}
	m.expiry.Set(0)
	if end, known := lastDay(l.ExpiryDate); known {
		m.expiry.Set(float64(end.UnixMilli()) / float64(time.Second/time.Millisecond))
	}
}

// Usage sets the metrics of the access licences.
func (m *Metrics) Usage(o qrs.AccessOverview) {
	m.seats(qrs.Professional, o.Professional)
	m.seats(qrs.Analyzer, o.Analyzer)
}

func (m *Metrics) seats(t qrs.AccessType, s qrs.SeatAccess) {
	m.assigned.WithLabelValues(t.String()).Set(float64(s.Allocated))
	m.capacity.WithLabelValues(t.String()).Set(float64(s.Total))
}

// Decided counts a licence that was released, or would have been.
func (m *Metrics) Decided(of string, e Entry) {
	switch e.Action {
	case ActionReleased:
		m.released.WithLabelValues(of, live).Inc()
	case ActionPlanned:
		m.released.WithLabelValues(of, dryRun).Inc()
	default: // it was not and would not be released
	}
}
