package app_test

import (
	"slices"
	"testing"

	"butler/config"
	"butler/internal/app"
)

func TestInspection_warnsOfFeaturesThatDoNothing(t *testing.T) {
	const (
		licence  = "  qlikSenseLicense: {serverLicenseMonitor: {enable: true, destination: "
		services = "  serviceMonitor: {enable: true, monitor: [{host: a, services: [{name: b}]}], alertDestination: "
		newRelic = "  incidentTool: {newRelic: {enable: true, serviceMonitor: "
		mqtt     = "  mqttConfig: {enable: true, brokerHost: localhost}\n"
	)
	for name, row := range map[string]struct{ text, path string }{
		"a licence without messages":    {mqtt + licence + "{mqtt: {enable: true}}}}", "qlikSenseLicense.serverLicenseMonitor.destination.mqtt"},
		"a licence with messages":       {mqtt + licence + "{mqtt: {enable: true, sendRecurring: {enable: true}}}}}", ""},
		"a licence, and no broker":      {licence + "{mqtt: {enable: true}}}}", ""},
		"a licence without calls":       {"  webhookNotification: {enable: true}\n" + licence + "{webhook: {enable: true}}}}", "qlikSenseLicense.serverLicenseMonitor.destination.webhook"},
		"a release of nothing":          {"  qlikSenseLicense: {licenseRelease: {enable: true}}", "qlikSenseLicense.licenseRelease.licenseType"},
		"services without a state":      {services + "{newRelic: {enable: true}}}\n" + newRelic + "{destination: {event: {enable: true}}}}}", "incidentTool.newRelic.serviceMonitor.monitorServiceState"},
		"services with a state":         {services + "{newRelic: {enable: true}}}\n" + newRelic + "{monitorServiceState: {stopped: {enable: true}}}}}", ""},
		"services for nobody":           {services + "{}}", "serviceMonitor.alertDestination"},
		"services for somebody":         {services + "{slack: {enable: true}}}", ""},
		"services and a route":          {services + "{}}\n  routes: [{name: all, match: {events: [windows_service_stopped]}}]", ""},
		"successes of no task":          {"  influxDb: {enable: true, hostIP: a, reloadTaskSuccess: {enable: true}}", "influxDb.reloadTaskSuccess"},
		"successes of all tasks":        {"  influxDb: {enable: true, hostIP: a, reloadTaskSuccess: {enable: true, allReloadTasks: {enable: true}}}", ""},
		"successes, but no database":    {"  influxDb: {reloadTaskSuccess: {enable: true}}", ""},
		"nothing at all is switched on": {"  logLevel: info", ""},
	} {
		t.Run(name, func(t *testing.T) {
			cfg, err := inspect(t, "Butler:\n"+row.text+"\n", app.Inspection{}, true)
			must(t, err)
			var got []string
			for _, w := range cfg.Warnings() {
				if slices.Contains(app.Choices, w.Path) {
					got = append(got, w.Path)
				}
			}
			var want []string
			if row.path != "" {
				want = []string{row.path}
			}
			if !slices.Equal(want, got) {
				t.Errorf("want warnings at %v, got %v", want, cfg.Warnings())
			}
		})
	}
}

// A switch that is misspelt there would never be on.
func TestInspection_knowsItsSwitches(t *testing.T) {
	cfg, err := config.Load(config.Options{Schemas: app.Schemas()})
	must(t, err)
	for _, path := range app.ChoiceSwitches() {
		var on bool
		if err := cfg.Section(path, &on); err != nil || cfg.Source(path).Kind != config.FromDefault {
			t.Errorf("%s is no switch: %v", path, err)
		}
	}
}
