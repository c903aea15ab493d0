package delivery

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"butler/internal/destination"
	"butler/internal/metrics"
	"butler/internal/outbox"
	"butler/messages"
)

// Metrics count what is sent. One value serves all delivery actors of a process.
type Metrics struct {
	notices, requests, requestsFailed, failed, retries *prometheus.CounterVec
	latency, endToEnd                                  *prometheus.HistogramVec
	queued, oldest, lastSuccess                        *prometheus.GaugeVec
	parked, suppressed                                 *prometheus.CounterVec
	breakers                                           *prometheus.GaugeVec
	// accepted is when an instance accepted something last, an *atomic.Pointer by its
	// name. Like the gauge it outlives the actors.
	accepted sync.Map
}

// NewMetrics registers the metrics with reg; a nil reg exposes nothing.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	if reg == nil {
		reg = prometheus.NewRegistry()
	}
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
		reg.MustRegister(c)
		return c
	}
	gauge := func(name, help string, labels ...string) *prometheus.GaugeVec {
		g := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: help}, labels)
		reg.MustRegister(g)
		return g
	}
	histogram := func(name, help string, buckets ...float64) *prometheus.HistogramVec {
		h := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets}, []string{"integration"})
		reg.MustRegister(h)
		return h
	}
	return &Metrics{
		notices: counter("butler_notifications_total",
			"Notices handed to a destination, repetitions included.", "integration", "receiver"),
		failed: counter("butler_notifications_failed_total",
			"Notices that a destination did not accept, repetitions included.", "integration", "receiver", "reason"),
		requests: counter("butler_notification_requests_total",
			"Attempts to deliver one notice or a batch of them.", "integration", "receiver"),
		requestsFailed: counter("butler_notification_requests_failed_total",
			"Delivery attempts that failed.", "integration", "receiver"),
		retries: counter("butler_notification_retries_total",
			"Notices that were queued again for a retry.", "integration", "receiver"),
		latency: histogram("butler_notification_latency_seconds",
			"Duration of one delivery attempt.", .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 20),
		endToEnd: histogram("butler_notification_end_to_end_duration_seconds",
			"Time from receiving an event until a destination accepted a notice about it.",
			.01, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200, 86400),
		queued: gauge("butler_notification_queue_length",
			"Notices that are neither delivered, held back nor parked yet.", "integration", "receiver"),
		oldest: gauge("butler_notification_oldest_queued_timestamp_seconds",
			"When the oldest of the queued notices was queued; 0 when there is none.", "integration", "receiver"),
		lastSuccess: gauge("butler_destination_last_success_timestamp_seconds",
			"When a destination accepted a notice last; 0 before the first.", "integration", "receiver"),
		parked: counter("butler_notifications_dead_lettered_total",
			"Notices that were parked.", "integration", "reason"),
		suppressed: counter("butler_alerts_suppressed_total",
			"Notices that were held back on purpose.", "reason"),
		breakers: metrics.Breakers(reg),
	}
}

// The reasons for which delivery suppresses.
const (
	rateLimited = "rate_limited"
	outdated    = "outdated"
)

// suppressedBy returns the reason of a notice that was suppressed.
func suppressedBy(o outbox.Outcome) string {
	if o.Outdated {
		return outdated
	}
	return rateLimited
}

// meter is the metrics of one instance, every series created.
type meter struct {
	notices, requests, requestsFailed, retries prometheus.Counter
	queued, oldest, lastSuccess, breaker       prometheus.Gauge
	latency, endToEnd                          prometheus.Observer
	failed, suppressed                         map[string]prometheus.Counter
	parked                                     map[outbox.ParkCause]prometheus.Counter
	accepted                                   *atomic.Pointer[time.Time]
}

func (m *Metrics) of(i destination.Instance) meter {
	failed := map[string]prometheus.Counter{}
	for _, label := range failureLabels() {
		failed[label] = m.failed.WithLabelValues(i.Integration, i.Name, label)
	}
	suppressed := map[string]prometheus.Counter{}
	for _, reason := range []string{rateLimited, outdated} {
		suppressed[reason] = m.suppressed.WithLabelValues(reason)
	}
	parked := map[outbox.ParkCause]prometheus.Counter{}
	for _, cause := range outbox.ParkCauses() {
		parked[cause] = m.parked.WithLabelValues(i.Integration, string(cause))
	}
	accepted, _ := m.accepted.LoadOrStore(i.Name, new(atomic.Pointer[time.Time]))
	return meter{
		accepted:       accepted.(*atomic.Pointer[time.Time]),
		notices:        m.notices.WithLabelValues(i.Integration, i.Name),
		requests:       m.requests.WithLabelValues(i.Integration, i.Name),
		requestsFailed: m.requestsFailed.WithLabelValues(i.Integration, i.Name),
		retries:        m.retries.WithLabelValues(i.Integration, i.Name),
		suppressed:     suppressed,
		queued:         m.queued.WithLabelValues(i.Integration, i.Name),
		oldest:         m.oldest.WithLabelValues(i.Integration, i.Name),
		lastSuccess:    m.lastSuccess.WithLabelValues(i.Integration, i.Name),
		breaker:        m.breakers.WithLabelValues(i.Name),
		latency:        m.latency.WithLabelValues(i.Integration),
		endToEnd:       m.endToEnd.WithLabelValues(i.Integration),
		failed:         failed,
		parked:         parked,
	}
}

// CountParked counts a notice that was parked without a delivery actor.
func (m *Metrics) CountParked(end messages.NoticeSettled, cause outbox.ParkCause) {
	m.parked.WithLabelValues(end.Integration, string(cause)).Inc()
}

// Forget removes the gauges of an instance that is not configured any more. Its
// counters stay.
func (m *Metrics) Forget(instance string) {
	for _, shown := range []*prometheus.GaugeVec{m.queued, m.oldest, m.lastSuccess} {
		shown.DeletePartialMatch(prometheus.Labels{"receiver": instance})
	}
	m.breakers.DeleteLabelValues(instance)
	m.accepted.Delete(instance)
}

// acceptedLast returns when the instance accepted something last, in this life of the
// actor or an earlier one.
func (m meter) acceptedLast() time.Time {
	if at := m.accepted.Load(); at != nil {
		return *at
	}
	return time.Time{}
}

// attempt counts one attempt and what it did to its notices.
func (m meter) attempt(a attempted) {
	if !a.called {
		return
	}
	m.requests.Inc()
	m.latency.Observe(a.took.Seconds())
	accepted := false
	for i, label := range a.labels {
		m.notices.Inc()
		if label != "" {
			m.failed[label].Inc()
			continue
		}
		accepted = true
		m.lastSuccess.Set(seconds(a.at))
		at := a.at
		m.accepted.Store(&at)
		if received := a.notices[i].Alert.Event.At; !received.IsZero() {
			m.endToEnd.Observe(a.at.Sub(received).Seconds())
		}
	}
	if !accepted {
		m.requestsFailed.Inc()
	}
}

// ended counts the notices that a settlement ended, once it is durable.
func (m meter) ended(s outbox.Settlement, ended []messages.NoticeSettled) {
	for o := range endings(s, ended) {
		switch o.Ended {
		case messages.NoticeSuppressed:
			m.suppressed[suppressedBy(*o)].Inc()
		case messages.NoticeParked:
			m.parked[o.Cause].Inc()
		case messages.NoticeDelivered:
		}
	}
}

func (m meter) setBreaker(open bool) {
	m.breaker.Set(0)
	if open {
		m.breaker.Set(1)
	}
}

// queue shows the length of the queue and its oldest notice.
func (m meter) queue(length int, oldest time.Time) {
	m.queued.Set(float64(length))
	m.oldest.Set(seconds(oldest))
}

func seconds(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.UnixMilli()) / 1000
}
