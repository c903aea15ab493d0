package mqttlink

import "github.com/prometheus/client_golang/prometheus"

// Metrics count the messages of brokers and those that wait for another attempt.
type Metrics struct {
	messages *prometheus.CounterVec
	waiting  *prometheus.GaugeVec
}

// NewMetrics returns metrics that reg exposes; a nil reg exposes nothing.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{
		messages: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "butler_mqtt_messages_received_total",
			Help: "Messages that an MQTT broker sent, by what they are for and what became of them: " +
				"handled, refused for what they say, failed for good, retried, retained and therefore ignored, ignored because nobody handles their topic.",
		}, []string{"connection", "row", "result"}),
		waiting: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "butler_mqtt_messages_waiting", Help: "Messages of an MQTT broker that could not be handled yet and are retried.",
		}, []string{"connection"}),
	}
	if reg != nil {
		reg.MustRegister(m.messages, m.waiting)
	}
	return m
}

// expect creates the series of a broker.
func (m *Metrics) expect(connection string, rows []Row) {
	for _, row := range rows {
		for _, r := range results() {
			m.messages.WithLabelValues(connection, row.Name, string(r))
		}
	}
	m.messages.WithLabelValues(connection, otherRow, string(ignored))
	m.waiting.WithLabelValues(connection)
}

func (m *Metrics) count(connection, row string, r result) {
	m.messages.WithLabelValues(connection, row, string(r)).Inc()
}
