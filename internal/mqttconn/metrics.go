package mqttconn

import "github.com/prometheus/client_golang/prometheus"

// Metrics show whether the broker is connected, and count connects and publications.
type Metrics struct {
	connected *prometheus.GaugeVec // of one series, or none
	connects  prometheus.Counter
	messages  *prometheus.CounterVec
}

// The results of a publication.
const acknowledged, failed = "acknowledged", "failed"

// NewMetrics returns metrics that reg exposes; a nil reg exposes nothing.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{
		connected: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "butler_mqtt_connected", Help: "1 while the MQTT broker is connected.",
		}, nil),
		connects: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "butler_mqtt_connects_total", Help: "Connections made to the MQTT broker, the first one included.",
		}),
		messages: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "butler_mqtt_messages_published_total",
			Help: "Messages for the MQTT broker: acknowledged by it, or failed; those of alerts are tried again.",
		}, []string{"result"}),
	}
	m.connection(false)
	m.messages.WithLabelValues(acknowledged)
	m.messages.WithLabelValues(failed)
	if reg != nil {
		reg.MustRegister(m.connected, m.connects, m.messages)
	}
	return m
}

func (m *Metrics) connection(there bool) {
	connected := m.connected.WithLabelValues()
	connected.Set(0)
	if there {
		connected.Set(1)
	}
}

// ReceiverMetrics count received messages that are dropped.
type ReceiverMetrics struct{ dropped *prometheus.CounterVec }

// dropReason is why a message is dropped, a metric label.
type dropReason string

const (
	tooMany  dropReason = "too_many"
	tooLarge dropReason = "too_large"
	badTopic dropReason = "bad_topic"
)

// dropReasons are all reasons with their texts for the log.
var dropReasons = map[dropReason]string{
	tooMany: "too many wait", tooLarge: "it is too large", badTopic: "its topic is no text",
}

// NewReceiverMetrics returns metrics that reg exposes; a nil reg exposes nothing.
func NewReceiverMetrics(reg prometheus.Registerer) *ReceiverMetrics {
	m := &ReceiverMetrics{dropped: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "butler_mqtt_messages_dropped_total",
		Help: "Messages of an MQTT broker that are lost: more waited than are taken and the broker keeps none (cleanSession), too large, or of a topic that is no text.",
	}, []string{"connection", "reason"})}
	if reg != nil {
		reg.MustRegister(m.dropped)
	}
	return m
}

// expect creates the series of a connection.
func (m *ReceiverMetrics) expect(connection string) {
	for reason := range dropReasons {
		m.dropped.WithLabelValues(connection, string(reason))
	}
}

func (m *ReceiverMetrics) drop(connection string, reason dropReason) {
	m.dropped.WithLabelValues(connection, string(reason)).Inc()
}

// Gone removes the series of the connection after MQTT was disabled.
func (m *Metrics) Gone() { m.connected.Reset() }

func (m *Metrics) published(err error) {
	result := acknowledged
	if err != nil {
		result = failed
	}
	m.messages.WithLabelValues(result).Inc()
}
