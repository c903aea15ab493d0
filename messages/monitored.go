package messages

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// The alert kinds of what is watched beside the tasks. They have an alert's way
// to the destinations, and no task event.
const (
	// ServiceStopped and ServiceStarted are changes of state of a Windows service.
	ServiceStopped AlertKind = "windows_service_stopped"
	ServiceStarted AlertKind = "windows_service_started"
	// ServiceStatus is the state of a Windows service at every poll.
	ServiceStatus AlertKind = "windows_service_status"
	// LicenseStatus is the state of the server licence at every check.
	LicenseStatus AlertKind = "server_license_status"
	// LicenseExpiring says that the server licence ends soon, or has ended.
	LicenseExpiring AlertKind = "server_license_expiring"
	// CloudReloadFailed is a failed app reload in Qlik Cloud.
	CloudReloadFailed AlertKind = "cloud_app_reload_failed"
)

// The alert kinds of what is measured. They go to where measurements are kept,
// and no route names them.
const (
	// AccessLicenseStatus is the use of the access licences at every check.
	AccessLicenseStatus AlertKind = "access_license_status"
	// LicenseReleased is an access licence that was taken from its user.
	LicenseReleased AlertKind = "license_released"
	// SenseVersion is the version of Qlik Sense at every check.
	SenseVersion AlertKind = "sense_version"
	// ProcessUsage is the memory that this process uses, and for how long it runs.
	ProcessUsage AlertKind = "process_usage"
	// UDPQueue is how the intake of task events does.
	UDPQueue AlertKind = "udp_queue"
)

// MonitoredKinds lists them, in the order of the documentation.
func MonitoredKinds() []AlertKind {
	return []AlertKind{ServiceStopped, ServiceStarted, ServiceStatus, LicenseStatus, LicenseExpiring, CloudReloadFailed}
}

// MeasuredKinds lists those of measurements.
func MeasuredKinds() []AlertKind {
	return []AlertKind{AccessLicenseStatus, LicenseReleased, SenseVersion, ProcessUsage, UDPQueue}
}

// Reading reports whether k tells a state at regular times, rather than something
// that has happened. Readings only go where somebody asks for them by name.
func (k AlertKind) Reading() bool {
	return k == ServiceStatus || k == LicenseStatus || slices.Contains(MeasuredKinds(), k) && k != LicenseReleased
}

// AllKinds lists every alert kind that somebody can be told of.
func AllKinds() []AlertKind { return slices.Concat(TaskKinds(), MonitoredKinds()) }

// Service is a Windows service as the monitor sees it.
type Service struct {
	// Host is the machine as it is configured.
	Host string `json:"host"`
	// Name is the service's own name, FriendlyName the operator's.
	Name         string `json:"name"`
	FriendlyName string `json:"friendlyName,omitempty"`
	DisplayName  string `json:"displayName,omitempty"`
	// StartType is "Automatic", "Automatic (delayed start)", "Manual", "Disabled",
	// or the name that Windows has for another one.
	StartType string `json:"startType,omitempty"`
	ExePath   string `json:"exePath,omitempty"`
	// Dependencies are names of services. Frozen.
	Dependencies []string `json:"dependencies,omitempty"`
	// Status is STOPPED, RUNNING or another state of the service control manager;
	// PreviousStatus is the one before.
	Status         string `json:"status"`
	PreviousStatus string `json:"previousStatus,omitempty"`
}

// License is the server licence at one check.
type License struct {
	Expired bool `json:"expired"`
	// ExpiryDate is the text in the licence, such as "2026-12-31"; "" when it names none.
	ExpiryDate string `json:"expiryDate,omitempty"`
	// DaysLeft is negative after the expiry. It only counts when DaysKnown.
	DaysLeft  int  `json:"daysLeft"`
	DaysKnown bool `json:"daysKnown"`
}

// Usage is what this process uses, sizes in bytes.
type Usage struct {
	// HeapTotal is what the heap has of the operating system, HeapUsed how much of
	// it is in use. External is what the process has beside the heap.
	HeapUsed  int64 `json:"heapUsed"`
	HeapTotal int64 `json:"heapTotal"`
	External  int64 `json:"external"`
	// Process is what the process holds in memory; 0 where the system does not tell.
	Process int64 `json:"process,omitempty"`
	// Uptime is for how long the service runs, Interval the time from one report to the next.
	Uptime   time.Duration `json:"uptime"`
	Interval time.Duration `json:"interval"`
	// Version is that of the service.
	Version string `json:"version"`
}

// CloudReload is what the event of a Qlik Cloud app reload says, and what the
// tenant knows of it. The app, its owner, the times and the script log stand
// where those of a task do.
type CloudReload struct {
	TenantID string `json:"tenantId"`
	// TenantComment, TenantURL, QMC and Hub are of the configuration.
	TenantComment string `json:"tenantComment,omitempty"`
	TenantURL     string `json:"tenantUrl,omitempty"`
	QMC           string `json:"qmc,omitempty"`
	Hub           string `json:"hub,omitempty"`
	// UserID and UserName are of the user who started the reload.
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
	// Status is the event's, ExecutionStatus the reload record's.
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
	// SectionAccess and Thumbnail are of the app; OwnerPicture is a web address.
	SectionAccess bool   `json:"sectionAccess"`
	Thumbnail     string `json:"thumbnail,omitempty"`
	OwnerPicture  string `json:"ownerPicture,omitempty"`
}

// Subject names what an alert is about: the task, the service on its host, the
// licence, the app in the cloud. It is what suppression counts by. The ID of a task is
// in small letters, however a node wrote it.
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

// TaskEvent reports whether the alert is about a task, rather than about
// something that is monitored or measured.
func (a *Alert) TaskEvent() bool {
	return !slices.Contains(MonitoredKinds(), a.Kind) && !slices.Contains(MeasuredKinds(), a.Kind)
}

// Observed returns the alert as what a monitor saw at a moment: with its time,
// and with an ID of its own. nth tells apart what it saw of one thing at once.
func (a Alert) Observed(at time.Time, nth int) Alert {
	a.DecidedAt = at
	a.Key = ExecutionKey(fmt.Sprintf("monitor:%s|%s|%d", a.Subject(), at.UTC().Format(time.RFC3339Nano), nth))
	a.ID = NewAlertID(a.Key, a.Kind)
	return a
}
