package template

import (
	"cmp"

	"butler/internal/qlik"
	"butler/messages"
)

// Outcome classifies the alert kinds: how a task ended, or whether the alert is about a
// problem.
type Outcome string

// The outcomes.
const (
	Failed    Outcome = "failed"
	Aborted   Outcome = "aborted"
	Succeeded Outcome = "succeeded"
)

// kinds has the built-in template, the title and the outcome of each alert kind.
var kinds = map[messages.AlertKind]struct {
	builtin string
	title   string
	outcome Outcome
}{
	messages.ReloadTaskFailed:             {"failed-reload-qseow", "Reload task failed", Failed},
	messages.ReloadTaskAborted:            {"aborted-reload-qseow", "Reload task aborted", Aborted},
	messages.ReloadTaskSucceeded:          {"success-reload-qseow", "Reload task succeeded", Succeeded},
	messages.DistributeTaskFailed:         {"failed-distribute-qseow", "Distribution failed", Failed},
	messages.DistributeTaskSucceeded:      {"success-distribute-qseow", "Distribution succeeded", Succeeded},
	messages.PreloadTaskFailed:            {"failed-preload-qseow", "Preload failed", Failed},
	messages.PreloadTaskSucceeded:         {"success-preload-qseow", "Preload succeeded", Succeeded},
	messages.ExternalProgramTaskFailed:    {"", "External program task failed", Failed},
	messages.ExternalProgramTaskSucceeded: {"", "External program task succeeded", Succeeded},
	messages.UserSyncTaskFailed:           {"", "User sync task failed", Failed},
	messages.UserSyncTaskSucceeded:        {"", "User sync task succeeded", Succeeded},
	messages.ServiceStopped:               {"service-stopped", "Windows service stopped", Failed},
	messages.ServiceStarted:               {"service-started", "Windows service started", Succeeded},
	messages.ServiceStatus:                {"", "Windows service status", Succeeded},
	messages.LicenseStatus:                {"", "Server licence status", Succeeded},
	messages.LicenseExpiring:              {"", "Server licence about to expire", Failed},
	messages.CloudReloadFailed:            {"failed-reload-qscloud", "App reload failed", Failed},
}

// BuiltinName returns the name of the built-in template of an alert kind, "" if there is
// none.
func BuiltinName(kind messages.AlertKind) string { return kinds[kind].builtin }

// Title returns the title of an alert kind, such as "Reload task failed".
func Title(kind messages.AlertKind) string { return kinds[kind].title }

// TitleOf returns the title of an alert. If the task could not be looked up, the alert has
// a kind of reload tasks, but its title does not say so.
func TitleOf(a messages.Alert) string {
	switch a.Kind {
	case messages.ReloadTaskFailed, messages.ReloadTaskAborted, messages.ReloadTaskSucceeded:
		if a.Task.Type == qlik.TaskTypeUnknown {
			return "Task " + string(OutcomeOf(a.Kind))
		}
		return Title(a.Kind)
	case messages.LicenseExpiring:
		if a.License.Expired {
			return "Server licence has expired"
		}
		return Title(a.Kind)
	default:
		return Title(a.Kind)
	}
}

// SubjectOf returns the name of what an alert is about: the task, the service
// on its host, the app.
func SubjectOf(a messages.Alert) string {
	switch a.Kind {
	case messages.ServiceStopped, messages.ServiceStarted, messages.ServiceStatus:
		return cmp.Or(a.Service.DisplayName, a.Service.Name) + " on " + a.Service.Host
	case messages.LicenseStatus, messages.LicenseExpiring:
		return "Qlik Sense"
	case messages.CloudReloadFailed:
		return cmp.Or(a.App.Name, a.App.ID)
	default:
		return cmp.Or(a.Event.TaskName, a.Task.Name, a.Event.TaskID)
	}
}

// OutcomeOf returns the outcome of an alert kind.
func OutcomeOf(kind messages.AlertKind) Outcome { return kinds[kind].outcome }
