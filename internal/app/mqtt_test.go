package app_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"strings"
	"testing"

	"go.uber.org/zap"

	"butler/config"
	"butler/internal/app"
	"butler/internal/demo"
	"butler/internal/qlik"
	"butler/internal/sim/sink"
	"butler/internal/sim/world"
	"butler/messages"
)

// brokerConfig switches MQTT on, for the simulated broker.
func brokerConfig(t *testing.T, s *site) string {
	t.Helper()
	host, port, err := net.SplitHostPort(s.sim.MQTT.Addr())
	must(t, err)
	return fmt.Sprintf("  mqttConfig: {enable: true, brokerHost: %s, brokerPort: %s}\n", host, port)
}

// published waits for a message on a topic that mentions a text.
func (s *site) published(topic, marker string) sink.Publication {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	p, err := s.sim.MQTT.Publications().Await(ctx, func(p sink.Publication) bool { return p.Topic == topic && p.Mentions(marker) })
	if err != nil {
		s.t.Fatalf("nothing about %s on %s: %v", marker, topic, err)
	}
	return p
}

func TestMQTT_tellsTheBrokerOfTasksAndOfItself(t *testing.T) {
	s := siteOf(t)
	s.startApp(demo.Settings{InMemory: true, Off: demo.Destinations, Extra: brokerConfig(t, s)})
	s.published("qliksense/butler/mqtt/status", "Connected to MQTT broker "+s.sim.MQTT.Addr())
	s.published("qliksense/butler/task_failure_server", "start")
	for topic, row := range map[string]struct {
		outcome world.Outcome
		family  messages.Family
	}{
		"qliksense/task_failure": {world.Fail(), messages.FamilyFailed},
		"qliksense/task_aborted": {world.Abort(), messages.FamilyAborted},
	} {
		e := s.run(qlik.TaskReload, row.outcome, row.family)
		task, _ := s.sim.World.Task(e.TaskID)
		if p := s.published(topic, task.Name); string(p.Payload) != task.Name {
			t.Errorf("%s: want the name of the task %q, got %q", topic, task.Name, p.Payload)
		}
		var document struct {
			TaskMetadata struct{ ID, Name string } `json:"qs_taskMetadata"`
			AppMetadata  struct{ ID string }       `json:"qs_appMetadata"`
			Degraded     []string
		}
		must(t, json.Unmarshal(s.published(topic+"_full", e.ExecutionID).Payload, &document))
		if document.TaskMetadata.Name != task.Name || document.AppMetadata.ID != e.AppID || len(document.Degraded) > 0 {
			t.Errorf("%s_full: the document says %+v", topic, document)
		}
	}
	s.idle(4)
}

func TestMQTT_tellsTheBrokerThatNoEventsAreTaken(t *testing.T) {
	s := siteOf(t)
	taken, err := net.ListenPacket("udp4", "127.0.0.1:0")
	must(t, err)
	defer taken.Close()
	port := taken.LocalAddr().(*net.UDPAddr).Port
	s.environ = append(s.environ, fmt.Sprint("BUTLER_UDPSERVERCONFIG_PORTTASKFAILURE=", port))
	path, err := demo.WriteConfig(s.sim, demo.Settings{InMemory: true, Off: demo.Destinations, Extra: brokerConfig(t, s), Directory: s.dir})
	must(t, err)
	cfg, err := config.Load(config.Options{Path: path, Schemas: app.Schemas(), Environ: s.environ})
	must(t, err)
	service, err := app.New(app.Options{Config: cfg, Log: zap.NewNop()})
	must(t, err)
	if err := service.Start(t.Context()); err == nil || !strings.Contains(err.Error(), "choose another udpServerConfig.portTaskFailure") {
		t.Errorf("want a start that fails because the port is in use, got %v", err)
	}
	must(t, service.Stop(t.Context()))
	s.published("qliksense/butler/task_failure_server", "error")
}

func TestMQTT_keepsAlertsUntilTheBrokerIsBack(t *testing.T) {
	s := siteOf(t)
	s.startApp(demo.Settings{
		InMemory: true, Off: demo.Destinations,
		Extra: brokerConfig(t, s) + "  delivery: {breakerFailures: 1, breakerOpenFor: 200ms, retryInitial: 100ms}",
	})
	shows := func(want string) func() bool {
		return func() bool { state, _ := s.component("mqtt"); return state == want }
	}
	s.until("the connection up", shows("up"))
	must(t, s.sim.MQTT.Refuse(true))
	s.until("the connection degraded", shows("degraded"))
	if _, reason := s.component("mqtt"); reason == "" {
		t.Error("want the reason beside the state")
	}
	e := s.run(qlik.TaskReload, world.Fail(), messages.FamilyFailed)
	s.until("the alert waiting", func() bool { _, notices := s.app.Backlog(); return notices == 2 })
	must(t, s.sim.MQTT.Refuse(false))
	s.published("qliksense/task_failure_full", e.ExecutionID)
	s.idle(2)
	s.until("the connection up again", shows("up"))
}

func TestMQTT_stopsWithABrokerThatWasNeverThere(t *testing.T) {
	s := siteOf(t)
	extra := brokerConfig(t, s)
	s.sim.MQTT.Stop()
	s.startApp(demo.Settings{InMemory: true, Off: demo.Destinations, Extra: extra})
	s.stopApp()
}

func TestMQTT_isTriedWithoutTheService(t *testing.T) {
	s := siteOf(t)
	path, err := demo.WriteConfig(s.sim, demo.Settings{Directory: s.dir, InMemory: true, Off: demo.Destinations, Extra: brokerConfig(t, s)})
	must(t, err)
	cfg, err := config.Load(config.Options{Path: path, Schemas: app.Schemas()})
	must(t, err)
	table, err := app.Table(cfg, zap.NewNop())
	must(t, err)
	for _, b := range table.Built() {
		n := messages.Notice{Alert: messages.Alert{Kind: b.Instance.Kinds[0], Event: messages.TaskEvent{TaskName: "one by one"}, App: messages.App{Name: "one by one"}}}
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		_, err := b.Destination.Deliver(ctx, n)
		cancel()
		if err != nil {
			t.Errorf("%s: %v", b.Instance.Name, err)
		}
	}
	for _, p := range s.sim.MQTT.Publications().All() {
		if !strings.Contains(string(p.Payload), "one by one") {
			t.Errorf("want no news of the program itself, got %s on %s", p.Payload, p.Topic)
		}
	}
}
