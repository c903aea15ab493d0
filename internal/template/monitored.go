package template

import (
	"maps"
	"strconv"
	"strings"

	"butler/messages"
)

// The fields of alerts that are not about tasks.

func serviceFields(s messages.Service) map[string]any {
	return map[string]any{
		"host": s.Host, "serviceName": s.Name, "serviceDisplayName": s.DisplayName, "serviceFriendlyName": s.FriendlyName,
		"serviceStatus": s.Status, "servicePrevStatus": s.PreviousStatus, "serviceStartType": s.StartType,
		"serviceExePath": s.ExePath, "serviceDependencies": texts(s.Dependencies),
	}
}

func licenseFields(l messages.License) map[string]any {
	return map[string]any{
		"licenseExpired": l.Expired, "expiryDateStr": l.ExpiryDate, "daysUntilExpiry": ifKnown(l.DaysKnown, l.DaysLeft),
	}
}

// cloudFields returns the fields of a Qlik Cloud app reload. Large numbers are texts with
// separators, as existing templates expect.
func cloudFields(a messages.Alert, o FieldOptions) map[string]any {
	c := a.Cloud
	out := map[string]any{
		"tenantId": c.TenantID, "tenantComment": c.TenantComment, "tenantUrl": c.TenantURL,
		"userId": c.UserID, "userName": c.UserName,
		"appId": a.App.ID, "appName": a.App.Name, "appUrl": cloudAppURL(a), "appDescription": a.App.Description,
		"appHasSectionAccess": c.SectionAccess, "appIsPublished": a.App.Published, "appPublishTime": a.App.PublishTime,
		"appThumbnail": c.Thumbnail, "appTags": texts(a.App.Tags), "appFileSize": "",
		"reloadTrigger": c.Trigger, "source": c.Source, "eventType": c.EventType, "eventTypeVersion": c.EventTypeVersion,
		"endedWithMemoryConstraint": c.EndedWithMemoryConstraint, "isDirectQueryMode": c.DirectQueryMode,
		"isPartialReload": c.PartialReload, "isSessionApp": c.SessionApp, "isSkipStore": c.SkipStore,
		"peakMemoryBytes": thousands(c.PeakMemoryBytes), "sizeMemoryBytes": thousands(c.SizeMemoryBytes), "rowLimit": thousands(c.RowLimit),
		"reloadId": c.ReloadID, "statements": c.Statements, "status": c.Status, "usageDuration": c.UsageDuration,
		"errorCode": c.ErrorCode, "errorMessage": c.ErrorMessage, "logMessage": c.LogMessage,
		"appOwnerName": a.Owner.Name, "appOwnerUserId": a.Owner.UserID, "appOwnerPicture": c.OwnerPicture, "appOwnerEmail": a.Owner.Email(),
		"qlikSenseQMC": c.QMC, "qlikSenseHub": c.Hub,
	}
	if a.App.Known {
		out["appFileSize"] = thousands(a.App.FileSize)
	}
	execution := executionFields(a.Execution, o.Location)
	for _, name := range []string{"executionStartTime", "executionStopTime", "executionDuration", "executionDurationText"} {
		out[name] = execution[name]
	}
	out["executionStatusText"], out["executionResult"] = c.ExecutionStatus, c.ExecutionStatus
	maps.Copy(out, scriptLogFields(a, o))
	out["scriptLogSize"] = thousands(int64(a.ScriptLog.Rows))
	if a.ScriptLog.Rows > 0 {
		out["scriptLogSizeRows"], out["scriptLogSizeCharacters"] = out["scriptLogSize"], thousands(int64(a.ScriptLog.Characters))
	}
	return out
}

// cloudAppURL returns the link to an app of a tenant, or "" without an address or an ID.
func cloudAppURL(a messages.Alert) string {
	if a.Cloud.TenantURL == "" || a.App.ID == "" {
		return ""
	}
	return strings.TrimSuffix(a.Cloud.TenantURL, "/") + "/sense/app/" + a.App.ID
}

// thousands returns a number with a comma between groups of three digits: "1,234,567".
func thousands(n int64) string {
	digits := strconv.FormatInt(n, 10)
	sign := ""
	if digits[0] == '-' {
		sign, digits = "-", digits[1:]
	}
	for at := len(digits) - 3; at > 0; at -= 3 {
		digits = digits[:at] + "," + digits[at:]
	}
	return sign + digits
}
