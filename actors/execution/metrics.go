package execution

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"butler/internal/qlik"
	"butler/messages"
)

// Log times outside these bounds are ignored: they are the result of wrong clocks or
// time zones.
const (
	maxSourceDelay = 15 * time.Minute
	maxClockSkew   = time.Second
)

// Metrics count what becomes of events.
type Metrics struct {
	// processed and processing are by family, executions by type of task and outcome.
	processed  map[messages.Family]*[len(outcomes)]prometheus.Counter
	processing map[messages.Family]prometheus.Observer
	executions map[ended]prometheus.Counter
	// sourceDelay reads log times as local ones of zone.
	sourceDelay prometheus.Histogram
	zone        *time.Location
	duration    *prometheus.HistogramVec
	degraded    prometheus.Counter
	following   prometheus.Gauge
	abandoned   prometheus.Counter
}

// How executions end, labels from a closed set.
const outcomeSuccess, outcomeFailed, outcomeAborted = "success", "failed", "aborted"

// ended is how an execution of a task ended.
type ended struct {
	typ     qlik.TaskType
	outcome string
}

// NewMetrics registers the metrics with reg and creates every series that is known beforehand.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	processed := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "butler_events_processed_total",
		Help: "Events whose handling ended, by what became of them.",
	}, []string{"event_type", "result"})
	executions := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "butler_task_executions_total",
		Help: "Task executions that ended, by task type and outcome.",
	}, []string{"task_type", "outcome"})
	processing := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "butler_event_processing_duration_seconds",
		Help:    "Time from receiving an event until the decision about it is made.",
		Buckets: []float64{.001, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60},
	}, []string{"event_type"})
	m := &Metrics{
		processed:  map[messages.Family]*[len(outcomes)]prometheus.Counter{},
		processing: map[messages.Family]prometheus.Observer{},
		executions: map[ended]prometheus.Counter{},
		zone:       time.Local,
		sourceDelay: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "butler_event_source_delay_seconds",
			Help: "Time from the log time of an event to its receipt. Takes clock and time zone of the nodes to be those of this machine, " +
				"and leaves out what is no time, in the future by a second or older than 15 minutes.",
			Buckets: []float64{.01, .05, .1, .25, .5, 1, 2.5, 5, 15, 60, 300, 900},
		}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "butler_task_execution_duration_seconds",
			Help:    "Duration of task executions whose result was looked up.",
			Buckets: []float64{1, 5, 15, 60, 300, 900, 3600, 4 * 3600},
		}, []string{"task_type", "outcome"}),
		degraded: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "butler_enrichment_degraded_total",
			Help: "Alerts that were decided without some of the look-ups their destinations wanted.",
		}),
		following: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "butler_distribute_tasks_pending",
			Help: "Distribute tasks that are followed until they end.",
		}),
		abandoned: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "butler_distribute_tasks_abandoned_total",
			Help: "Distribute tasks that did not end within the time for which they are followed.",
		}),
	}
	reg.MustRegister(processed, executions, m.duration, processing, m.sourceDelay, m.degraded, m.following, m.abandoned)
	for _, f := range messages.Families() {
		m.processed[f] = new([len(outcomes)]prometheus.Counter)
		for o := range outcomes {
			m.processed[f][o] = processed.WithLabelValues(f.String(), Outcome(o).String())
		}
		m.processing[f] = processing.WithLabelValues(f.String())
	}
	for _, t := range qlik.TaskTypes() {
		for _, outcome := range []string{outcomeSuccess, outcomeFailed, outcomeAborted} {
			m.executions[ended{t, outcome}] = executions.WithLabelValues(t.String(), outcome)
			m.duration.WithLabelValues(t.String(), outcome)
		}
	}
	return m
}

// Asleep adds to the number of followed tasks those of executions without an actor.
func (m *Metrics) Asleep(more int) { m.following.Add(float64(more)) }

// observe counts one Tell.
func (m *Metrics) observe(t *Report) {
	if t.Outcome == OutcomeFollowing {
		return // its end is counted
	}
	if t.Outcome == OutcomeAbandoned {
		m.abandoned.Inc()
		return
	}
	family := t.Alert.Event.Family
	if m.processed[family] == nil {
		return // no family of events
	}
	m.processed[family][t.Outcome].Inc()
	m.processing[family].Observe(t.At.Sub(t.Alert.Event.At).Seconds())
	m.observeSourceDelay(&t.Alert.Event)
	if len(t.Alert.Degraded) > 0 {
		m.degraded.Inc()
	}
	outcome := outcomeLabel(t)
	how := ended{t.Alert.Task.Type, outcome}
	if !t.Alert.Task.Known || m.executions[how] == nil {
		return
	}
	m.executions[how].Inc()
	if t.Alert.Execution.Known && t.Alert.Execution.Duration > 0 {
		m.duration.WithLabelValues(t.Alert.Task.Type.String(), outcome).Observe(t.Alert.Execution.Duration.Round(time.Millisecond).Seconds())
	}
}

// observeSourceDelay observes the time from the log time of an event to its receipt.
func (m *Metrics) observeSourceDelay(e *messages.TaskEvent) {
	logged, ok := e.LoggedAt(m.zone)
	if took := e.At.Sub(logged); ok && took > -maxClockSkew && took < maxSourceDelay {
		m.sourceDelay.Observe(max(took, 0).Seconds())
	}
}

// outcomeLabel returns how the execution ended, "" when that is not known or was counted before.
func outcomeLabel(t *Report) string {
	switch t.Outcome {
	case OutcomeAlerted, OutcomeNobodyNotified, OutcomeNoRoute, OutcomeLogOnly:
	default:
		return ""
	}
	switch {
	case t.Alert.Event.Family == messages.FamilyAborted:
		return outcomeAborted
	case t.Alert.Event.Family == messages.FamilyFailed, t.Alert.Kind == messages.DistributeTaskFailed:
		return outcomeFailed
	case t.Alert.Event.Family == messages.FamilySucceeded, t.Alert.Kind == messages.DistributeTaskSucceeded:
		return outcomeSuccess
	default:
		return ""
	}
}

// TaskMetrics are metrics of single tasks that an operator has chosen. They begin empty.
type TaskMetrics struct {
	mu     sync.Mutex
	series taskSeries // guarded by mu
	// noRoom counts executions of chosen tasks beyond the limit.
	noRoom prometheus.Counter

	info, ended, succeeded, well, failures, took *prometheus.Desc
}

// NewTaskMetrics registers the metrics with reg. Nothing is watched yet.
func NewTaskMetrics(reg prometheus.Registerer) *TaskMetrics {
	desc := func(name, help string, more ...string) *prometheus.Desc {
		return prometheus.NewDesc(name, help, append([]string{"task_id"}, more...), nil)
	}
	m := &TaskMetrics{
		series: taskSeries{tasks: map[string]*watchedTask{}},
		noRoom: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "butler_task_series_limit_reached_total",
			Help: "Executions of tasks without metrics of their own because operations.taskMetrics.maxTasks is reached.",
		}),
		info:      desc("butler_task_info", "Always 1; the labels describe a task that has metrics of its own.", "task_name", "app_name", "task_type"),
		ended:     desc("butler_task_last_execution_timestamp_seconds", "Time at which the last execution of the task was reported."),
		succeeded: desc("butler_task_last_success_timestamp_seconds", "Time at which the last successful execution of the task was reported."),
		well:      desc("butler_task_last_execution_success", "1 when the last execution of the task succeeded, else 0."),
		failures:  desc("butler_task_consecutive_failures", "Failed executions of the task since the last successful one; aborted executions do not count."),
		took:      desc("butler_task_last_execution_duration_seconds", "Duration of the last execution of the task whose result was looked up."),
	}
	reg.MustRegister(m, m.noRoom)
	return m
}

// Watch chooses the tasks. Those that were chosen before keep their values.
func (m *TaskMetrics) Watch(w TaskWatch) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.series.change(w)
}

// observe takes one Tell.
func (m *TaskMetrics) observe(t *Report) {
	outcome := outcomeLabel(t)
	if m == nil || outcome == "" {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.series.take(t.Alert, outcome) {
		m.noRoom.Inc()
	}
}

// Describe implements prometheus.Collector.
func (m *TaskMetrics) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{m.info, m.ended, m.succeeded, m.well, m.failures, m.took} {
		out <- d
	}
}

// Collect implements prometheus.Collector.
func (m *TaskMetrics) Collect(out chan<- prometheus.Metric) {
	for id, task := range m.now() {
		gauge := func(d *prometheus.Desc, value float64, more ...string) {
			out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, append([]string{id}, more...)...)
		}
		gauge(m.info, 1, task.name, task.app, task.typ.String())
		gauge(m.ended, seconds(task.ended))
		gauge(m.failures, float64(task.failures))
		well := 0.0
		if task.well {
			well = 1
		}
		gauge(m.well, well)
		if !task.succeeded.IsZero() {
			gauge(m.succeeded, seconds(task.succeeded))
		}
		if task.took > 0 {
			gauge(m.took, task.took.Seconds())
		}
	}
}

// now copies what is known, so that a slow reader delays no decision.
func (m *TaskMetrics) now() map[string]watchedTask {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := make(map[string]watchedTask, len(m.series.tasks))
	for id, task := range m.series.tasks {
		out[id] = *task
	}
	return out
}

func seconds(at time.Time) float64 { return float64(at.UnixMilli()) / 1000 }
