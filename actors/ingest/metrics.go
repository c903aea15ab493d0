package ingest

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"butler/internal/text"
	"butler/internal/udp"
	"butler/messages"
)

// maxNodes is how many host names get a series of their own; the rest share "other".
// The names come from the network, so there is no telling how many there are. A name
// without an event for forgetNode makes room.
const (
	maxNodes   = 200
	forgetNode = 7 * 24 * time.Hour
)

// maxNodeName is how many characters of a name are shown.
const maxNodeName = 100

// Metrics count what comes in. They belong to one actor at a time.
type Metrics struct {
	packets, bytes  prometheus.Counter
	refusals        []prometheus.Counter
	kernelDropped   prometheus.Counter
	receiveBuffer   prometheus.Gauge
	events          map[messages.Family]prometheus.Counter
	sanitised       prometheus.Counter
	quarantined     prometheus.Counter
	duration        prometheus.Histogram
	queueLength     prometheus.Gauge
	queueCapacity   prometheus.Gauge
	pressure        prometheus.Gauge
	lastEvent       *prometheus.GaugeVec
	lastEventByNode map[string]*nodeSeries
	forgotAt        time.Time // when nodes were forgotten last
}

// NewMetrics registers the metrics with reg and creates every series that is known beforehand.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{
		packets:         counter("butler_udp_packets_received_total", "Datagrams read from the socket."),
		bytes:           counter("butler_udp_bytes_received_total", "Payload bytes read from the socket."),
		kernelDropped:   counter("butler_udp_kernel_dropped_packets_total", "Datagrams the kernel dropped because the receive buffer was full (Linux); datagrams of one sender that arrive together may count as one."),
		receiveBuffer:   gauge("butler_udp_receive_buffer_bytes", "Receive buffer of the socket as granted by the kernel.", nil),
		sanitised:       counter("butler_events_sanitized_total", "Events whose text was truncated or had characters removed."),
		quarantined:     counter("butler_events_quarantined_total", "Refused datagrams that were kept for inspection."),
		queueLength:     gauge("butler_queue_length", "Entries waiting in a queue.", prometheus.Labels{"queue": "events"}),
		queueCapacity:   gauge("butler_queue_capacity", "Maximum number of entries expected in a queue.", prometheus.Labels{"queue": "events"}),
		pressure:        gauge("butler_udp_backpressure_active", "1 while the backlog of events is longer than the configured threshold.", nil),
		events:          map[messages.Family]prometheus.Counter{},
		lastEventByNode: map[string]*nodeSeries{},
		duration: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "butler_event_ingest_duration_seconds",
			Help:    "Time from reading an event from the socket until it is on disk.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 5},
		}),
		lastEvent: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "butler_node_last_event_timestamp_seconds",
			Help: "Time at which the last event of a Qlik Sense node was received.",
		}, []string{"node"}),
	}
	reg.MustRegister(m.packets, m.bytes, m.kernelDropped, m.receiveBuffer, m.sanitised, m.quarantined,
		m.queueLength, m.queueCapacity, m.pressure, m.duration, m.lastEvent)
	m.registerEvents(reg)
	m.registerRefusals(reg)
	return m
}

func (m *Metrics) registerEvents(reg prometheus.Registerer) {
	received := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "butler_events_received_total",
		Help: "Accepted events by type and transport.",
	}, []string{"event_type", "transport"})
	for _, f := range messages.Families() {
		m.events[f] = received.WithLabelValues(f.String(), "udp")
	}
	reg.MustRegister(received)
}

// registerRefusals makes one counter per reason: content that is wrong is an
// invalid event, anything else a refused packet.
func (m *Metrics) registerRefusals(reg prometheus.Registerer) {
	rejected := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "butler_udp_packets_rejected_total",
		Help: "Datagrams refused regardless of their content, by reason.",
	}, []string{"reason"})
	invalid := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "butler_events_invalid_total",
		Help: "Datagrams refused because of their content, by reason.",
	}, []string{"reason"})
	m.refusals = make([]prometheus.Counter, len(udp.Reasons())+1)
	for _, reason := range udp.Reasons() {
		family := rejected
		if reason.Malformed() && reason != udp.ReasonEmpty {
			family = invalid
		}
		m.refusals[reason] = family.WithLabelValues(reason.String())
	}
	reg.MustRegister(rejected, invalid)
}

func (m *Metrics) received(batch []messages.Datagram) {
	size := 0
	for i := range batch {
		size += batch[i].Size
	}
	m.packets.Add(float64(len(batch)))
	m.bytes.Add(float64(size))
}

func (m *Metrics) refused(reason udp.Reason) { m.refusals[reason].Inc() }

func (m *Metrics) event(a *accepted) {
	m.events[a.family].Inc()
	if a.sanitised {
		m.sanitised.Inc()
	}
	m.node(a.host, a.datagram.At)
}

// nodeSeries is the series of a host.
type nodeSeries struct {
	gauge  prometheus.Gauge
	label  string
	latest time.Time
}

func (m *Metrics) node(host string, at time.Time) {
	one, known := m.lastEventByNode[host]
	switch {
	case known:
	case len(m.lastEventByNode) >= maxNodes && !m.forget(at):
		m.lastEvent.WithLabelValues("other").Set(seconds(at))
		return
	default:
		label := text.Line(host, maxNodeName)
		one = &nodeSeries{gauge: m.lastEvent.WithLabelValues(label), label: label}
		m.lastEventByNode[host] = one
	}
	one.latest = at
	one.gauge.Set(seconds(at))
}

// forget removes the nodes that have been silent for too long, and reports whether there
// is room now. It looks for them once an hour.
func (m *Metrics) forget(now time.Time) bool {
	if now.Sub(m.forgotAt) < time.Hour {
		return false
	}
	m.forgotAt = now
	for host, one := range m.lastEventByNode {
		if now.Sub(one.latest) > forgetNode {
			m.lastEvent.DeleteLabelValues(one.label)
			delete(m.lastEventByNode, host)
		}
	}
	return len(m.lastEventByNode) < maxNodes
}

func seconds(at time.Time) float64 { return float64(at.UnixMilli()) / 1000 }

// stored notes how long count events took from socket to disk.
func (m *Metrics) stored(took time.Duration, count int) {
	for range count {
		m.duration.Observe(took.Seconds())
	}
}

func (m *Metrics) capacity(entries int) { m.queueCapacity.Set(float64(entries)) }

func (m *Metrics) backlog(waiting int, p *pressure) {
	m.queueLength.Set(float64(waiting))
	if p.active {
		m.pressure.Set(1)
	} else {
		m.pressure.Set(0)
	}
}

func counter(name, help string) prometheus.Counter {
	return prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
}

func gauge(name, help string, labels prometheus.Labels) prometheus.Gauge {
	return prometheus.NewGauge(prometheus.GaugeOpts{Name: name, Help: help, ConstLabels: labels})
}
