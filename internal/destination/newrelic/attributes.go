package newrelic

import (
	"cmp"
	"slices"
	"strings"

	"butler/internal/template"
	"butler/messages"
)

// New Relic's limits. It silently drops what exceeds them.
const (
	maxAttributes = 254
	maxNameLength = 255
	maxValue      = 4096
)

// attributes are the values that can be queried: strings and numbers by name. The
// first value of a name wins, so the most important ones are added first.
type attributes struct {
	values map[string]any
	// maxValue is the maximum length of a text, in characters.
	maxValue int
}

// add adds a text or a number. It also cuts the name, which may come from a tag.
func (a *attributes) add(name string, value any) {
	name = fit(name, maxNameLength)
	if _, taken := a.values[name]; taken || name == "" || len(a.values) >= maxAttributes {
		return
	}
	if text, isText := value.(string); isText {
		value = fit(text, a.maxValue)
	}
	a.values[name] = value
}

func fit(s string, limit int) string {
	return template.CutEnd(strings.ToValidUTF8(s, ""), limit, template.Units)
}

// attributesOf returns the attributes of a notice in the sender's form, with texts of
// at most limit characters.
func (s *sender) attributesOf(n messages.Notice, limit int) map[string]any {
	a := &attributes{values: map[string]any{}, maxValue: limit}
	a.add(s.typeOf(n.Alert.Kind))
	a.addNotes(n)
	switch n.Alert.Kind {
	case messages.ServiceStopped, messages.ServiceStarted, messages.ServiceStatus:
		a.addService(n.Alert.Service, s.settings.Attribute.Dynamic)
	case messages.LicenseStatus, messages.LicenseExpiring:
		a.add("version", s.version)
		a.addLicense(n.Alert.License)
	case messages.CloudReloadFailed:
		a.add("version", s.version)
		a.addCloud(n.Alert)
	default:
		a.add("version", s.version)
		a.addEvent(n.Alert)
	}
	if s.settings.form == asLog {
		a.addExecution(n.Alert, s.settings.TailScriptLogLines)
	}
	for _, fixed := range slices.Backward(s.settings.Attribute.Static) {
		a.add(fixed.Name, fixed.Value)
	}
	if s.settings.Attribute.Dynamic.UseTaskTags {
		a.addTags("qs_taskTag_", n.Alert.Task.Tags)
	}
	if s.settings.Attribute.Dynamic.UseAppTags {
		a.addTags("qs_appTag_", n.Alert.App.Tags)
	}
	a.addProperties("qs_taskCustomProperty_", n.Alert.Task.CustomProperties)
	a.addProperties("qs_appCustomProperty_", n.Alert.App.CustomProperties)
	return a.values
}

// types are the types of alerts at New Relic, without the suffix "Event" or "Log".
var types = map[messages.AlertKind]string{
	messages.ReloadTaskFailed:             "qs_reloadTaskFailed",
	messages.ReloadTaskAborted:            "qs_reloadTaskAborted",
	messages.ReloadTaskSucceeded:          "qs_reloadTaskSucceeded",
	messages.ExternalProgramTaskFailed:    "qs_externalProgramTaskFailed",
	messages.ExternalProgramTaskSucceeded: "qs_externalProgramTaskSucceeded",
	messages.UserSyncTaskFailed:           "qs_userSyncTaskFailed",
	messages.UserSyncTaskSucceeded:        "qs_userSyncTaskSucceeded",
	messages.DistributeTaskFailed:         "qs_distributeTaskFailed",
	messages.DistributeTaskSucceeded:      "qs_distributeTaskSucceeded",
	messages.PreloadTaskFailed:            "qs_preloadTaskFailed",
	messages.PreloadTaskSucceeded:         "qs_preloadTaskSucceeded",
	messages.ServiceStopped:               "qs_serviceState",
	messages.ServiceStarted:               "qs_serviceState",
	messages.ServiceStatus:                "qs_serviceStatus",
	messages.LicenseStatus:                "qs_serverLicenseStatus",
	messages.LicenseExpiring:              "qs_serverLicenseExpiring",
	messages.CloudReloadFailed:            "qs_cloudAppReloadFailed",
}

func (s *sender) typeOf(kind messages.AlertKind) (name string, value any) {
	if s.settings.form == asLog {
		return "logtype", types[kind] + "Log"
	}
	return "eventType", types[kind] + "Event"
}

// addNotes adds what a reader must know about any alert.
func (a *attributes) addNotes(n messages.Notice) {
	if n.Alert.Test {
		a.add("butler_test", "true")
	}
	if len(n.Alert.Degraded) > 0 {
		a.add("butler_degraded", strings.Join(n.Alert.Degraded, "; "))
	}
	if n.SuppressedBefore > 0 {
		a.add("butler_suppressedAlerts", n.SuppressedBefore)
	}
}

func (a *attributes) addEvent(alert messages.Alert) {
	e := alert.Event
	a.add("qs_hostName", e.HostName)
	a.add("qs_user", e.UserWithSlash())
	a.add("qs_taskName", e.TaskName)
	a.add("qs_taskId", e.TaskID)
	a.add("qs_appName", cmp.Or(e.AppName, alert.App.Name, alert.Task.AppName))
	a.add("qs_appId", cmp.Or(e.AppID, alert.App.ID, alert.Task.AppID))
	a.add("qs_logTimeStamp", e.LogTimestamp)
	a.add("qs_logLevel", e.LogLevel)
	a.add("qs_executionId", e.ExecutionID)
	a.add("qs_logMessage", e.LogMessage)
}

// addExecution adds the execution result, which a log entry has besides the script log.
func (a *attributes) addExecution(alert messages.Alert, tail int) {
	e := alert.Execution
	if e.Known {
		a.addText("qs_executingNodeName", e.Node)
		a.addText("qs_executionStartTime", e.Start)
		a.addText("qs_executionStopTime", e.Stop)
		a.add("qs_executionDuration", e.Duration.Seconds())
	}
	if e.Known && alert.TaskEvent() {
		a.add("qs_executionStatusNum", int(e.Status))
		a.add("qs_executionStatusText", e.Status.String())
		// Misspelt by the Node.js tool; existing dashboards query it.
		a.add("qs_exeuctionStatusText", e.Status.String())
	}
	if alert.ScriptLog.Available {
		a.add("qs_scriptLogSize", e.ScriptLogSize)
		a.add("qs_scriptLogTailCount", tail)
	}
}

func (a *attributes) addService(s messages.Service, show Dynamic) {
	for _, one := range []struct {
		shown       bool
		name, value string
	}{
		{show.ServiceHost, "butler_serviceHost", s.Host},
		{show.ServiceName, "butler_serviceName", s.Name},
		{show.ServiceDisplayName, "butler_serviceDisplayName", s.DisplayName},
		{show.ServiceState, "butler_serviceStatus", s.Status},
	} {
		if one.shown {
			a.add(one.name, one.value)
		}
	}
}

func (a *attributes) addLicense(l messages.License) {
	expired := "false"
	if l.Expired {
		expired = "true"
	}
	a.add("butler_licenseExpired", expired)
	a.addText("butler_licenseExpiryDate", l.ExpiryDate)
	if l.DaysKnown {
		a.add("butler_licenseDaysLeft", l.DaysLeft)
	}
}

func (a *attributes) addCloud(alert messages.Alert) {
	c := alert.Cloud
	a.addText("qs_appName", alert.App.Name)
	a.addText("qs_appId", alert.App.ID)
	a.addText("qs_appOwnerName", alert.Owner.Name)
	a.addText("qs_tenantId", c.TenantID)
	a.addText("qs_tenantComment", c.TenantComment)
	a.addText("qs_user", cmp.Or(c.UserName, c.UserID))
	a.addText("qs_reloadId", c.ReloadID)
	a.addText("qs_reloadTrigger", c.Trigger)
	a.addText("qs_executionStatusText", cmp.Or(c.ExecutionStatus, c.Status))
	a.addText("qs_errorCode", c.ErrorCode)
	a.addText("qs_errorMessage", c.ErrorMessage)
	a.addText("qs_logMessage", c.LogMessage)
}

// addText adds a text that is not empty.
func (a *attributes) addText(name, text string) {
	if text != "" {
		a.add(name, text)
	}
}

func (a *attributes) addTags(prefix string, tags []string) {
	for _, tag := range tags {
		a.add(prefix+tag, "true")
	}
}

// addProperties adds one attribute per custom property, with several values separated by commas.
func (a *attributes) addProperties(prefix string, properties []messages.Property) {
	for i, p := range properties {
		values := []string{p.Value}
		for _, later := range properties[i+1:] {
			if later.Name == p.Name {
				values = append(values, later.Value)
			}
		}
		// The first one of a name has all values; add ignores later ones.
		a.add(prefix+p.Name, strings.Join(values, ", "))
	}
}
