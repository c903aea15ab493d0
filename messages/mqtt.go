package messages

import "time"

// The messages of MQTT brokers:
//
//	connection to the broker --MQTTMessageArrived--> mqttlink
//
// The connection delivers a bounded number of unhandled messages. It acknowledges a
// message to the broker when mqttlink has reported its ID as handled.

// MQTTMessageArrived is one message of a broker.
type MQTTMessageArrived struct {
	// ID identifies the message to the connection. IDs increase.
	ID uint64
	// Topic is checked text, Payload any bytes.
	Topic, Payload string
	// Retained means that the broker stored the message for later subscribers: it may be old.
	Retained bool
	At       time.Time
}
