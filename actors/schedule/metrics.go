package schedule

import "github.com/prometheus/client_golang/prometheus"

// Metrics count the schedules and the results of their runs.
type Metrics struct {
	schedules *prometheus.GaugeVec
	runs      *prometheus.CounterVec
	next      prometheus.Gauge
	delay     prometheus.Histogram
}

// The states of a schedule and the results of a run, labels from closed sets.
const (
	stateRunning, stateStopped, stateUnfit       = "running", "stopped", "unfit"
	resultStarted, resultFailed, resultNotMadeUp = "started", "failed", "missed"
)

// NewMetrics returns metrics that reg exposes; a nil reg exposes nothing.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{
		schedules: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "butler_schedules", Help: "Schedules by state: running, stopped, or unfit because of an error in the schedule.",
		}, []string{"state"}),
		runs: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "butler_schedule_runs_total",
			Help: "Runs of schedules: the task was started, could not be started, or the run was missed and skipped.",
		}, []string{"result"}),
		next: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "butler_schedule_next_run_timestamp_seconds", Help: "Time of the next run of any schedule; 0 when none is running.",
		}),
		delay: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "butler_schedule_start_delay_seconds",
			Help:    "Time from the due time of a schedule until Qlik Sense accepted the start of its task, retries included.",
			Buckets: []float64{.1, .25, .5, 1, 2.5, 5, 15, 60, 300, 900, 3600},
		}),
	}
	for _, state := range []string{stateRunning, stateStopped, stateUnfit} {
		m.schedules.WithLabelValues(state)
	}
	for _, result := range []string{resultStarted, resultFailed, resultNotMadeUp} {
		m.runs.WithLabelValues(result)
	}
	if reg != nil {
		reg.MustRegister(m.schedules, m.runs, m.next, m.delay)
	}
	return m
}

func (m *Metrics) ran(result string, count int) { m.runs.WithLabelValues(result).Add(float64(count)) }

// show counts the entries.
func (m *Metrics) show(entries []*entry) {
	counts, next := map[string]int{}, int64(0)
	for _, e := range entries {
		switch {
		case e.problem != "":
			counts[stateUnfit]++
		case e.running():
			counts[stateRunning]++
		default:
			counts[stateStopped]++
		}
		if due := e.due.Unix(); !e.due.IsZero() && (next == 0 || due < next) {
			next = due
		}
	}
	for _, state := range []string{stateRunning, stateStopped, stateUnfit} {
		m.schedules.WithLabelValues(state).Set(float64(counts[state]))
	}
	m.next.Set(float64(next))
}
