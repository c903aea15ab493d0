package app_test

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"butler/internal/app"
	"butler/internal/winsvc"
)

// servicesConfig tells everybody of Windows services, as the sections of the
// destinations say it.
const servicesConfig = `Butler:
  logLevel: info
  journal: {inMemory: true}
  operations: {port: 0}
  serviceMonitor:
    enable: true
    frequency: every second
    timeout: 1s
    monitor:
      - host: sense-1
        services:
          - {name: QlikSenseEngineService, friendlyName: Engine}
          - {name: Missing}
          - {name: Refused}
      - {host: sense-2, services: [{name: QlikSenseProxyService, friendlyName: Proxy}]}
      - {host: gone, services: [{name: Spooler}]}
      - {host: slow, services: [{name: Spooler}]}
    alertDestination:
      {email: {enable: true}, slack: {enable: true}, teams: {enable: true}, webhook: {enable: true}, mqtt: {enable: true}, newRelic: {enable: true}, influxDb: {enable: true}}
  emailNotification:
    enable: true
    smtp: {host: SMTPHOST, port: SMTPPORT, secure: false, tls: {requireTLS: true, rejectUnauthorized: false}, auth: {enable: false}}
    serviceStopped: {fromAddress: butler@example.com, recipients: [operations@example.com]}
    serviceStarted: {fromAddress: butler@example.com, recipients: [operations@example.com]}
  slackNotification:
    enable: true
    serviceStopped: {webhookURL: "HTTP/slack/stopped"}
    serviceStarted: {webhookURL: "HTTP/slack/started"}
  teamsNotification:
    enable: true
    serviceStopped: {webhookURL: "HTTP/teams/stopped"}
    serviceStarted: {webhookURL: "HTTP/teams/started"}
  webhookNotification:
    enable: true
    serviceMonitor: {webhooks: [{webhookURL: "HTTP/hook"}]}
  influxDb: {enable: true, hostIP: INFLUXHOST, hostPort: INFLUXPORT, version: 1, v1Config: {auth: {enable: false}, dbName: butler}}
  mqttConfig: {enable: true, brokerHost: MQTTHOST, brokerPort: MQTTPORT}
  thirdPartyToolsCredentials:
    newRelic: [{accountName: Operations, insertApiKey: made-up, accountId: 1001}]
  incidentTool:
    newRelic:
      enable: true
      url: {event: "HTTP/newrelic", log: "HTTP/newrelic/log"}
      serviceMonitor:
        destination:
          event: {enable: true, sendToAccount: [Operations]}
          log: {enable: true, sendToAccount: [Operations]}
        monitorServiceState: {running: {enable: true}, stopped: {enable: true}}
`

func (s *site) writeServicesConfig() string {
	s.t.Helper()
	smtpHost, smtpPort, err := net.SplitHostPort(s.sim.SMTP.Addr())
	must(s.t, err)
	mqttHost, mqttPort, err := net.SplitHostPort(s.sim.MQTT.Addr())
	must(s.t, err)
	influxHost, influxPort, err := net.SplitHostPort(s.sim.Influx.Addr())
	must(s.t, err)
	text := strings.NewReplacer("INFLUXHOST", influxHost, "INFLUXPORT", influxPort, "SMTPHOST", smtpHost, "SMTPPORT", smtpPort, "MQTTHOST", mqttHost, "MQTTPORT", mqttPort,
		`"HTTP`, `"`+s.sim.HTTP.URL()).Replace(servicesConfig)
	path := filepath.Join(s.dir, "butler.yaml")
	must(s.t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

// calledAbout lists the paths that were called about something after the first
// so many calls, sorted.
func (s *site) calledAbout(marker string, after int) []string {
	var paths []string
	for _, req := range s.sim.HTTP.History().All()[after:] {
		if req.Mentions(marker) {
			paths = append(paths, req.Path)
		}
	}
	slices.Sort(paths)
	return paths
}

func TestServices_tellEveryDestinationOfChangesOnly(t *testing.T) {
	s := siteOf(t)
	engine := winsvc.Service{
		State: winsvc.Running, DisplayName: "Qlik Sense Engine Service", StartType: winsvc.Automatic,
		ExePath: `C:\Program Files\Qlik\Sense\Engine\Engine.exe`, Dependencies: []string{"QlikSenseServiceDispatcher"},
	}
	proxy := winsvc.Service{State: winsvc.Running, DisplayName: "Qlik Sense Proxy Service", StartType: winsvc.AutomaticDelayed}
	s.services.Set("sense-1", "QlikSenseEngineService", engine)
	s.services.Set("sense-1", "Refused", winsvc.Service{State: winsvc.Running})
	s.services.Refuse("sense-1", "Refused", fmt.Errorf("open the service: access is denied"))
	s.services.Set("sense-2", "QlikSenseProxyService", proxy)
	s.services.Hang("slow", true)
	s.startOn(s.writeServicesConfig())

	const status = "qliksense/service_status/sense-1/QlikSenseEngineService"
	if got := s.serviceDocument(status, "RUNNING"); got["serviceFriendlyName"] != "Engine" {
		t.Errorf("want the friendly name in the status, got %v", got)
	}
	s.until("the state of both services stored", func() bool {
		stored := map[string]string{}
		for _, p := range s.sim.Influx.Stored("butler") {
			if p.Measurement == "win_service_state" {
				stored[p.Tags["host"]] = fmt.Sprint(p.Tags["service_name"], " ", p.Fields["state_num"], " ", p.Fields["startup_mode_text"])
			}
		}
		return stored["sense-1"] == "QlikSenseEngineService 4 Automatic" && stored["sense-2"] == "QlikSenseProxyService 4 Automatic (delayed start)"
	})
	s.until("three polls of each host that answers", func() bool { return s.services.Asked("sense-1") > 3 && s.services.Asked("sense-2") > 3 })
	if calls := s.sim.HTTP.History().All(); len(calls) != 0 || len(s.sim.SMTP.Messages().All()) != 0 {
		t.Fatalf("want nobody told of services that run, got %v", calls)
	}
	for component, reason := range map[string]string{
		"probe/windows_services/sense-1": "Missing: the host has no service of this name; Refused: open the service: access is denied",
		"probe/windows_services/gone":    "the RPC server is unavailable", "probe/windows_services/slow": "deadline",
	} {
		s.until(fmt.Sprintf("%s degraded because of %q", component, reason), func() bool {
			state, got := s.component(component)
			return state == "degraded" && strings.Contains(got, reason)
		})
	}
	s.until("the other host up", func() bool { state, _ := s.component("probe/windows_services/sense-2"); return state == "up" })

	engine.State = winsvc.StopPending
	s.services.Set("sense-1", "QlikSenseEngineService", engine)
	s.serviceDocument(status, "STOP_PENDING")
	for n, change := range []struct {
		to    winsvc.State
		topic string
		word  string
		after string
	}{
		{winsvc.Stopped, "qliksense/service_stopped", "stopped", "RUNNING"},
		{winsvc.Running, "qliksense/service_running", "started", "STOPPED"},
	} {
		calls := len(s.sim.HTTP.History().All())
		engine.State = change.to
		s.services.Set("sense-1", "QlikSenseEngineService", engine)
		s.checkTold(change.word, calls, n+1)
		document := s.serviceDocument(change.topic+"/sense-1/QlikSenseEngineService", change.to.String())
		if document["serviceStatus"] != change.to.String() || document["servicePrevStatus"] != change.after {
			t.Errorf("want %s after %s, got %v", change.to, change.after, document)
		}
	}
	if got := s.calledAbout("QlikSenseProxyService", 0); len(got) != 0 {
		t.Errorf("want nobody told of the service that did not change, got %v", got)
	}
	s.services.Hang("slow", false)
	s.services.Set("slow", "Spooler", winsvc.Service{State: winsvc.Running})
	s.until("the slow host up", func() bool { state, _ := s.component("probe/windows_services/slow"); return state == "up" })
	s.stopApp()
}

// checkTold waits until everybody was notified of a change of the engine, and makes
// sure that it was once.
func (s *site) checkTold(word string, calls, mails int) {
	s.t.Helper()
	want := []string{"/hook", "/newrelic/log", "/newrelic/v1/accounts/1001/events", "/slack/" + word, "/teams/" + word}
	s.until(word+" told to everybody", func() bool {
		return len(s.calledAbout("QlikSenseEngineService", calls)) >= len(want) && len(s.sim.SMTP.Messages().All()) >= mails
	})
	if diff := cmp.Diff(want, s.calledAbout("QlikSenseEngineService", calls)); diff != "" {
		s.t.Errorf("%s: who is notified over HTTP (-want +got):\n%s", word, diff)
	}
	sent := s.sim.SMTP.Messages().All()
	if m := sent[len(sent)-1]; len(sent) != mails || !strings.Contains(m.Subject, word) || !strings.Contains(m.Subject, "Qlik Sense Engine Service") {
		s.t.Errorf("want mail %d to say that the engine has %s, got %d, %q", mails, word, len(sent), m.Subject)
	}
}

// serviceDocument waits for a message on a topic that mentions a state.
func (s *site) serviceDocument(topic, state string) map[string]any {
	s.t.Helper()
	var document map[string]any
	must(s.t, json.Unmarshal(s.published(topic, state).Payload, &document))
	return document
}

func TestServices_theConfigurationIsCheckedBeforeTheStart(t *testing.T) {
	const head = "Butler:\n  serviceMonitor:\n    enable: true\n"
	for name, row := range map[string]struct{ text, path, reason string }{
		"a frequency that is none": {"    frequency: now and then\n    monitor: [{host: a, services: [{name: b}]}]\n", "serviceMonitor.frequency", "not understood"},
		"a host that is none":      {"    monitor: [{host: 'a|b', services: [{name: b}]}]\n", "serviceMonitor.monitor[0].host", ""},
		"a service that is none":   {"    monitor: [{host: a, services: [{name: 'b\\c'}]}]\n", "serviceMonitor.monitor[0].services[0].name", "which no name of a service has"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := inspect(t, head+row.text, app.Inspection{}, false)
			if err == nil || !strings.Contains(err.Error(), row.path) || !strings.Contains(err.Error(), row.reason) {
				t.Errorf("want a problem at %s with %q, got %v", row.path, row.reason, err)
			}
		})
	}
	for name, row := range map[string]struct{ text, path string }{
		"no host":              {"    monitor: []\n", "serviceMonitor.monitor"},
		"null":                 {"    monitor:\n", "serviceMonitor.monitor"},
		"a host without one":   {"    monitor: [{host: a, services: }]\n", "serviceMonitor.monitor"},
		"not Windows, or fine": {"    monitor: [{host: a, services: [{name: b}]}]\n", map[bool]string{false: "serviceMonitor.enable"}[runtime.GOOS == "windows"]},
	} {
		t.Run(name, func(t *testing.T) {
			cfg, err := inspect(t, head+row.text, app.Inspection{}, false)
			must(t, err)
			var got []string
			for _, w := range cfg.Warnings() {
				got = append(got, w.Path)
			}
			if row.path != "" && !slices.Contains(got, row.path) {
				t.Errorf("want a warning at %s, got %v", row.path, got)
			}
		})
	}
}
