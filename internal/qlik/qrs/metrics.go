package qrs

import (
	"errors"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"butler/messages"
)

// Operation names a kind of call: a metric label from a closed set.
type Operation string

// The operations of the client.
const (
	opPing              Operation = "ping"
	opTasks             Operation = "tasks"
	opApps              Operation = "apps"
	opUser              Operation = "user"
	opReloadResult      Operation = "reload_result"
	opExternalResult    Operation = "external_program_result"
	opUserSyncResult    Operation = "user_sync_result"
	opScriptLogTicket   Operation = "script_log_ticket"
	opScriptLogDownload Operation = "script_log_download"
	opTasksByTag        Operation = "tasks_by_tag"
	opTasksByProperty   Operation = "tasks_by_property"
	opStartTask         Operation = "start_task"
	opDefinitions       Operation = "property_definitions"
	opLicence           Operation = "licence"
	opLicenceRelease    Operation = "licence_release"
	opSystemInfo        Operation = "system_info"
)

// Operations lists every operation, for tables and dashboards.
func Operations() []Operation {
	return []Operation{
		opPing, opTasks, opApps, opUser, opReloadResult, opExternalResult, opUserSyncResult,
		opScriptLogTicket, opScriptLogDownload, opTasksByTag, opTasksByProperty, opStartTask,
		opDefinitions, opLicence, opLicenceRelease, opSystemInfo,
	}
}

// Metrics counts and times requests, one series per operation.
type Metrics struct {
	requests *prometheus.CounterVec
	duration *prometheus.HistogramVec
	retries  *prometheus.CounterVec
}

// NewMetrics returns metrics that reg exposes; a nil reg exposes nothing.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "butler_qrs_requests_total",
			Help: "Requests to the Qlik Repository Service by operation and HTTP status; \"timeout\" and \"error\" had no answer.",
		}, []string{"operation", "code"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "butler_qrs_request_duration_seconds",
			Help:    "Duration of one request to the Qlik Repository Service.",
			Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30},
		}, []string{"operation"}),
		retries: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "butler_qrs_retries_total",
			Help: "Requests to the Qlik Repository Service that were retried.",
		}, []string{"operation"}),
	}
	for _, op := range Operations() {
		good := "200"
		if op == opStartTask || op == opLicenceRelease {
			good = "204"
		}
		m.requests.WithLabelValues(string(op), good)
		m.requests.WithLabelValues(string(op), "error")
		m.requests.WithLabelValues(string(op), "timeout")
		m.duration.WithLabelValues(string(op))
		m.retries.WithLabelValues(string(op))
	}
	if reg != nil {
		reg.MustRegister(m.requests, m.duration, m.retries)
	}
	return m
}

func (m *Metrics) request(op Operation, code string, took time.Duration) {
	m.requests.WithLabelValues(string(op), code).Inc()
	m.duration.WithLabelValues(string(op)).Observe(took.Seconds())
}

func (m *Metrics) retry(op Operation) { m.retries.WithLabelValues(string(op)).Inc() }

// codeOf returns the metric label of a request's outcome.
func codeOf(err error, r request) string {
	if err == nil {
		return r.expected()
	}
	failed, ok := errors.AsType[*Error](err)
	switch {
	case ok && failed.status != 0:
		return strconv.Itoa(failed.status)
	case ok && failed.Kind == messages.FailureTimeout:
		return "timeout"
	}
	return "error"
}
