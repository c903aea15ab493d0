package webhook

import (
	"cmp"
	"strings"

	"butler/messages"
)

// events are the texts by which receivers distinguish alerts.
var events = map[messages.AlertKind]string{
	messages.ReloadTaskFailed:             "Qlik Sense reload failed",
	messages.ReloadTaskAborted:            "Qlik Sense reload aborted",
	messages.ReloadTaskSucceeded:          "Qlik Sense reload succeeded",
	messages.ExternalProgramTaskFailed:    "Qlik Sense external program task failed",
	messages.ExternalProgramTaskSucceeded: "Qlik Sense external program task succeeded",
	messages.UserSyncTaskFailed:           "Qlik Sense user sync task failed",
	messages.UserSyncTaskSucceeded:        "Qlik Sense user sync task succeeded",
	messages.DistributeTaskFailed:         "Qlik Sense distribute task failed",
	messages.DistributeTaskSucceeded:      "Qlik Sense distribute task succeeded",
	messages.PreloadTaskFailed:            "Qlik Sense preload task failed",
	messages.PreloadTaskSucceeded:         "Qlik Sense preload task succeeded",
	messages.ServiceStopped:               "Windows service monitor",
	messages.ServiceStarted:               "Windows service monitor",
	messages.ServiceStatus:                "Windows service status",
	messages.LicenseStatus:                "server license status",
	messages.LicenseExpiring:              "server license about to expire alert",
	messages.CloudReloadFailed:            "Qlik Sense Cloud app reload failed",
}

// expired is the event text of a LicenseExpiring alert after the expiry.
const expired = "server license has expired alert"

// field is one value of a message.
type field struct {
	name string
	// parameter is the name in a query; "" means the same name.
	parameter string
	// value is a string, bool, int, []string, or nil for null.
	value any
}

// message is the content of a call, in the order of the documentation.
type message []field

func messageOf(n messages.Notice) message {
	a := n.Alert
	event := events[a.Kind]
	var out message
	switch a.Kind {
	case messages.ServiceStopped, messages.ServiceStarted, messages.ServiceStatus:
		out = serviceMessage(event, a)
	case messages.LicenseStatus, messages.LicenseExpiring:
		out = licenseMessage(event, a)
	case messages.CloudReloadFailed:
		out = cloudMessage(event, a)
	default:
		out = taskMessage(event, a)
	}
	return append(out, marks(n)...)
}

func taskMessage(event string, a messages.Alert) message {
	e := a.Event
	user := e.UserSingleBackslash()
	if a.Kind == messages.ReloadTaskAborted {
		user = e.User
	}
	out := message{
		{name: "event", value: event},
		{name: "hostName", value: e.HostName},
		{name: "user", value: user},
		{name: "taskName", value: cmp.Or(e.TaskName, a.Task.Name)},
		{name: "taskId", value: e.TaskID},
		{name: "appName", value: cmp.Or(e.AppName, a.Task.AppName)},
		{name: "appId", value: cmp.Or(e.AppID, a.Task.AppID)},
	}
	if a.Owner.Known {
		out = append(out, message{
			{name: "appOwnerName", value: a.Owner.Name},
			{name: "appOwnerUserDirectory", value: a.Owner.Directory},
			{name: "appOwnerUserId", value: a.Owner.UserID},
			{name: "appOwnerEmail", value: a.Owner.Email()},
		}...)
	}
	return append(out, message{
		{name: "logTimeStamp", value: e.LogTimestamp},
		{name: "logLevel", value: e.LogLevel},
		{name: "executionId", value: e.ExecutionID},
		{name: "logMessage", value: e.LogMessage},
	}...)
}

// serviceMessage uses lower-case names in a query, which is what receivers expect.
func serviceMessage(event string, a messages.Alert) message {
	s := a.Service
	out := message{
		{name: "event", value: event},
		{name: "host", value: s.Host},
		{name: "serviceStatus", value: s.Status},
		{name: "serviceName", value: s.Name},
		{name: "serviceDisplayName", value: s.DisplayName},
		{name: "serviceStartType", value: s.StartType},
		{name: "prevState", value: s.PreviousStatus},
		{name: "currState", value: s.Status},
		{name: "stateChanged", value: a.Kind != messages.ServiceStatus},
	}
	for i := range out {
		out[i].parameter = strings.ToLower(out[i].name)
	}
	return out
}

func licenseMessage(event string, a messages.Alert) message {
	l := a.License
	if a.Kind == messages.LicenseExpiring && l.Over() {
		event = expired
	}
	var date, days any
	if l.ExpiryDate != "" {
		date = l.ExpiryDate
	}
	if l.DaysKnown {
		days = l.DaysLeft
	}
	return message{
		{name: "event", value: event},
		{name: "licenseExpired", value: l.Expired},
		{name: "expiryDateStr", value: date},
		{name: "daysUntilExpiry", value: days},
	}
}

func cloudMessage(event string, a messages.Alert) message {
	c := a.Cloud
	out := message{
		{name: "event", value: event},
		{name: "tenantId", value: c.TenantID},
		{name: "tenantComment", value: c.TenantComment},
		{name: "tenantUrl", value: c.TenantURL},
		{name: "appId", value: a.App.ID},
		{name: "appName", value: a.App.Name},
	}
	if a.Owner.Known {
		out = append(out, field{name: "ownerName", value: a.Owner.Name}, field{name: "ownerEmail", value: a.Owner.Email()})
	}
	return append(out, message{
		{name: "userId", value: c.UserID},
		{name: "userName", value: c.UserName},
		{name: "reloadId", value: c.ReloadID},
		{name: "reloadTrigger", value: c.Trigger},
		{name: "status", value: c.Status},
		{name: "executionStatusText", value: c.ExecutionStatus},
		{name: "errorCode", value: c.ErrorCode},
		{name: "errorMessage", value: c.ErrorMessage},
		{name: "logMessage", value: c.LogMessage},
		{name: "executionStartTime", value: a.Execution.Start},
		{name: "executionStopTime", value: a.Execution.Stop},
		{name: "eventTime", value: c.EventTime},
	}...)
}

// marks returns the fields that only some messages have but every receiver should know.
func marks(n messages.Notice) message {
	var out message
	if len(n.Alert.Degraded) > 0 {
		out = append(out, field{name: "degraded", value: n.Alert.Degraded})
	}
	if n.SuppressedBefore > 0 {
		out = append(out, field{name: "suppressedAlerts", value: n.SuppressedBefore})
	}
	if n.Alert.Test {
		out = append(out, field{name: "test", value: true})
	}
	return out
}
