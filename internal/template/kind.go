package template

import (
	"butler/internal/qlik"
	"butler/messages"
)

// Outcome is how the thing that an alert is about ended.
type Outcome string

// The outcomes.
const (
	Failed    Outcome = "failed"
	Aborted   Outcome = "aborted"
	Succeeded Outcome = "succeeded"
)

// kinds is the one table of what messages say of an alert kind.
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
}

// BuiltinName returns the name of the template that ships for an alert kind,
// "" for a kind that has none.
func BuiltinName(kind messages.AlertKind) string { return kinds[kind].builtin }

// Title returns what happened in three words: "Reload task failed".
func Title(kind messages.AlertKind) string { return kinds[kind].title }

// TitleOf returns the title of an alert. One whose task could not be looked up
// was routed as a reload, and does not claim to be one.
func TitleOf(a messages.Alert) string {
	switch a.Kind {
	case messages.ReloadTaskFailed, messages.ReloadTaskAborted, messages.ReloadTaskSucceeded:
		if a.Task.Type == qlik.TaskTypeUnknown {
			return "Task " + string(OutcomeOf(a.Kind))
		}
		return Title(a.Kind)
	default:
		return Title(a.Kind)
	}
}

// OutcomeOf returns how the task of an alert kind ended.
func OutcomeOf(kind messages.AlertKind) Outcome { return kinds[kind].outcome }
