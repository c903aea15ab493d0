package starttask

import (
	"net/http"
	"slices"
	"strings"

	"butler/messages"
)

// Answer is what the caller is told, as JSON: the members of both forms of
// requests, and what is new in neither's way.
type Answer struct {
	// Status is the HTTP status.
	Status int `json:"-"`
	// unreached is the call that found Qlik Sense out of reach.
	unreached messages.Failure
	// StatusCode and Message are only there when the request as a whole came to
	// nothing; Error and Details also when a part of it did.
	StatusCode int    `json:"statusCode,omitempty"`
	Error      string `json:"error,omitempty"`
	Message    string `json:"message,omitempty"`
	Details    string `json:"details,omitempty"`

	TasksID        TasksByID        `json:"tasksId"`
	TasksTag       []TaskName       `json:"tasksTag"`
	TasksTagDenied []DeniedTag      `json:"tasksTagDenied"`
	TasksCP        []TaskName       `json:"tasksCP"`
	TasksCPDenied  []DeniedProperty `json:"tasksCPDenied"`

	// TasksStarted are the tasks that were started, each once.
	TasksStarted      []StartedTask `json:"tasksStarted"`
	TasksFailed       []FailedTask  `json:"tasksFailed"`
	TasksNotFound     []RefusedTask `json:"tasksNotFound"`
	TotalTasksStarted int           `json:"totalTasksStarted"`

	// DryRun says that nothing was started or stored; TasksToStart is what would have been.
	DryRun       bool        `json:"dryRun,omitempty"`
	TasksToStart []Rehearsal `json:"tasksToStart,omitzero"`
	// KeyValues are the pairs of the request, without the values.
	KeyValues []StoredPair `json:"keyValues,omitempty"`
	Waiting   *Waiting     `json:"wait,omitempty"`
	Warnings  []string     `json:"warnings,omitempty"`
}

// Postponed returns why the request came to nothing, if that may pass and nothing
// was done that another attempt would repeat; nil otherwise. Storing pairs again
// changes nothing.
func (a Answer) Postponed() error {
	if !a.unreached.Failed() || len(a.TasksStarted)+len(a.TasksFailed) > 0 {
		return nil
	}
	return a.unreached
}

// TasksByID is what became of the IDs of a request.
type TasksByID struct {
	Started []TaskName    `json:"started"`
	Invalid []RefusedTask `json:"invalid"`
	Denied  []RefusedTask `json:"denied"`
}

// TaskName is a task that a selector found and that was started.
type TaskName struct {
	TaskID string `json:"taskId"`
	Name   string `json:"taskName"`
}

// RefusedTask is an ID that started nothing. It is as it was given.
type RefusedTask struct {
	TaskID string `json:"taskId"`
	Reason string `json:"reason,omitempty"`
}

// DeniedTag is a tag that may not be used, or not for all tasks that have it.
type DeniedTag struct {
	Tag    string `json:"tag"`
	Reason string `json:"reason,omitempty"`
}

// DeniedProperty is a DeniedTag for a custom property.
type DeniedProperty struct {
	messages.Property
	Reason string `json:"reason,omitempty"`
}

// StartedTask is a task that was started, and what became of it if the request waited.
type StartedTask struct {
	TaskName
	Status    string           `json:"status"`
	Execution *ExecutionResult `json:"execution,omitempty"`
}

// FailedTask is a task that was to be started and was not, as far as anybody knows.
type FailedTask struct {
	TaskName
	Status string `json:"status"`
	Reason string `json:"reason"`
}

// Rehearsal is a task that would have been started.
type Rehearsal struct {
	TaskName
	Status     string     `json:"status"`
	SelectedBy []Selector `json:"selectedBy"`
}

// Selector is a part of a request that selects tasks: an ID, a tag, or a value
// of a custom property.
type Selector struct {
	TaskID   string             `json:"taskId,omitempty"`
	Tag      string             `json:"tag,omitempty"`
	Property *messages.Property `json:"customProperty,omitempty"`
}

// StoredPair is a pair of the request.
type StoredPair struct {
	Namespace string `json:"namespace"`
	Key       string `json:"key"`
	Status    string `json:"status"`
	Reason    string `json:"reason,omitempty"`
}

// ExecutionResult is how the execution of a started task went.
type ExecutionResult struct {
	// Outcome is succeeded, failed, skipped, unfinished, or unknown.
	Outcome string `json:"outcome"`
	// Status is Qlik's name of the last state that was seen.
	Status   string `json:"status,omitempty"`
	ResultID string `json:"executionResultId,omitempty"`
}

// Waiting sums up what the request waited for.
type Waiting struct {
	// Complete says that all executions have ended.
	Complete   bool `json:"complete"`
	Succeeded  int  `json:"succeeded"`
	Failed     int  `json:"failed"`
	Unfinished int  `json:"unfinished"`
	// Error says why nothing could be seen at the end.
	Error string `json:"error,omitempty"`
}

// newAnswer returns an answer with empty lists, for JSON has no nil.
func newAnswer(r Request) *Answer {
	return &Answer{
		Status:   http.StatusOK,
		TasksID:  TasksByID{[]TaskName{}, []RefusedTask{}, []RefusedTask{}},
		TasksTag: []TaskName{}, TasksTagDenied: []DeniedTag{}, TasksCP: []TaskName{}, TasksCPDenied: []DeniedProperty{},
		TasksStarted: []StartedTask{}, TasksFailed: []FailedTask{}, TasksNotFound: []RefusedTask{},
		DryRun: r.DryRun, Warnings: slices.Clone(r.Remarks),
	}
}

// refuse turns the answer into that of a request which came to nothing.
func (a *Answer) refuse(status int, title, message string) {
	a.Status, a.StatusCode = status, status
	a.Error, a.Message, a.Details = title, message, message
}

// mention adds something that went wrong in a part of the request. The first is
// the title.
func (a *Answer) mention(title, details string) {
	if a.Error == "" {
		a.Error = title
	}
	switch {
	case a.Details == "":
		a.Details = details
	case !strings.Contains(a.Details, details):
		a.Details += "; " + details
	}
}

func nameOf(t messages.Task) TaskName { return TaskName{t.ID, t.Name} }
