package messages

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// The alert kinds of monitors. They are sent to the destinations like those of tasks, but
// have no task event.
const (
	// ServiceStopped and ServiceStarted are changes of state of a Windows service.
	ServiceStopped AlertKind = "windows_service_stopped"
	ServiceStarted AlertKind = "windows_service_started"
	// ServiceStatus is the state of a Windows service at every poll.
	ServiceStatus AlertKind = "windows_service_status"
	// LicenseStatus is the state of the server licence at every check.
	LicenseStatus AlertKind = "server_license_status"
	// LicenseExpiring means that the server licence expires soon or has expired.
	LicenseExpiring AlertKind = "server_license_expiring"
	// CloudReloadFailed is a failed app reload in Qlik Cloud.
	CloudReloadFailed AlertKind = "cloud_app_reload_failed"
)

// The alert kinds of measurements. They are only sent to destinations that store
// measurements, and routes cannot select them.
const (
	// AccessLicenseStatus is the use of the access licences at every check.
	AccessLicenseStatus AlertKind = "access_license_status"
	// LicenseReleased is an access licence that was released from a user.
	LicenseReleased AlertKind = "license_released"
	// SenseVersion is the version of Qlik Sense at every check.
	SenseVersion AlertKind = "sense_version"
	// ProcessUsage is the memory use and the uptime of this process.
	ProcessUsage AlertKind = "process_usage"
	// UDPQueue is the state of the intake of task events, with its counters.
	UDPQueue AlertKind = "udp_queue"
)

// MonitoredKinds lists the alert kinds of monitors, in the order of the documentation.
func MonitoredKinds() []AlertKind {
	return []AlertKind{ServiceStopped, ServiceStarted, ServiceStatus, LicenseStatus, LicenseExpiring, CloudReloadFailed}
}

// MeasuredKinds lists the alert kinds of measurements.
func MeasuredKinds() []AlertKind {
	return []AlertKind{AccessLicenseStatus, LicenseReleased, SenseVersion, ProcessUsage, UDPQueue}
}

// Reading reports whether k is a state that is reported at regular times, rather than an
// occurrence. A destination gets readings only if its configuration names the kind.
func (k AlertKind) Reading() bool {
	return k == ServiceStatus || k == LicenseStatus || slices.Contains(MeasuredKinds(), k) && k != LicenseReleased
}

// AllKinds lists every alert kind except those of measurements.
func AllKinds() []AlertKind { return slices.Concat(TaskKinds(), MonitoredKinds()) }

// Service is a Windows service as the monitor sees it.
type Service struct {
	// Host is the name of the machine in the configuration.
	Host string `json:"host"`
	// Name is the service name in Windows, FriendlyName the operator's name for it.
	Name         string `json:"name"`
	FriendlyName string `json:"friendlyName,omitempty"`
	DisplayName  string `json:"displayName,omitempty"`
	// StartType is "Automatic", "Automatic (delayed start)", "Manual", "Disabled", "Boot",
	// "System", or the number of another start type.
	StartType string `json:"startType,omitempty"`
	ExePath   string `json:"exePath,omitempty"`
	// Dependencies are names of services. Frozen.
	Dependencies []string `json:"dependencies,omitempty"`
	// Status is STOPPED, RUNNING or another state of the service control manager, and
	// PreviousStatus the state before.
	Status         string `json:"status"`
	PreviousStatus string `json:"previousStatus,omitempty"`
}

// License is the server licence at one check.
type License struct {
	Expired bool `json:"expired"`
	// ExpiryDate is the text in the licence, such as "2026-12-31"; "" if it has none.
	ExpiryDate string `json:"expiryDate,omitempty"`
	// DaysLeft is negative after the expiry. It is only valid if DaysKnown is set.
	DaysLeft  int  `json:"daysLeft"`
	DaysKnown bool `json:"daysKnown"`
}

// Over reports whether the licence has expired, by its date where Qlik Sense does not say so.
func (l License) Over() bool { return l.Expired || l.DaysKnown && l.DaysLeft < 0 }

// Usage is the memory use of this process, in bytes, and its uptime.
type Usage struct {
	// HeapTotal is the size of the heap, HeapUsed the used part of it, and External the
	// memory outside the heap that the process has from the operating system.
	HeapUsed  int64 `json:"heapUsed"`
	HeapTotal int64 `json:"heapTotal"`
	External  int64 `json:"external"`
	// Process is the resident memory of the process; 0 if the system does not report it.
	Process int64 `json:"process,omitempty"`
	// Interval is the time between reports.
	Uptime   time.Duration `json:"uptime"`
	Interval time.Duration `json:"interval"`
	// Version is the version of this program.
	Version string `json:"version"`
}

// CloudReload is the data of a Qlik Cloud app reload, from its event and from look-ups in
// the tenant. The app, its owner, the times and the script log are in the fields of the
// alert that task events use, too.
type CloudReload struct {
	TenantID string `json:"tenantId"`
	// TenantComment, TenantURL, QMC and Hub are from the configuration.
	TenantComment string `json:"tenantComment,omitempty"`
	TenantURL     string `json:"tenantUrl,omitempty"`
	QMC           string `json:"qmc,omitempty"`
	Hub           string `json:"hub,omitempty"`
	// UserID and UserName are those of the user who started the reload.
	UserID   string `json:"userId,omitempty"`
	UserName string `json:"userName,omitempty"`
	ReloadID string `json:"reloadId,omitempty"`
	// Trigger is hub, chronos, external, automations or data-refresh.
	Trigger          string `json:"trigger,omitempty"`
	Source           string `json:"source,omitempty"`
	EventType        string `json:"eventType,omitempty"`
	EventTypeVersion string `json:"eventTypeVersion,omitempty"`
	// EventTime is the ISO text of the event.
	EventTime string `json:"eventTime,omitempty"`
	// Status is from the event, ExecutionStatus from the reload record.
	Status          string `json:"status,omitempty"`
	ExecutionStatus string `json:"executionStatus,omitempty"`
	ErrorCode       string `json:"errorCode,omitempty"`
	ErrorMessage    string `json:"errorMessage,omitempty"`
	LogMessage      string `json:"logMessage,omitempty"`
	// UsageDuration is an ISO 8601 duration, such as "PT42S".
	UsageDuration string `json:"usageDuration,omitempty"`
	// Statements is opaque.
	Statements                string `json:"statements,omitempty"`
	EndedWithMemoryConstraint bool   `json:"endedWithMemoryConstraint"`
	DirectQueryMode           bool   `json:"directQueryMode"`
	PartialReload             bool   `json:"partialReload"`
	SessionApp                bool   `json:"sessionApp"`
	SkipStore                 bool   `json:"skipStore"`
	// Sizes are in bytes. RowLimit is -1 without one.
	PeakMemoryBytes int64 `json:"peakMemoryBytes"`
	SizeMemoryBytes int64 `json:"sizeMemoryBytes"`
	RowLimit        int64 `json:"rowLimit"`
	// SectionAccess and Thumbnail are those of the app. OwnerPicture is a web address.
	SectionAccess bool   `json:"sectionAccess"`
	Thumbnail     string `json:"thumbnail,omitempty"`
	OwnerPicture  string `json:"ownerPicture,omitempty"`
}

// Subject identifies what an alert is about: the task, the service on its host, the
// licence, the app in the cloud. Suppression windows are kept per subject. The ID of a
// task is in lower case, because the nodes differ in that.
func (a *Alert) Subject() string {
	switch a.Kind {
	case ServiceStopped, ServiceStarted, ServiceStatus:
		return a.Service.Host + "|" + a.Service.Name
	case LicenseStatus, LicenseExpiring:
		return "license"
	case CloudReloadFailed:
		return a.App.ID
	case AccessLicenseStatus, LicenseReleased, SenseVersion, ProcessUsage, UDPQueue:
		return string(a.Kind)
	default:
		return strings.ToLower(a.Event.TaskID)
	}
}

// TaskEvent reports whether the alert is about a task, rather than from a monitor.
func (a *Alert) TaskEvent() bool {
	return !slices.Contains(MonitoredKinds(), a.Kind) && !slices.Contains(MeasuredKinds(), a.Kind)
}

// Observed returns the alert of an observation that a monitor made at a time: with that
// time, and a key and ID derived from it. nth distinguishes observations of one subject at
// the same time.
func (a Alert) Observed(at time.Time, nth int) Alert {
	a.DecidedAt = at
	a.Key = ExecutionKey(fmt.Sprintf("monitor:%s|%s|%d", a.Subject(), at.UTC().Format(time.RFC3339Nano), nth))
	a.ID = NewAlertID(a.Key, a.Kind)
	return a
}
