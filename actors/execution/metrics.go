package execution

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"butler/internal/qlik"
	"butler/messages"
)

// Metrics count what becomes of events.
type Metrics struct {
	processed  *prometheus.CounterVec
	executions *prometheus.CounterVec
	duration   *prometheus.HistogramVec
	processing *prometheus.HistogramVec
	degraded   prometheus.Counter
	following  prometheus.Gauge
	abandoned  prometheus.Counter
}

// NewMetrics registers the metrics with reg and creates every series that is known beforehand.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{
		processed: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "butler_events_processed_total",
			Help: "Events whose handling ended, by what became of them.",
		}, []string{"event_type", "result"}),
		executions: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "butler_task_executions_total",
			Help: "Task executions that ended, by task type and outcome.",
		}, []string{"task_type", "outcome"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "butler_task_execution_duration_seconds",
			Help:    "Duration of task executions whose result was looked up.",
			Buckets: []float64{1, 5, 15, 60, 300, 900, 3600, 4 * 3600},
		}, []string{"task_type", "outcome"}),
		processing: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "butler_event_processing_duration_seconds",
			Help:    "Time from the receipt of an event to the decision about it.",
			Buckets: []float64{.001, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60},
		}, []string{"event_type"}),
		degraded: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "butler_enrichment_degraded_total",
			Help: "Alerts decided without everything their destinations wanted looked up.",
		}),
		following: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "butler_distribute_tasks_pending",
			Help: "Distribute tasks that are followed until they end.",
		}),
		abandoned: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "butler_distribute_tasks_abandoned_total",
			Help: "Distribute tasks that never ended within the time they are followed.",
		}),
	}
	reg.MustRegister(m.processed, m.executions, m.duration, m.processing, m.degraded, m.following, m.abandoned)
	for _, f := range messages.Families() {
		for o := range outcomes {
			m.processed.WithLabelValues(f.String(), Outcome(o).String())
		}
		m.processing.WithLabelValues(f.String())
	}
	for _, t := range qlik.TaskTypes() {
		for _, outcome := range []string{"success", "failed", "aborted"} {
			m.executions.WithLabelValues(t.String(), outcome)
			m.duration.WithLabelValues(t.String(), outcome)
		}
	}
	return m
}

// observe counts one Tell.
func (m *Metrics) observe(t Tell) {
	if t.Outcome == OutcomeFollowing {
		return // its end is counted
	}
	if t.Outcome == OutcomeAbandoned {
		m.abandoned.Inc()
		return
	}
	m.processed.WithLabelValues(t.Alert.Event.Family.String(), t.Outcome.String()).Inc()
	m.processing.WithLabelValues(t.Alert.Event.Family.String()).Observe(t.At.Sub(t.Alert.Event.At).Seconds())
	if len(t.Alert.Degraded) > 0 {
		m.degraded.Inc()
	}
	outcome := outcomeLabel(t)
	if !t.Alert.Task.Known || outcome == "" {
		return
	}
	m.executions.WithLabelValues(t.Alert.Task.Type.String(), outcome).Inc()
	if t.Alert.Execution.Known && t.Alert.Execution.Duration > 0 {
		m.duration.WithLabelValues(t.Alert.Task.Type.String(), outcome).Observe(t.Alert.Execution.Duration.Round(time.Millisecond).Seconds())
	}
}

// outcomeLabel tells how the execution ended; "" where that is not known or was counted before.
func outcomeLabel(t Tell) string {
	switch t.Outcome {
	case OutcomeAlerted, OutcomeNobodyTold, OutcomeNoRoute, OutcomeLogOnly:
	default:
		return ""
	}
	switch {
	case t.Alert.Event.Family == messages.FamilyAborted:
		return "aborted"
	case t.Alert.Event.Family == messages.FamilyFailed, t.Alert.Kind == messages.DistributeTaskFailed:
		return "failed"
	case t.Alert.Event.Family == messages.FamilySucceeded, t.Alert.Kind == messages.DistributeTaskSucceeded:
		return "success"
	default:
		return ""
	}
}
