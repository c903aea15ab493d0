//go:build peers

package app_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"testing"
	"time"

	"go.uber.org/zap"

	"butler/internal/backoff"
	"butler/internal/demo"
	"butler/internal/mqttconn"
	"butler/internal/mqttconn/mosquittotest"
	"butler/internal/qlik"
)

// publisher returns how somebody else publishes to a broker, with QoS 1: it comes
// back when the broker has the message.
func publisher(t *testing.T, broker *mosquittotest.Broker) func(payload string) {
	t.Helper()
	conn, err := mqttconn.New(mqttconn.Options{
		Address: broker.Address, Random: rand.New(rand.NewPCG(1, 2)), Log: zap.NewNop(), Retry: backoff.Policy{Base: 20 * time.Millisecond},
	})
	must(t, err)
	conn.Start()
	t.Cleanup(func() { must(t, conn.Close(context.Background())) })
	return func(payload string) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		for {
			err := conn.Publish(ctx, startTopic, []byte(payload))
			if err == nil {
				return
			}
			select {
			case <-ctx.Done():
				t.Fatal(err)
			case <-time.After(10 * time.Millisecond):
			}
		}
	}
}

func TestMosquitto_startsTasksAndLosesNoneOverRestarts(t *testing.T) {
	broker := mosquittotest.Start(t, "allow_anonymous true", "persistence true", "persistence_location "+t.TempDir()+"/")
	host, port, err := net.SplitHostPort(broker.Address)
	must(t, err)
	s := siteOf(t)
	task, _ := s.sim.World.TaskOfType(qlik.TaskReload, 0)
	settings := demo.Settings{InMemory: true, Off: demo.Destinations, Extra: fmt.Sprintf(
		"  mqttConfig: {enable: true, brokerHost: %s, brokerPort: %s, clientId: butler-1, cleanSession: false}\n", host, port)}
	s.startApp(settings)
	connected := func() bool { state, _ := s.component("mqtt"); return state == "up" }
	s.until("the connection", connected)
	publish := publisher(t, broker)

	publish(task)
	publish(fmt.Sprintf(`{"taskId":[%q]}`, task))
	publish(fmt.Sprintf(`[{"type":"starttaskid","payload":{"taskId":%q}}]`, task))
	s.startedByMQTT("done", 3)

	// The broker restarts while a message is being handled, and another comes at once.
	must(t, s.sim.QRS.Outage(true))
	publish(task)
	s.until("a message that cannot be handled yet", func() bool { return s.logs.FilterMessage("MQTT message could not be handled yet").Len() > 0 })
	broker.Quit()
	s.until("the connection lost", func() bool { return !connected() })
	broker.Start()
	publish(task)
	must(t, s.sim.QRS.Outage(false))
	s.startedByMQTT("done", 5)
	s.until("the connection again", connected)

	// The service is away for a while.
	s.stopApp()
	publish(task)
	publish(task)
	s.startApp(settings)
	s.startedByMQTT("done", 2)
}
