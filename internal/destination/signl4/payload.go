package signl4

import (
	"strings"

	"butler/internal/template"
	"butler/internal/text"
	"butler/messages"
)

// Lengths in characters. SIGNL4 documents no limits; these are generous for what a
// person reads on a telephone.
const (
	maxTitle   = 200
	maxMessage = 8000
	maxID      = 200
)

// signal is the body of a call, in the order of the documentation.
type signal struct {
	Title      string
	Message    string
	Severity   int
	Service    string `json:"X-S4-Service"`
	ExternalID string `json:"X-S4-ExternalID"`
	Status     string `json:"X-S4-Status"`
	Location   string `json:"X-S4-Location,omitempty"`
}

// titles are the titles that rules in SIGNL4 may look for. Other alerts have the same
// title as at every destination.
var titles = map[messages.AlertKind]string{
	messages.ReloadTaskFailed:  "Qlik Sense reload task failed",
	messages.ReloadTaskAborted: "Qlik Sense task aborted",
}

func payloadOf(n messages.Notice, s Settings) signal {
	title, ok := titles[n.Alert.Kind]
	if !ok {
		title = "Qlik Sense: " + template.TitleOf(n.Alert)
	}
	return signal{
		Title: text.Excerpt(title, maxTitle), Message: message(n), Severity: s.Severity, Service: s.ServiceName,
		ExternalID: text.Excerpt(n.Alert.Subject(), maxID), Status: "new", Location: strings.ReplaceAll(s.Location, " ", ""),
	}
}

// message says what the alert is about, and adds the notes: that it is a test, that
// details are missing, that other alerts were held back.
func message(n messages.Notice) string {
	lines := []string{subject(n.Alert)}
	lines = append(lines, template.Notes(template.Fields(n, template.FieldOptions{}))...)
	return template.CutEnd(strings.Join(lines, "\n"), maxMessage, template.Units)
}

func subject(a messages.Alert) string {
	// Only the name is cut here, so that the text after it always remains.
	name := text.Excerpt(template.SubjectOf(a), maxMessage/2)
	switch a.Kind {
	case messages.ServiceStopped, messages.ServiceStarted, messages.ServiceStatus:
		return "Service: " + name + " is " + text.Excerpt(a.Service.Status, maxTitle)
	case messages.LicenseStatus, messages.LicenseExpiring:
		return "Licence: " + text.Excerpt(template.LicenseText(a.License), maxTitle)
	case messages.CloudReloadFailed:
		return "App: " + name
	default:
		return "Task: " + name
	}
}

func (s signal) json() ([]byte, error) { return template.EncodeJSON(s) }
