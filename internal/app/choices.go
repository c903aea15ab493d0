package app

import (
	"slices"

	"butler/config"
)

// choice is a feature that does nothing while all of its choices are off. Every switch is
// off unless the configuration says otherwise, so a short file is easily too short.
type choice struct {
	// path is the section of the choices, and reason says what is missing.
	path, reason string
	// on are the switches of the feature itself, all of which are true.
	on []string
	// of are the switches below path, one of which has to be true.
	of []string
}

const (
	licenceMQTT    = "qlikSenseLicense.serverLicenseMonitor.destination.mqtt"
	licenceWebhook = "qlikSenseLicense.serverLicenseMonitor.destination.webhook"
	releasedTypes  = "qlikSenseLicense.licenseRelease.licenseType"
	licenceMonitor = "qlikSenseLicense.serverLicenseMonitor.enable"
	serviceStates  = "incidentTool.newRelic.serviceMonitor.monitorServiceState"
	serviceNews    = "serviceMonitor.alertDestination"
)

var choices = []choice{
	{licenceMQTT, "chooses no messages, so nothing is published", []string{licenceMonitor, licenceMQTT + ".enable", "mqttConfig.enable"}, []string{"sendAlert.enable", "sendRecurring.enable"}},
	{releasedTypes, "chooses no type of licence, so none is released", []string{"qlikSenseLicense.licenseRelease.enable"}, []string{"professional.enable", "analyzer.enable"}},
	{licenceWebhook, "chooses no calls, so nothing is called", []string{licenceMonitor, licenceWebhook + ".enable", "webhookNotification.enable"}, []string{"sendAlert.enable", "sendRecurring.enable"}},
	{serviceStates, "chooses no states, so nothing is sent", []string{"serviceMonitor.enable", serviceNews + ".newRelic.enable", "incidentTool.newRelic.enable"}, []string{"stopped.enable", "running.enable"}},
	{
		serviceNews, "chooses no destination, so nobody is notified of services",
		[]string{"serviceMonitor.enable"},
		[]string{"email.enable", "slack.enable", "teams.enable", "webhook.enable", "mqtt.enable", "newRelic.enable", "influxDb.enable"},
	},
	{"influxDb.reloadTaskSuccess", "chooses no tasks, so nothing is stored", []string{"influxDb.enable", "influxDb.reloadTaskSuccess.enable"}, []string{"allReloadTasks.enable", "byCustomProperty.enable"}},
}

// choiceFindings warns of features that are on and do nothing. Routes may notify
// people of services, too.
func choiceFindings(cfg *config.Config) []config.Finding {
	on := func(path string) bool {
		var value bool
		return cfg.Section(path, &value) == nil && value
	}
	var routes []map[string]any
	routed := cfg.Section("routes", &routes) == nil && len(routes) > 0
	var out []config.Finding
	for _, c := range choices {
		isOff := slices.ContainsFunc(c.on, func(path string) bool { return !on(path) })
		chosen := slices.ContainsFunc(c.of, func(name string) bool { return on(c.path + "." + name) })
		if !isOff && !chosen && (c.path != serviceNews || !routed) {
			out = append(out, config.Finding{Path: c.path, Reason: c.reason, Suggestion: "set " + c.of[0] + " there to true, for example", Warning: true})
		}
	}
	return out
}
