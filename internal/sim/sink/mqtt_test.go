package sink_test

import (
	"crypto/tls"
	"errors"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"butler/internal/sim/edge"
	"butler/internal/sim/sink"
)

const patience = 5 * time.Second

// connect returns a client with a plain session that does not reconnect.
func connect(t *testing.T, s *sink.MQTT, change func(*mqtt.ClientOptions)) (mqtt.Client, error) {
	t.Helper()
	o := mqtt.NewClientOptions().AddBroker("tcp://" + s.Addr()).SetClientID("tester").SetAutoReconnect(false).
		SetConnectTimeout(patience).SetOrderMatters(false)
	if change != nil {
		change(o)
	}
	client := mqtt.NewClient(o)
	t.Cleanup(func() { client.Disconnect(0) })
	token := client.Connect()
	if !token.WaitTimeout(patience) {
		return nil, errors.New("no answer")
	}
	return client, token.Error()
}

func publish(client mqtt.Client, topic string, qos byte, payload string) error {
	token := client.Publish(topic, qos, false, payload)
	if !token.WaitTimeout(patience) {
		return errors.New("no acknowledgement")
	}
	return token.Error()
}

func TestMQTT_recordsPublications(t *testing.T) {
	s := run(t, sink.NewMQTT(sink.MQTTOptions{}))
	client, err := connect(t, s, nil)
	if err != nil {
		t.Fatal(err)
	}
	for qos := range byte(3) {
		if err := publish(client, "qliksense/task_failure", qos, "🤪 "+marker); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Publications().AwaitTotal(t.Context(), 3); err != nil {
		t.Fatal(err)
	}
	for i, p := range s.Publications().All() {
		if p.Client != "tester" || p.Topic != "qliksense/task_failure" || !p.Mentions(marker) || int(p.QoS) != i {
			t.Errorf("publication %d: %+v", i, p)
		}
	}
}

func TestMQTT_deliversToSubscribers(t *testing.T) {
	s := run(t, sink.NewMQTT(sink.MQTTOptions{}))
	client, err := connect(t, s, nil)
	if err != nil {
		t.Fatal(err)
	}
	if s.Subscribed("qliksense/start_task") {
		t.Error("nobody has subscribed yet")
	}
	got := make(chan string, 1)
	token := client.Subscribe("qliksense/#", 1, func(_ mqtt.Client, m mqtt.Message) { got <- m.Topic() + " " + string(m.Payload()) })
	if !token.WaitTimeout(patience) || token.Error() != nil {
		t.Fatal("not subscribed", token.Error())
	}
	if !s.Subscribed("qliksense/start_task") {
		t.Error("the subscription is not seen")
	}
	if err := s.Publish("qliksense/start_task", []byte("now")); err != nil {
		t.Fatal(err)
	}
	if text := <-got; text != "qliksense/start_task now" {
		t.Errorf("received %q", text)
	}
	if s.Publications().Total() != 0 {
		t.Error("the sink's own message is recorded")
	}
}

func TestMQTT_checksCredentials(t *testing.T) {
	s := run(t, sink.NewMQTT(sink.MQTTOptions{User: "u", Password: "p"}))
	for name, test := range map[string]struct {
		user, password string
		ok             bool
	}{"right": {"u", "p", true}, "wrong": {"u", "x", false}, "none": {"", "", false}} {
		_, err := connect(t, s, func(o *mqtt.ClientOptions) { o.SetUsername(test.user).SetPassword(test.password) })
		if (err == nil) != test.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestMQTT_overTLS(t *testing.T) {
	server, config := serverTLS(t)
	s := run(t, sink.NewMQTT(sink.MQTTOptions{TLS: server}))
	for name, test := range map[string]struct {
		config *tls.Config
		ok     bool
	}{"trusting": {config, true}, "suspicious": {&tls.Config{ServerName: "localhost"}, false}} {
		_, err := connect(t, s, func(o *mqtt.ClientOptions) {
			o.Servers = nil
			o.AddBroker("ssl://" + s.Addr()).SetTLSConfig(test.config)
		})
		if (err == nil) != test.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestMQTT_faults(t *testing.T) {
	tests := []struct {
		name     string
		rule     edge.Rule
		connects bool
		lost     bool
		recorded int
	}{
		{"connect refused", edge.Rule{Kind: edge.Status, Method: "CONNECT"}, false, false, 0},
		{"connect reset", edge.Rule{Kind: edge.ResetBefore, Method: "CONNECT"}, false, false, 0},
		{"publish reset before", edge.Rule{Kind: edge.ResetBefore, Method: "PUBLISH", PathPrefix: "a/"}, true, true, 0},
		{"publish reset after", edge.Rule{Kind: edge.ResetAfter, Method: "PUBLISH"}, true, true, 1},
		{"publish slow", edge.Rule{Kind: edge.Slow, Method: "PUBLISH", Delay: time.Millisecond}, true, false, 1},
		{"other topic", edge.Rule{Kind: edge.ResetBefore, PathPrefix: "b/"}, true, false, 1},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := run(t, sink.NewMQTT(sink.MQTTOptions{}))
			s.Faults().Set(test.rule)
			lost := make(chan error, 1)
			client, err := connect(t, s, func(o *mqtt.ClientOptions) {
				o.SetConnectionLostHandler(func(_ mqtt.Client, err error) { lost <- err })
			})
			if (err == nil) != test.connects {
				t.Fatalf("connect: %v", err)
			}
			if err != nil {
				return
			}
			token := client.Publish("a/b", 1, false, "x")
			if test.lost {
				<-lost
			} else if !token.WaitTimeout(patience) || token.Error() != nil {
				t.Errorf("publish: %v", token.Error())
			}
			if got := s.Publications().Total(); got != test.recorded {
				t.Errorf("%d publications are recorded, want %d", got, test.recorded)
			}
		})
	}
}

func TestMQTT_hangLeavesAPublicationUnacknowledged(t *testing.T) {
	s := run(t, sink.NewMQTT(sink.MQTTOptions{}))
	s.Faults().Set(edge.Rule{Kind: edge.Hang, Method: "PUBLISH", Times: 1})
	client, err := connect(t, s, nil)
	if err != nil {
		t.Fatal(err)
	}
	first := client.Publish("a", 1, false, "1")
	if err := publish(client, "a", 1, "2"); err != nil {
		t.Fatal(err)
	}
	select {
	case <-first.Done():
		t.Error("the first publication was acknowledged")
	default:
	}
	if all := s.Publications().All(); len(all) != 1 || string(all[0].Payload) != "2" {
		t.Errorf("recorded %+v", all)
	}
}

func TestMQTT_refusesAndComesBack(t *testing.T) {
	s := run(t, sink.NewMQTT(sink.MQTTOptions{}))
	if _, err := connect(t, s, nil); err != nil {
		t.Fatal(err)
	}
	if err := s.Refuse(true); err != nil {
		t.Fatal(err)
	}
	if _, err := connect(t, s, nil); err == nil {
		t.Error("a broker that refuses accepts")
	}
	if err := s.Refuse(false); err != nil {
		t.Fatal(err)
	}
	client, err := connect(t, s, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := publish(client, "a", 1, "x"); err != nil {
		t.Error(err)
	}
}
