// Package mqtt owns the delivery of alerts to an MQTT broker: what is published, and
// under which topics.
//
// It guarantees that the broker has acknowledged a delivered alert, that a message is
// either one line of text or valid JSON whatever the data contain, and that the name
// of a host or service never adds a level to a topic. It uses the program's
// connection. It must never connect, store or retry: the program and the delivery
// actor do.
package mqtt

import (
	"context"
	_ "embed"
	"fmt"

	"butler/internal/destination"
	"butler/internal/mqttconn/topic"
	"butler/messages"
)

const name = "mqtt"

//go:embed schema.yaml
var schema []byte

// Definition describes the destination "mqtt".
func Definition() destination.Definition {
	return destination.Define(name, destination.Spec[Config, Settings]{
		Section: "mqttConfig", Route: name, Schema: schema, Enabled: func(c Config) bool { return c.Enable },
		Address: func(s Settings) []string { return []string{s.Topic} },
		Read:    readSwitches, Uses: uses, Check: checkBroker, CheckUse: checkTopic, Instance: instance, New: newPublisher,
	})
}

func instance(_ Config, u destination.Use[Settings]) destination.Instance {
	if !u.Settings.Full {
		return destination.Instance{}
	}
	return destination.Instance{Needs: destination.Needs{Task: true, App: true, Metadata: true}}
}

// publisher publishes the alerts of one use.
type publisher struct {
	Settings
	broker destination.Publisher
}

func newPublisher(_ Config, u destination.Use[Settings], d destination.Deps) (destination.Destination, error) {
	broker, err := d.MQTT()
	if err != nil {
		return nil, fmt.Errorf("MQTT connection: %w", err)
	}
	return &publisher{Settings: u.Settings, broker: broker}, nil
}

// Deliver publishes one message.
func (p *publisher) Deliver(ctx context.Context, n messages.Notice) (destination.Receipt, error) {
	payload, err := p.payload(n)
	if err != nil {
		return destination.Receipt{}, destination.Permanent(err)
	}
	at := p.topic(n.Alert)
	if err := p.broker.Publish(ctx, at, payload); err != nil {
		return destination.Receipt{}, err
	}
	return destination.Receipt{Status: "acknowledged", Detail: "topic " + at}, nil
}

// Preview returns the topic and, below it, the message.
func (p *publisher) Preview(n messages.Notice) (string, error) {
	payload, err := p.payload(n)
	return p.topic(n.Alert) + "\n\n" + string(payload), err
}

// topic returns the topic of an alert.
func (p *publisher) topic(a messages.Alert) string {
	if !p.perService {
		return p.Topic
	}
	return p.Topic + "/" + topic.Level(a.Service.Host) + "/" + topic.Level(a.Service.Name)
}

// payload returns the message in the configured form.
func (p *publisher) payload(n messages.Notice) ([]byte, error) {
	if !p.Full {
		return []byte(line(n)), nil
	}
	return document(n)
}
