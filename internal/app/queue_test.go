package app

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"butler/config"
	"butler/messages"
	"butler/supervisors"
)

func TestSpoken_saysDurationsInWords(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0 seconds", time.Second: "1 second", 61 * time.Minute: "1 hour 1 minute",
		26*time.Hour + 5*time.Minute + 3*time.Second: "1 day 2 hours 5 minutes 3 seconds", 800 * 24 * time.Hour: "800 days",
	} {
		if got := inWords(d); got != want {
			t.Errorf("%s: want %q, got %q", d, want, got)
		}
	}
}

// A probe may run as soon as its actor lives.
func TestTree_hasTheIntakeBeforeTheMonitorThatAsksIt(t *testing.T) {
	path := filepath.Join(t.TempDir(), "butler.yaml")
	if err := os.WriteFile(path, []byte("Butler: {udpServerConfig: {enable: true}}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(config.Options{Path: path, Schemas: Schemas(), Environ: []string{}})
	if err != nil {
		t.Fatal(err)
	}
	g := &generation{App: &App{reg: prometheus.NewRegistry(), shared: map[reflect.Type]any{}}, cfg: cfg}
	g.add(part{actors: []supervisors.Child{{Name: monitorRow{name: "udp_queue"}.actorName()}}})
	var names []string
	for _, row := range g.children() {
		names = append(names, row.Name)
	}
	intake, monitor := slices.Index(names, "ingest"), slices.Index(names, "monitor/udp_queue")
	if intake < 0 || monitor < intake {
		t.Errorf("want the intake before its monitor, got %v", names)
	}
}

// numbers are the fields of the one point of a reading.
func numbers(t *testing.T, q *queueReader) map[string]float64 {
	t.Helper()
	report, err := q.read(t.Context(), time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]float64{}
	for _, f := range report.Alerts[0].Points[0].Fields {
		out[f.Name] = f.Number
	}
	return out
}

func TestQueueReader_tellsWhatHasComeSinceTheLastPoint(t *testing.T) {
	var intake messages.IngestSnapshot
	read := measured{}
	q := &queueReader{
		groups: allGroups, host: "BUTLER-01", intake: func(context.Context) (messages.IngestSnapshot, error) { return intake, nil },
		metrics: func() (measured, error) { return read, nil },
	}
	want := func(when string, fields map[string]float64) {
		t.Helper()
		got := numbers(t, q)
		if len(got) != 19 {
			t.Errorf("%s: want all 19 fields, got %v", when, got)
		}
		for name, n := range fields {
			if got[name] != n {
				t.Errorf("%s: %s: want %v, got %v", when, name, n, got[name])
			}
		}
	}
	intake = messages.IngestSnapshot{
		Received: 12, Queued: 10, Failed: 1, Dropped: 2, DroppedSize: 2, Backlog: 50, QueueMaxSize: 200, BackpressureActive: true, RateLimitCurrent: 7,
	}
	read = measured{
		metricProcessed: {sum: 6}, metricDuplicates: {sum: 3}, metricRemembered: {sum: 6},
		metricProcessing: {count: 6, sum: 3, bounds: []float64{0.1, 1, 10}, below: []float64{5, 6, 6}},
	}
	want("first", map[string]float64{
		"messages_received": 12, "messages_queued": 7, "messages_processed": 6, "messages_failed": 1, "messages_dropped_total": 5,
		"messages_dropped_size": 2, "messages_dropped_duplicate": 3, "queue_size": 50, "queue_max_size": 200, fieldUtilisation: 25,
		"deduplication_cache_size": 6, "processing_time_avg_ms": 500, "processing_time_p95_ms": 1000, "processing_time_max_ms": 1000,
		"rate_limit_current": 7, "backpressure_active": 1,
	})
	want("nothing new", map[string]float64{
		"messages_received": 0, "messages_queued": 0, "messages_processed": 0, "messages_dropped_total": 0, "processing_time_avg_ms": 0,
		"processing_time_p95_ms": 0, "queue_size": 50, "deduplication_cache_size": 6,
	})
	intake.Received, intake.Queued = 2, 2
	want("after a restart of the intake", map[string]float64{"messages_received": 2, "messages_queued": 2})
}

func TestQueueReader_leavesOutWhatIsSwitchedOff(t *testing.T) {
	q := &queueReader{
		intake:  func(context.Context) (messages.IngestSnapshot, error) { return messages.IngestSnapshot{}, nil },
		metrics: func() (measured, error) { return measured{}, nil },
		groups:  allGroups,
	}
	fields := 0
	for _, off := range []*queueGroup{
		&q.groups.DropCounters, &q.groups.MessageCounters, &q.groups.QueueState, &q.groups.ProcessingTimes, &q.groups.Dedup, &q.groups.RateLimit,
	} {
		q.groups = allGroups
		off.Enable = false
		left := numbers(t, q)
		if len(left) == 19 {
			t.Errorf("want some of the 19 fields left out without %+v", q.groups)
		}
		fields += 19 - len(left)
	}
	if fields != 19 {
		t.Errorf("want every field to have one switch, got %d", fields)
	}
	q.groups = queueGroups{}
	if report, err := q.read(t.Context(), time.Time{}); err != nil || len(report.Alerts) != 0 {
		t.Errorf("want no point without fields, got %+v, %v", report.Alerts, err)
	}
}

// allGroups has all fields.
var allGroups = queueGroups{queueGroup{true}, queueGroup{true}, queueGroup{true}, queueGroup{true}, queueGroup{true}, queueGroup{true}}

// A distribute task is followed for hours: how long it took says nothing of the intake.
func TestQueueReader_leavesOutHowLongDistributeTasksTake(t *testing.T) {
	reg := prometheus.NewRegistry()
	took := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: metricProcessing, Help: "Time.", Buckets: []float64{1, 10, 3600}}, []string{"event_type"})
	reg.MustRegister(took)
	took.WithLabelValues(messages.FamilyFailed.String()).Observe(0.5)
	took.WithLabelValues(messages.FamilyDistribute.String()).Observe(3000)
	q := &queueReader{
		intake:  func(context.Context) (messages.IngestSnapshot, error) { return messages.IngestSnapshot{}, nil },
		metrics: func() (measured, error) { return measure(reg) },
		groups:  allGroups,
	}
	for _, want := range []map[string]float64{
		{"processing_time_avg_ms": 500, "processing_time_p95_ms": 1000, "processing_time_max_ms": 1000},
		{"processing_time_avg_ms": 0, "processing_time_p95_ms": 0, "processing_time_max_ms": 0},
	} {
		got := numbers(t, q)
		for name, n := range want {
			if got[name] != n {
				t.Errorf("%s: want %v, got %v", name, n, got[name])
			}
		}
		took.WithLabelValues(messages.FamilyDistribute.String()).Observe(20)
	}
}

func TestQueueReader_countsAgainWhatCouldNotBeRead(t *testing.T) {
	var trouble error
	intake := messages.IngestSnapshot{Received: 1}
	q := &queueReader{
		intake:  func(context.Context) (messages.IngestSnapshot, error) { return intake, trouble },
		metrics: func() (measured, error) { return measured{}, nil },
		groups:  allGroups,
	}
	numbers(t, q)
	intake.Received, trouble = 5, errors.New("busy")
	if _, err := q.read(t.Context(), time.Time{}); err == nil {
		t.Error("want the failure told")
	}
	trouble = nil
	if got := numbers(t, q)["messages_received"]; got != 4 {
		t.Errorf("want what came meanwhile, got %v", got)
	}
}

func TestMeasure_addsUpTheSeriesOfAMetric(t *testing.T) {
	reg := prometheus.NewRegistry()
	events := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "events_total", Help: "Events."}, []string{"type"})
	took := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "took_seconds", Help: "Time.", Buckets: []float64{1, 2}}, []string{"type"})
	reg.MustRegister(events, took)
	events.WithLabelValues("a").Add(2)
	events.WithLabelValues("b").Add(3)
	took.WithLabelValues("a").Observe(0.5)
	took.WithLabelValues("b").Observe(1.5)
	took.WithLabelValues("b").Observe(7)
	read, err := measure(reg)
	if err != nil {
		t.Fatal(err)
	}
	h := read.histogram("took_seconds")
	if read.total("events_total") != 5 || h.mean() != 3 || h.quantile(0.3) != 1 || h.quantile(0.6) != 2 || h.quantile(1) != 2 {
		t.Errorf("got %+v", read)
	}
}
