package winsvc

import (
	"github.com/prometheus/client_golang/prometheus"

	"butler/messages"
)

// Metrics show which of the watched services run. Their labels are the host and service
// names of the configuration.
type Metrics struct {
	running     *prometheus.GaugeVec
	transitions *prometheus.CounterVec
}

// changes are the labels of the alerted changes.
var changes = map[messages.AlertKind]string{messages.ServiceStarted: "started", messages.ServiceStopped: "stopped"}

// NewMetrics returns metrics that reg exposes; a nil reg exposes nothing.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	labels := []string{"host", "service"}
	m := &Metrics{
		running: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "butler_windows_service_running",
			Help: "1 while a watched Windows service runs, 0 while it is in any other state; absent while its state is unknown.",
		}, labels),
		transitions: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "butler_windows_service_transitions_total", Help: "Windows services that stopped or started, without changes held back by flap damping.",
		}, append(labels, "to")),
	}
	if reg != nil {
		reg.MustRegister(m.running, m.transitions)
	}
	return m
}

// Expect creates the series of a service.
func (m *Metrics) Expect(host, service string) {
	for _, to := range changes {
		m.transitions.WithLabelValues(host, service, to)
	}
}

// Seen sets the state of a service.
func (m *Metrics) Seen(host, service string, s State) {
	running := 0.0
	if s == Running {
		running = 1
	}
	m.running.WithLabelValues(host, service).Set(running)
}

// Unknown removes the state of a service that could not be queried.
func (m *Metrics) Unknown(host, service string) { m.running.DeleteLabelValues(host, service) }

// Changed counts a change that is alerted.
func (m *Metrics) Changed(host, service string, kind messages.AlertKind) {
	m.transitions.WithLabelValues(host, service, changes[kind]).Inc()
}
