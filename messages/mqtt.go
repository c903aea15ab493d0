package messages

import "time"

// What an MQTT broker sends:
//
//	connection to the broker --MQTTMessageArrived--> mqttlink
//
// The connection hands out a bounded number of messages and acknowledges each
// when it is told, by its ID, that it is handled.

// MQTTMessageArrived is one message of a broker.
type MQTTMessageArrived struct {
	// ID names it to the connection. IDs grow.
	ID uint64
	// Topic is sane text, Payload anything.
	Topic, Payload string
	// Retained says that the broker kept it for those who subscribe later: it may be old.
	Retained bool
	At       time.Time
}
