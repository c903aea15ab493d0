package app_test

import (
	"fmt"
	"strings"
	"testing"

	"butler/internal/apikey"
	"butler/internal/app"
	"butler/internal/demo"
	"butler/internal/qlik"
	"butler/internal/sim/world"
	"butler/messages"
)

// startTopic is the default of mqttConfig.taskStartTopic.
const startTopic = "qliksense/start_task"

// startedByMQTT waits until n starts have an outcome, as the audit log has it.
func (s *site) startedByMQTT(outcome string, n int) {
	s.t.Helper()
	s.until(fmt.Sprintf("%d starts by MQTT that are %s", n, outcome), func() bool {
		count := 0
		for _, line := range s.logs.FilterMessage("task start").All() {
			fields := line.ContextMap()
			if fields["way"] == "mqtt" && fields["action"] == "start_task" && fields["outcome"] == outcome {
				count++
			}
		}
		return count == n
	})
}

// subscribed waits until the service listens to the topic that starts tasks.
func (s *site) subscribed() {
	s.t.Helper()
	s.until("a subscription", func() bool { return s.sim.MQTT.Subscribed(startTopic) })
}

func TestMQTT_startsTasksInBothFormsWithinTheFilter(t *testing.T) {
	s := siteOf(t)
	listed, _ := s.sim.World.TaskOfType(qlik.TaskReload, 0)
	other, _ := s.sim.World.TaskOfType(qlik.TaskReload, 1)
	s.startApp(demo.Settings{InMemory: true, Off: demo.Destinations, Extra: brokerConfig(t, s) +
		fmt.Sprintf("  startTaskFilter: {enable: true, allowTask: {taskId: [%s]}}\n", listed)})
	s.subscribed()
	for _, payload := range []string{
		" " + listed + "\n",
		fmt.Sprintf("%q", listed),
		fmt.Sprintf(`{"taskId":[%q,%q]}`, listed, other),
		fmt.Sprintf(`[{"type":"starttaskid","payload":{"taskId":%q}}]`, listed),
		"start everything",
	} {
		must(t, s.sim.MQTT.Publish(startTopic, []byte(payload)))
	}
	must(t, s.sim.MQTT.Publish(startTopic+"/more", []byte(listed)))
	s.startedByMQTT("done", 4)
	s.startedByMQTT("denied", 1)
	s.until("the refusal of what is no request", func() bool { return s.logs.FilterMessage("MQTT message is refused").Len() == 1 })
	s.untilMetric(`butler_mqtt_messages_received_total{connection="main",result="handled",row="start_task"} 4`)
	s.untilMetric(`butler_mqtt_messages_received_total{connection="main",result="refused",row="start_task"} 1`)
}

func TestMQTT_waitsForARepositoryThatIsAway(t *testing.T) {
	s := siteOf(t)
	task, _ := s.sim.World.TaskOfType(qlik.TaskReload, 0)
	s.startApp(demo.Settings{InMemory: true, Off: demo.Destinations, Extra: brokerConfig(t, s)})
	s.subscribed()
	must(t, s.sim.QRS.Outage(true))
	must(t, s.sim.MQTT.Publish(startTopic, []byte(task)))
	s.until("another attempt", func() bool { return s.logs.FilterMessage("MQTT message could not be handled yet").Len() > 0 })
	must(t, s.sim.QRS.Outage(false))
	s.startedByMQTT("done", 1)
}

func TestREST_publishesMessagesThatMayStartTasks(t *testing.T) {
	s := siteOf(t)
	listed, _ := s.sim.World.TaskOfType(qlik.TaskReload, 0)
	other, _ := s.sim.World.TaskOfType(qlik.TaskReload, 1)
	s.startApp(demo.Settings{InMemory: true, Off: demo.Destinations, Extra: brokerConfig(t, s) +
		"  restServerConfig: {enable: true, serverHost: 127.0.0.1, serverPort: 0, maxCallsPerMinute: 0}\n" +
		"  restServerEndpointsEnable: {mqttPublishMessage: true}\n" +
		fmt.Sprintf("  startTaskFilter: {enable: true, allowTask: {taskId: [%s]}}\n", listed)})
	s.subscribed()
	const path = "/v4/mqttpublishmessage"
	s.wantCall("PUT", path, `{"topic":"plant/sales/ready","message":"batch=42"}`, 201, `"message":"batch=42"`)
	s.published("plant/sales/ready", "batch=42")
	for _, id := range []string{listed, other} {
		s.wantCall("PUT", path, fmt.Sprintf(`{"topic":%q,"message":%q}`, startTopic, id), 201, id)
	}
	s.startedByMQTT("done", 1)
	s.startedByMQTT("denied", 1)
	must(t, s.sim.MQTT.Refuse(true))
	s.until("the connection lost", func() bool { state, _ := s.component("mqtt"); return state == "degraded" })
	s.wantCall("PUT", path, `{"topic":"plant/sales/ready","message":"lost"}`, 503, "not connected")
}

func TestREST_publishesNoKeyValuesForCallersThatMayNotStoreThem(t *testing.T) {
	s := siteOf(t)
	s.startApp(demo.Settings{InMemory: true, Off: demo.Destinations, Extra: brokerConfig(t, s)})
	s.subscribed()
	s.until("the connection", func() bool { state, _ := s.component("mqtt"); return state == "up" })
	const pairs = `{"keyValueStore":[{"namespace":"etl","key":"k","value":"v"}]}`
	starter := apikey.Principal{Scopes: []apikey.Scope{apikey.Start}}
	storer := apikey.Principal{Scopes: []apikey.Scope{apikey.Start, apikey.KV}}
	for _, row := range []struct {
		name, topic string
		caller      apikey.Principal
		published   bool
	}{
		{"without the scope", startTopic, starter, false},
		{"with it", startTopic, storer, true},
		{"to another topic", "plant/a", starter, true},
	} {
		if err := app.Publish(t.Context(), s.app, row.caller, row.topic, pairs); (err == nil) != row.published {
			t.Errorf("%s: want it published %v, got %v", row.name, row.published, err)
		}
	}
}

func TestREST_tellsHowTaskEventsComeIn(t *testing.T) {
	s := startSite(t, demo.Settings{InMemory: true, Off: demo.Destinations, Extra: `
  restServerConfig: {enable: true, serverHost: 127.0.0.1, serverPort: 0, maxCallsPerMinute: 0}
  restServerEndpointsEnable: {udpQueueStatus: true}
`})
	e := s.run(qlik.TaskReload, world.Fail(), messages.FamilyFailed)
	s.announce(e, messages.FamilyFailed)
	s.until("both events decided", func() bool {
		_, text := s.call("GET", "/v4/udpqueue", "")
		return strings.Contains(text, `"messagesStored":2`) && strings.Contains(text, `"messagesDroppedDuplicate":1`)
	})
	s.until("one of them processed", func() bool {
		_, text := s.call("GET", "/v4/udpqueue", "")
		return strings.Contains(text, `"messagesProcessed":1`) && strings.Contains(text, `"queueSize":0`)
	})
	s.wantCall("GET", "/v4/udpqueue", "", 200, `"listening":true,"address":"`+s.app.UDPAddress().String()+`"`)
}
