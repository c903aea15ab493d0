package starttask

import (
	"net/http"
	"slices"
	"strings"

	"butler/messages"
)

// Answer is the answer to the caller as JSON. It has the members that existing clients
// of both request forms know, and further ones.
type Answer struct {
	// Status is the HTTP status.
	Status int `json:"-"`
	// unreached is the failure of a call that did not reach Qlik Sense.
	unreached messages.Failure
	// StatusCode and Message are set only if the whole request failed; Error and
	// Details also if a part of it failed.
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

// Postponed returns why the request failed, if it makes sense to repeat it: Qlik Sense
// was not reached, and no start was attempted. Otherwise it returns nil. Storing the
// key-values again does no harm.
func (a Answer) Postponed() error {
	if !a.unreached.Failed() || len(a.TasksStarted)+len(a.TasksFailed) > 0 {
		return nil
	}
	return a.unreached
}

// TasksByID are the results for the IDs of a request.
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

// RefusedTask is an ID that started nothing, as it was given.
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

// StartedTask is a task that was started, with its execution if the request waited.
type StartedTask struct {
	TaskName
	Status    string           `json:"status"`
	Execution *ExecutionResult `json:"execution,omitempty"`
}

// FailedTask is a task that was not started, or of which it is not known whether it was.
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
	// Error says why the last look-up failed.
	Error string `json:"error,omitempty"`
}

// newAnswer returns an answer with empty lists, which are [] in JSON, not null.
func newAnswer(r Request) *Answer {
	return &Answer{
		Status:   http.StatusOK,
		TasksID:  TasksByID{[]TaskName{}, []RefusedTask{}, []RefusedTask{}},
		TasksTag: []TaskName{}, TasksTagDenied: []DeniedTag{}, TasksCP: []TaskName{}, TasksCPDenied: []DeniedProperty{},
		TasksStarted: []StartedTask{}, TasksFailed: []FailedTask{}, TasksNotFound: []RefusedTask{},
		DryRun: r.DryRun, Warnings: slices.Clone(r.Remarks),
	}
}

// refuse makes it the answer to a request that failed as a whole.
func (a *Answer) refuse(status int, title, message string) {
	a.Status, a.StatusCode = status, status
	a.Error, a.Message, a.Details = title, message, message
}

// mention adds a failure of a part of the request. The title of the first one is Error.
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
