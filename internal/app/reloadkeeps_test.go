package app_test

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"butler/internal/demo"
	"butler/internal/qlik"
	"butler/internal/sim/world"
	"butler/internal/trail"
	"butler/internal/winsvc"
	"butler/messages"
)

// What the service knows, and a reload must not make it forget.

func TestReload_keepsWhatExplainsAnExecution(t *testing.T) {
	s, file := reloadSite(t, "")
	before := s.run(qlik.TaskReload, world.Fail(), messages.FamilyFailed)
	s.idle(1)
	edit(t, file, "/hook/failed", "/hook/elsewhere")
	s.reload()
	after := s.run(qlik.TaskReload, world.Fail(), messages.FamilyFailed)
	s.idle(2)
	for _, e := range []world.Execution{before, after} {
		wantStory(t, s.explain(e.ExecutionID), trail.Delivered, "received", "decided", "accepted in")
	}
}

func TestReload_remembersHowWindowsServicesWere(t *testing.T) {
	s := siteOf(t)
	engine := winsvc.Service{State: winsvc.Running, DisplayName: "Qlik Sense Engine Service"}
	s.services.Set("sense-1", "QlikSenseEngineService", engine)
	file := s.writeServicesConfig()
	s.startOn(file)
	s.until("the service is known to run", func() bool { return s.services.Asked("sense-1") > 1 })
	edit(t, file, "/slack/stopped", "/slack/now")
	s.reload()
	engine.State = winsvc.Stopped // the first look after the reload sees a change
	s.services.Set("sense-1", "QlikSenseEngineService", engine)
	s.until("the stop told the new way", func() bool { return s.calls("/slack/now") == 1 })
}

func TestReload_aChangeOfOneHostMakesNobodyForgetTheServices(t *testing.T) {
	s := siteOf(t)
	engine := winsvc.Service{State: winsvc.Stopped, DisplayName: "Qlik Sense Engine Service"}
	s.services.Set("sense-1", "QlikSenseEngineService", engine)
	file := s.writeServicesConfig()
	edit(t, file, "serviceStopped: {webhookURL", "serviceStopped: {rateLimit: 0, webhookURL") // Slack
	s.startOn(file)
	s.until("the stop told", func() bool { return s.calls("/slack/stopped") == 1 })
	asked := s.services.Asked("sense-1")
	edit(t, file, "friendlyName: Proxy", "friendlyName: The proxy")
	s.reload()
	s.until("more looks", func() bool { return s.services.Asked("sense-1") > asked+2 })
	if n := s.calls("/slack/stopped"); n != 1 {
		t.Errorf("want the stop told once, got %d times", n)
	}
	edit(t, file, "friendlyName: The proxy", "friendlyName: Proxy")
	s.reload()
	engine.State = winsvc.Running // the first look after the reload may see it
	s.services.Set("sense-1", "QlikSenseEngineService", engine)
	s.until("the start told", func() bool { return s.calls("/slack/started") == 1 })
}

func TestReload_aServiceThatIsNotWatchedAnyMoreIsNotStopped(t *testing.T) {
	s := siteOf(t)
	s.services.Set("sense-1", "QlikSenseEngineService", winsvc.Service{State: winsvc.Stopped})
	file := s.writeServicesConfig()
	s.startOn(file)
	const series = `butler_windows_service_running{host="sense-1",service="QlikSenseEngineService"} 0`
	s.untilMetric(series)
	edit(t, file, "- {name: QlikSenseEngineService, friendlyName: Engine}", "- {name: Other}")
	s.reload()
	s.until("no word of it in the metrics", func() bool { return !strings.Contains(metricsPage(t, s.app), series) })
}

func TestReload_nothingIsShownOfADestinationThatIsGone(t *testing.T) {
	s, file := reloadSite(t, "  mqttConfig: {enable: true, brokerHost: 127.0.0.1, brokerPort: 1}\n")
	const shown = "butler_mqtt_connected 0\n"
	of := func(name, instance string) string { return name + `{integration="mqtt",receiver="` + instance + `"}` }
	s.run(qlik.TaskReload, world.Fail(), messages.FamilyFailed)
	s.untilMetric(of("butler_notification_queue_length", "mqtt/reload_task_failed") + " 1")
	if page := metricsPage(t, s.app); !strings.Contains(page, shown) {
		t.Errorf("want %q shown", shown)
	}
	edit(t, file, "mqttConfig: {enable: true", "mqttConfig: {enable: false")
	s.reload()
	gone := []string{
		shown, `butler_circuit_breaker_open{target="mqtt/reload_task_failed"}`, of("butler_notification_queue_length", "mqtt/reload_task_failed"),
		of("butler_notification_oldest_queued_timestamp_seconds", "mqtt/reload_task_failed"),
	}
	s.until("no word of it in the metrics", func() bool {
		page := metricsPage(t, s.app)
		return !slices.ContainsFunc(gone, func(line string) bool { return strings.Contains(page, line) })
	})
	edit(t, file, "mqttConfig: {enable: false", "mqttConfig: {enable: true")
	s.reload()
	s.untilMetric(strings.TrimSpace(shown))
}

func TestReload_keepsTheTenantOfQlikCloudOrTakesTheNewOne(t *testing.T) {
	from, s := simulatedTenant(t), siteOf(t)
	cloudSite(t, s, from, "", "")
	file := filepath.Join(s.dir, "butler.yaml")
	bring := func(reload, answer string) {
		t.Helper()
		s.wantBrought(from.Event(reload, "error"), 202, answer)
	}
	told := func(reload, comment string) {
		t.Helper()
		s.until(reload+" told with "+comment, func() bool {
			text := s.received("/hook/cloud")
			return strings.Contains(text, `"`+reload+`"`) && strings.Contains(text, comment)
		})
	}
	bring("r-1", "accepted")
	told("r-1", "Production")
	edit(t, file, "logLevel: info", "logLevel: debug")
	s.reload()
	bring("r-1", "duplicate")
	bring("r-2", "accepted")
	told("r-2", "Production")
	edit(t, file, "comment: Production", "comment: Elsewhere")
	s.reload()
	bring("r-2", "duplicate")
	bring("r-3", "accepted")
	told("r-3", "Elsewhere")
	edit(t, file, "qlikSenseCloud:\n    enable: true", "qlikSenseCloud:\n    enable: false")
	s.reload()
	bring("r-4", "ignored")
	if state, _ := s.component("qlikcloud"); state != "" {
		t.Errorf("want nothing said of the tenant, got %s", state)
	}
}

func TestReload_nothingIsShownOfALicenceThatIsNotWatchedAnyMore(t *testing.T) {
	s := siteOf(t)
	s.sim.World.SetLicenceEnd(time.Now().UTC().AddDate(0, 0, 10).Truncate(24 * time.Hour))
	s.startApp(demo.Settings{Off: demo.Destinations, Extra: `
  qlikSenseLicense:
    serverLicenseMonitor: {enable: true}
    licenseMonitor: {enable: true}
`})
	ends, seats := "butler_qlik_license_expiry_timestamp_seconds ", `butler_qlik_license_capacity{license_type="professional"} `
	s.untilMetric(ends + "[1-9]")
	s.untilMetric(seats + "[1-9]")
	file := filepath.Join(s.dir, "butler.yaml")
	edit(t, file, "serverLicenseMonitor: {enable: true", "serverLicenseMonitor: {enable: false")
	s.reload()
	s.untilMetric(ends + "0")
	s.untilMetric(seats + "[1-9]")
	edit(t, file, "licenseMonitor: {enable: true", "licenseMonitor: {enable: false")
	s.reload()
	s.untilMetric(seats + "0")
}
