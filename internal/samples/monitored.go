package samples

import (
	"time"

	"butler/messages"
)

// monitored returns a complete alert of a monitored kind.
func monitored(kind messages.AlertKind) (messages.Alert, bool) {
	a := messages.Alert{Kind: kind, DecidedAt: EventTime().Add(time.Second)}
	switch kind {
	case messages.ServiceStopped:
		a.Service = service("STOPPED", "RUNNING")
	case messages.ServiceStarted:
		a.Service = service("RUNNING", "STOPPED")
	case messages.ServiceStatus:
		a.Service = service("RUNNING", "")
	case messages.LicenseStatus, messages.LicenseExpiring:
		a.License = messages.License{ExpiryDate: "2026-06-15", DaysLeft: 40, DaysKnown: true}
	case messages.ProcessUsage:
		a.Usage = usage()
	case messages.CloudReloadFailed:
		a = cloud(a)
	default:
		if a.Points = points(kind); a.Points == nil {
			return messages.Alert{}, false
		}
	}
	a.Key = messages.ExecutionKey("sample:" + a.Subject())
	a.ID = messages.NewAlertID(a.Key, kind)
	return a, true
}

func service(status, before string) messages.Service {
	return messages.Service{
		Host: "sense-01", Name: "QlikSenseEngineService", FriendlyName: "Engine", DisplayName: "Qlik Sense Engine Service",
		StartType: "Automatic", ExePath: `C:\Program Files\Qlik\Sense\Engine\Engine.exe`,
		Dependencies: []string{"QlikSenseServiceDispatcher"}, Status: status, PreviousStatus: before,
	}
}

// Identifiers of the cloud sample.
const (
	tenantID = "4f2f0c1e9d8b7a6c5e4d3c2b"
	reloadID = "66aa00bb11cc22dd33ee44ff"
	userID   = "64d1e2f3a4b5c6d7e8f90a1b"
)

func cloud(a messages.Alert) messages.Alert {
	a.App = messages.App{
		Known: true, ID: AppID, Name: "Stock", Description: "Stock of all warehouses", FileSize: 7_340_032,
		PublishTime: "2026-01-01T00:00:00.000Z", Published: true, Tags: []string{"prod", "Butler alerts"},
	}
	a.Owner = messages.Owner{Known: true, ID: ownerID, UserID: ownerID, Name: "Bo Ek", Emails: []string{"bo@example.com"}}
	a.Execution = messages.Execution{
		Known: true, Start: "2026-05-06T12:23:03.000Z", Stop: "2026-05-06T12:23:45.000Z", Duration: 42 * time.Second,
	}
	a.ScriptLog = ScriptLog(60)
	a.Cloud = messages.CloudReload{
		TenantID: tenantID, TenantComment: "Production", TenantURL: "https://tenant.example.com",
		QMC: "https://tenant.example.com/console", Hub: "https://tenant.example.com/hub",
		UserID: userID, UserName: "Anna Berg", ReloadID: reloadID, Trigger: "chronos",
		Source: "com.qlik/engine", EventType: "com.qlik.v1.app.reload.finished", EventTypeVersion: "1.0.0",
		EventTime: "2026-05-06T12:23:45Z", Status: "error", ExecutionStatus: "FAILED",
		ErrorCode: "EngineConnectorError", ErrorMessage: "The connector did not answer", LogMessage: "Reload failed\r\nin line 12",
		UsageDuration: "PT42S", PeakMemoryBytes: 123_456_789, SizeMemoryBytes: 2_048, RowLimit: -1, SectionAccess: true,
	}
	return a
}

// degrade removes what a look-up adds.
func degrade(a messages.Alert) messages.Alert {
	if a.Kind != messages.CloudReloadFailed {
		return a
	}
	c := a.Cloud
	a.App = messages.App{ID: a.App.ID, Name: a.App.Name}
	a.Owner, a.Execution, a.ScriptLog = messages.Owner{}, messages.Execution{}, messages.ScriptLog{}
	a.Cloud = messages.CloudReload{
		TenantID: c.TenantID, TenantComment: c.TenantComment, TenantURL: c.TenantURL, QMC: c.QMC, Hub: c.Hub, UserID: c.UserID,
		ReloadID: c.ReloadID, Source: c.Source, EventType: c.EventType, EventTypeVersion: c.EventTypeVersion, EventTime: c.EventTime,
		Status: c.Status, UsageDuration: c.UsageDuration, PeakMemoryBytes: c.PeakMemoryBytes, SizeMemoryBytes: c.SizeMemoryBytes, RowLimit: c.RowLimit,
	}
	a.Degraded = []string{"app, reload and owner: the tenant did not answer in time"}
	return a
}
