package app

import (
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"butler/internal/journal"
	"butler/messages"
	"butler/supervisors"
)

// registerJournal exposes the sizes of the journal, read when they are asked for.
func registerJournal(reg prometheus.Registerer, queue *journal.Queue, ledger *journal.Ledger) {
	gauge := func(name, help string, read func() float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, read)
	}
	replayed := prometheus.NewCounter(prometheus.CounterOpts{
		Name: "butler_journal_replayed_records_total",
		Help: "Events that an earlier process left undecided and that were read from the journal again.",
	})
	replayed.Add(float64(queue.Stats().Entries))
	reg.MustRegister(replayed,
		gauge("butler_journal_size_bytes", "Size of the events log on disk.", func() float64 { return float64(queue.Stats().Bytes) }),
		gauge("butler_journal_unprocessed_records", "Events in the journal that are not decided yet.", func() float64 { return float64(queue.Stats().Entries) }),
		gauge("butler_journal_oldest_unprocessed_timestamp_seconds", "When the oldest of them was journalled; 0 when there is none.", func() float64 {
			if at := queue.Stats().Oldest; !at.IsZero() {
				return float64(at.UnixMilli()) / 1000
			}
			return 0
		}),
		gauge("butler_journal_writable", "1 while the journal can be written.", func() float64 {
			if queue.Writable() != nil || ledger.Writable() != nil {
				return 0
			}
			return 1
		}),
		gauge("butler_ledger_keys", "Keys of the ledger.", func() float64 { return float64(ledger.Stats().Keys) }),
		gauge("butler_ledger_live_bytes", "Size of the live entries of the ledger.", func() float64 { return float64(ledger.Stats().LiveBytes) }),
		gauge("butler_ledger_size_bytes", "Size of the ledger's log on disk.", func() float64 { return float64(ledger.Stats().LogBytes) }),
	)
}

// registerTrail shows the notes that explanations are made of.
func registerTrail(reg prometheus.Registerer, notes *journal.Notes) {
	reg.MustRegister(
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "butler_trail_size_bytes", Help: "Size on disk of the notes for butler explain.",
		}, func() float64 { return float64(notes.Stats().Bytes) }),
		prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "butler_trail_dropped_total", Help: "Steps missing from butler explain because they could not be written in time.",
		}, func() float64 { return float64(notes.Stats().Dropped) }),
	)
}

// journalAppends returns a function that counts the writes of all logs.
func journalAppends(reg prometheus.Registerer) func(took time.Duration, err error) {
	appends := prometheus.NewCounter(prometheus.CounterOpts{
		Name: "butler_journal_appends_total", Help: "Records written to the journal.",
	})
	failed := prometheus.NewCounter(prometheus.CounterOpts{
		Name: "butler_journal_append_errors_total", Help: "Failed attempts to write a record; each is retried.",
	})
	took := prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: "butler_journal_fsync_duration_seconds", Help: "Duration of writing one record to the journal until it is on disk.",
		Buckets: prometheus.ExponentialBuckets(0.0001, 2, 15),
	})
	reg.MustRegister(appends, failed, took)
	return func(d time.Duration, err error) {
		if err != nil {
			failed.Inc()
			return
		}
		appends.Inc()
		took.Observe(d.Seconds())
	}
}

// templateErrors counts failed uses of templates.
type templateErrors struct{ *prometheus.CounterVec }

func newTemplateErrors(reg prometheus.Registerer) *templateErrors {
	failed := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "butler_template_errors_total",
		Help: "Messages for which a configured template could not be used, so that the default layout was sent; retries included.",
	}, []string{"integration"})
	reg.MustRegister(failed)
	return &templateErrors{failed}
}

// of returns a function that counts for one integration. Its series exists from then on.
func (t *templateErrors) of(integration string) func() { return t.WithLabelValues(integration).Inc }

// newCertificateExpiry registers the metric of when certificates expire.
func newCertificateExpiry(reg prometheus.Registerer) *prometheus.GaugeVec {
	expiry := prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "butler_certificate_expiry_timestamp_seconds",
		Help: "Expiry time of the certificates that the service uses for a purpose, as last read; the earliest of them.",
	}, []string{"purpose"})
	reg.MustRegister(expiry)
	return expiry
}

// components exposes the health board: 1 for a component that is up.
type components struct {
	board *supervisors.Board
	up    *prometheus.Desc
}

func newComponents(board *supervisors.Board) *components {
	return &components{board, prometheus.NewDesc("butler_component_up",
		"1 while a component is up, 0 while it is degraded or down; /health has the reason.", []string{"component"}, nil)}
}

// Describe implements prometheus.Collector.
func (c *components) Describe(out chan<- *prometheus.Desc) { out <- c.up }

// Collect implements prometheus.Collector.
func (c *components) Collect(out chan<- prometheus.Metric) {
	_, all := c.board.Report()
	for _, one := range all {
		up := 0.0
		if one.State == supervisors.Up {
			up = 1
		}
		out <- prometheus.MustNewConstMetric(c.up, prometheus.GaugeValue, up, one.Name)
	}
}

// measured holds the sum over all series of each metric, by the name of the metric.
// The series of distribute tasks are there separately too, under distributePart.
type measured map[string]histogram

// distributePart returns the key in measured of a metric's series for distribute tasks.
func distributePart(name string) string { return name + "/" + messages.FamilyDistribute.String() }

// histogram is a sum of histograms with the same buckets. Of a counter or a gauge it
// has only sum.
type histogram struct {
	count, sum float64
	// bounds are the upper bounds of the buckets, below their cumulative counts.
	bounds, below []float64
}

// measure gathers all metrics.
func measure(reg prometheus.Gatherer) (measured, error) {
	families, err := reg.Gather()
	if err != nil {
		return nil, fmt.Errorf("read the metrics: %w", err)
	}
	out := measured{}
	for _, f := range families {
		name := f.GetName()
		for _, m := range f.GetMetric() {
			h := m.GetHistogram()
			one := histogram{count: float64(h.GetSampleCount()), sum: m.GetCounter().GetValue() + m.GetGauge().GetValue() + h.GetSampleSum()}
			for _, b := range h.GetBucket() {
				one.bounds, one.below = append(one.bounds, b.GetUpperBound()), append(one.below, float64(b.GetCumulativeCount()))
			}
			out[name] = out[name].with(one)
			for _, l := range m.GetLabel() {
				if l.GetName() == "event_type" && l.GetValue() == messages.FamilyDistribute.String() {
					out[distributePart(name)] = one
				}
			}
		}
	}
	return out, nil
}

// with adds two histograms. The zero histogram has no buckets.
func (h histogram) with(other histogram) histogram {
	out := histogram{count: h.count + other.count, sum: h.sum + other.sum, bounds: h.bounds, below: slices.Clone(h.below)}
	if len(out.bounds) < len(other.bounds) {
		out.bounds = other.bounds
	}
	for i, n := range other.below {
		if i == len(out.below) {
			out.below = append(out.below, 0)
		}
		out.below[i] += n
	}
	return out
}

func (m measured) total(name string) float64       { return m[name].sum }
func (m measured) histogram(name string) histogram { return m[name] }

// since subtracts an earlier reading.
func (h histogram) since(was histogram) histogram {
	out := histogram{count: h.count - was.count, sum: h.sum - was.sum, bounds: h.bounds}
	for i, n := range h.below {
		if i < len(was.below) {
			n -= was.below[i]
		}
		out.below = append(out.below, n)
	}
	return out
}

func (h histogram) mean() float64 {
	if h.count == 0 {
		return 0
	}
	return h.sum / h.count
}

// quantile returns the upper bound of the bucket that holds the quantile q, the last
// bound for what is above it, and 0 for an empty histogram.
func (h histogram) quantile(q float64) float64 {
	if h.count == 0 || len(h.bounds) == 0 {
		return 0
	}
	for i, n := range h.below {
		if n >= q*h.count {
			return h.bounds[i]
		}
	}
	return h.bounds[len(h.bounds)-1]
}

// reloadMetrics tell how the last reload of the configuration went.
type reloadMetrics struct {
	successful, at prometheus.Gauge
	reloads        *prometheus.CounterVec
}

// newReloadMetrics registers the metrics. taken is when the configuration in force was
// loaded.
func newReloadMetrics(reg prometheus.Registerer, taken time.Time) *reloadMetrics {
	m := &reloadMetrics{
		successful: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "butler_config_last_reload_successful", Help: "1 when the last configuration that was read is in force, 0 when it was refused.",
		}),
		at: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "butler_config_last_reload_success_timestamp_seconds", Help: "Time at which the configuration in force was loaded.",
		}),
		reloads: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "butler_config_reloads_total", Help: "Reloads of the configuration by trigger and result.",
		}, []string{"trigger", "result"}),
	}
	for _, trigger := range []Trigger{BySignal, ByFile, ByAPI} {
		for _, result := range []string{reloadApplied, reloadRefused} {
			m.reloads.WithLabelValues(string(trigger), result)
		}
	}
	m.successful.Set(1)
	m.at.Set(float64(taken.Unix()))
	reg.MustRegister(m.successful, m.at, m.reloads)
	return m
}

// The results of a reload, labels from a closed set.
const reloadApplied, reloadRefused = "applied", "refused"

func (m *reloadMetrics) observe(r Reloaded) {
	if !r.Applied {
		m.successful.Set(0)
		m.reloads.WithLabelValues(string(r.Trigger), reloadRefused).Inc()
		return
	}
	m.successful.Set(1)
	m.at.Set(float64(r.At.Unix()))
	m.reloads.WithLabelValues(string(r.Trigger), reloadApplied).Inc()
}

// discardRegistry returns a registry that is not exposed.
func discardRegistry() *prometheus.Registry { return prometheus.NewRegistry() }

// sharedMetrics returns the metrics of type M, which it registers at the first call.
// All generations share them, so that a reload never sets a counter back.
func sharedMetrics[M any](a *App, register func(prometheus.Registerer) *M) *M {
	kind := reflect.TypeFor[M]()
	if metrics, ok := a.shared[kind].(*M); ok {
		return metrics
	}
	metrics := register(a.reg)
	a.shared[kind] = metrics
	return metrics
}
