package starttask

import (
	"slices"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics count the outcomes of task starts, and of selectors that found no task
// because they were denied or could not be looked up.
type Metrics struct {
	starts  *prometheus.CounterVec
	watched prometheus.Gauge
}

// wayUnknown is the label for any other Way.
const wayUnknown Way = "unknown"

// NewMetrics returns metrics that reg exposes; a nil reg exposes nothing.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{
		starts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "butler_task_starts_total",
			Help: "Tasks that were to be started from outside, by way in and by what became of it: done, failed, denied, or rehearsed in a dry run.",
		}, []string{"way", "outcome"}),
		watched: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "butler_task_starts_awaited", Help: "Started executions whose caller waits for their end.",
		}),
	}
	for _, way := range []Way{ByREST, ByMQTT, BySchedule, ByReload, wayUnknown} {
		for _, outcome := range []Outcome{Done, Failed, Denied, Rehearsed} {
			m.starts.WithLabelValues(string(way), string(outcome))
		}
	}
	if reg != nil {
		reg.MustRegister(m.starts, m.watched)
	}
	return m
}

func (m *Metrics) count(e Event) {
	if e.Action == StoreValue {
		return
	}
	way := e.Caller.Way
	if !slices.Contains([]Way{ByREST, ByMQTT, BySchedule, ByReload}, way) {
		way = wayUnknown
	}
	m.starts.WithLabelValues(string(way), string(e.Outcome)).Inc()
}
