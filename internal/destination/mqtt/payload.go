package mqtt

import (
	"cmp"
	"encoding/json"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"butler/internal/template"
	"butler/messages"
)

// The limits of a message, in bytes. The protocol has practically none; common
// brokers accept this much.
const (
	maxDocument = 256 << 10
	maxLine     = 4 << 10
	maxText     = 4 << 10
	maxItem     = 256
	// maxItems bounds lists, such as tags.
	maxItems = 100
)

// line returns an alert as one line of text. For a task it is only the name, because
// subscribers compare it; a test and held-back alerts are noted after it.
func line(n messages.Notice) string {
	out := subject(n.Alert)
	if n.Alert.Test {
		out += " (test)"
	}
	if n.SuppressedBefore > 0 {
		out += fmt.Sprintf(" (%d more were held back)", n.SuppressedBefore)
	}
	return template.CutEnd(strings.Map(visible, out), maxLine, utf8.RuneLen)
}

// visible replaces control characters by spaces.
func visible(r rune) rune {
	if unicode.IsControl(r) {
		return ' '
	}
	return r
}

func subject(a messages.Alert) string {
	switch a.Kind {
	case messages.ServiceStopped, messages.ServiceStarted, messages.ServiceStatus:
		return fmt.Sprintf("Windows service %s on %s is %s", a.Service.Name, a.Service.Host, a.Service.Status)
	case messages.LicenseStatus, messages.LicenseExpiring:
		return licenseLine(a.License)
	case messages.CloudReloadFailed:
		return cmp.Or(a.App.Name, a.App.ID)
	default:
		return cmp.Or(a.Event.TaskName, a.Task.Name, a.Event.TaskID)
	}
}

func licenseLine(l messages.License) string {
	switch {
	case l.Over() && l.ExpiryDate == "":
		return "Qlik Sense server license expired"
	case l.Over():
		return "Qlik Sense server license expired on " + l.ExpiryDate
	case !l.DaysKnown:
		return "Qlik Sense server license has no known end"
	default:
		return fmt.Sprintf("Qlik Sense server license is about to expire in %d days, on %s", l.DaysLeft, l.ExpiryDate)
	}
}

// marks are the fields that all documents have in addition to those of their kind.
type marks struct {
	AlertKind        messages.AlertKind `json:"alertKind"`
	Degraded         []string           `json:"degraded,omitempty"`
	SuppressedAlerts int                `json:"suppressedAlerts,omitempty"`
	Test             bool               `json:"test,omitempty"`
}

// document returns an alert as a JSON object. Metadata that would make it too large
// are left out, which the document notes.
func document(n messages.Notice) ([]byte, error) {
	m := marks{AlertKind: n.Alert.Kind, Degraded: items(n.Alert.Degraded), SuppressedAlerts: n.SuppressedBefore, Test: n.Alert.Test}
	var v any
	switch n.Alert.Kind {
	case messages.ServiceStopped, messages.ServiceStarted, messages.ServiceStatus:
		v = serviceOf(n.Alert, m)
	case messages.LicenseStatus, messages.LicenseExpiring:
		v = licenseOf(n.Alert.License, m)
	case messages.CloudReloadFailed:
		v = cloudOf(n.Alert, m)
	default:
		return taskDocument(n.Alert, m)
	}
	return encode(v)
}

func encode(v any) ([]byte, error) {
	out, err := template.EncodeJSON(v)
	if err != nil {
		return nil, fmt.Errorf("encode the message: %w", err)
	}
	return out, nil
}

type task struct {
	HostName             string              `json:"hostName"`
	User                 string              `json:"user"`
	TaskName             string              `json:"taskName"`
	TaskID               string              `json:"taskId"`
	AppName              string              `json:"appName"`
	AppID                string              `json:"appId"`
	LogTimeStamp         string              `json:"logTimeStamp"`
	LogLevel             string              `json:"logLevel"`
	ExecutionID          string              `json:"executionId"`
	LogMessage           string              `json:"logMessage"`
	AppTags              []string            `json:"qs_appTags"`
	AppCustomProperties  []messages.Property `json:"qs_appCustomProperties"`
	TaskTags             []string            `json:"qs_taskTags"`
	TaskCustomProperties []messages.Property `json:"qs_taskCustomProperties"`
	TaskMetadata         json.RawMessage     `json:"qs_taskMetadata,omitempty"`
	AppMetadata          json.RawMessage     `json:"qs_appMetadata,omitempty"`
	marks
}

func taskDocument(a messages.Alert, m marks) ([]byte, error) {
	e := a.Event
	t := task{
		HostName: text(e.HostName), User: text(e.UserSingleBackslash()), TaskName: text(e.TaskName), TaskID: text(e.TaskID),
		AppName: text(cmp.Or(e.AppName, a.App.Name)), AppID: text(cmp.Or(e.AppID, a.App.ID)),
		LogTimeStamp: text(e.LogTimestamp), LogLevel: text(e.LogLevel), ExecutionID: text(e.ExecutionID), LogMessage: text(e.LogMessage),
		AppTags: items(a.App.Tags), AppCustomProperties: properties(a.App.CustomProperties),
		TaskTags: items(a.Task.Tags), TaskCustomProperties: properties(a.Task.CustomProperties),
		TaskMetadata: raw(a.Task.Metadata), AppMetadata: raw(a.App.Metadata), marks: m,
	}
	whole, err := encode(t)
	if err != nil || len(whole) <= maxDocument {
		return whole, err
	}
	t.TaskMetadata, t.AppMetadata = nil, nil
	t.Degraded = append(t.Degraded, fmt.Sprintf("metadata of task and app: the message would be larger than %d bytes", maxDocument))
	return encode(t)
}

// raw returns a JSON document unchanged except for invalid UTF-8, or nil if it is invalid.
func raw(document string) json.RawMessage {
	if !json.Valid([]byte(document)) {
		return nil
	}
	return json.RawMessage(strings.ToValidUTF8(document, "\ufffd"))
}

type service struct {
	Host         string   `json:"serviceHost"`
	Name         string   `json:"serviceName"`
	FriendlyName string   `json:"serviceFriendlyName"`
	DisplayName  string   `json:"serviceDisplayName"`
	Dependencies []string `json:"serviceDependencies"`
	StartType    string   `json:"serviceStartType"`
	ExePath      string   `json:"serviceExePath"`
	Status       string   `json:"serviceStatus"`
	PrevStatus   *string  `json:"servicePrevStatus,omitempty"`
	Changed      bool     `json:"serviceStatusChanged,omitempty"`
	marks
}

func serviceOf(a messages.Alert, m marks) service {
	s := a.Service
	out := service{
		Host: text(s.Host), Name: text(s.Name), FriendlyName: text(s.FriendlyName), DisplayName: text(s.DisplayName),
		Dependencies: items(s.Dependencies), StartType: text(s.StartType), ExePath: text(s.ExePath), Status: text(s.Status), marks: m,
	}
	if a.Kind != messages.ServiceStatus {
		before := text(s.PreviousStatus)
		out.PrevStatus, out.Changed = &before, true
	}
	return out
}

type license struct {
	Expired         bool    `json:"licenseExpired"`
	ExpiryDate      *string `json:"expiryDateStr"`
	DaysUntilExpiry *int    `json:"daysUntilExpiry"`
	marks
}

func licenseOf(l messages.License, m marks) license {
	out := license{Expired: l.Expired, marks: m}
	if l.ExpiryDate != "" {
		date := text(l.ExpiryDate)
		out.ExpiryDate = &date
	}
	if l.DaysKnown {
		out.DaysUntilExpiry = &l.DaysLeft
	}
	return out
}

// items returns a list with every text cut; it is never nil.
func items(list []string) []string {
	out := make([]string, 0, min(len(list), maxItems))
	for _, one := range list[:min(len(list), maxItems)] {
		out = append(out, template.CutEnd(one, maxItem, encoded))
	}
	return out
}

func properties(list []messages.Property) []messages.Property {
	out := make([]messages.Property, 0, min(len(list), maxItems))
	for _, p := range list[:min(len(list), maxItems)] {
		out = append(out, messages.Property{Name: template.CutEnd(p.Name, maxItem, encoded), Value: template.CutEnd(p.Value, maxItem, encoded)})
	}
	return out
}

func text(s string) string { return template.CutEnd(s, maxText, encoded) }

// encoded returns an upper bound of the length of a character in a JSON string, in bytes.
func encoded(r rune) int {
	if r < ' ' || r == '"' || r == '\\' || r == utf8.RuneError || r == '\u2028' || r == '\u2029' {
		return len(`\u0000`)
	}
	return utf8.RuneLen(r)
}
