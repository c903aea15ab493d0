package mqtt

import (
	"butler/messages"
)

// cloudReload is a failed app reload in Qlik Cloud.
type cloudReload struct {
	TenantID         string   `json:"tenantId"`
	TenantComment    string   `json:"tenantComment"`
	TenantURL        string   `json:"tenantUrl"`
	UserID           string   `json:"userId"`
	UserName         string   `json:"userName"`
	AppID            string   `json:"appId"`
	AppName          string   `json:"appName"`
	AppDescription   string   `json:"appDescription"`
	AppTags          []string `json:"appTags"`
	AppOwnerName     string   `json:"appOwnerName"`
	AppOwnerUserID   string   `json:"appOwnerUserId"`
	AppOwnerEmail    string   `json:"appOwnerEmail"`
	ReloadID         string   `json:"reloadId"`
	ReloadTrigger    string   `json:"reloadTrigger"`
	Source           string   `json:"source"`
	EventType        string   `json:"eventType"`
	EventTypeVersion string   `json:"eventTypeVersion"`
	EventTime        string   `json:"eventTime"`
	Status           string   `json:"status"`
	ExecutionStatus  string   `json:"executionStatusText"`
	UsageDuration    string   `json:"usageDuration"`
	StartTime        string   `json:"executionStartTime"`
	StopTime         string   `json:"executionStopTime"`
	ErrorCode        string   `json:"errorCode"`
	ErrorMessage     string   `json:"errorMessage"`
	LogMessage       string   `json:"logMessage"`
	MemoryConstraint bool     `json:"endedWithMemoryConstraint"`
	DirectQueryMode  bool     `json:"isDirectQueryMode"`
	PartialReload    bool     `json:"isPartialReload"`
	SessionApp       bool     `json:"isSessionApp"`
	SkipStore        bool     `json:"isSkipStore"`
	PeakMemoryBytes  int64    `json:"peakMemoryBytes"`
	SizeMemoryBytes  int64    `json:"sizeMemoryBytes"`
	RowLimit         int64    `json:"rowLimit"`
	marks
}

func cloudOf(a messages.Alert, m marks) cloudReload {
	c := a.Cloud
	return cloudReload{
		TenantID: text(c.TenantID), TenantComment: text(c.TenantComment), TenantURL: text(c.TenantURL),
		UserID: text(c.UserID), UserName: text(c.UserName),
		AppID: text(a.App.ID), AppName: text(a.App.Name), AppDescription: text(a.App.Description), AppTags: items(a.App.Tags),
		AppOwnerName: text(a.Owner.Name), AppOwnerUserID: text(a.Owner.UserID), AppOwnerEmail: text(a.Owner.Email()),
		ReloadID: text(c.ReloadID), ReloadTrigger: text(c.Trigger), Source: text(c.Source),
		EventType: text(c.EventType), EventTypeVersion: text(c.EventTypeVersion), EventTime: text(c.EventTime),
		Status: text(c.Status), ExecutionStatus: text(c.ExecutionStatus), UsageDuration: text(c.UsageDuration),
		StartTime: text(a.Execution.Start), StopTime: text(a.Execution.Stop),
		ErrorCode: text(c.ErrorCode), ErrorMessage: text(c.ErrorMessage), LogMessage: text(c.LogMessage),
		MemoryConstraint: c.EndedWithMemoryConstraint, DirectQueryMode: c.DirectQueryMode, PartialReload: c.PartialReload,
		SessionApp: c.SessionApp, SkipStore: c.SkipStore,
		PeakMemoryBytes: c.PeakMemoryBytes, SizeMemoryBytes: c.SizeMemoryBytes, RowLimit: c.RowLimit, marks: m,
	}
}
