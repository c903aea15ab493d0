package starttask

import "butler/messages"

// Event is something that was done or denied on somebody's behalf.
type Event struct {
	Caller  Caller
	Action  Action
	Outcome Outcome
	// Task is the task that was started; of one that was denied or not found, the ID alone.
	Task messages.Task
	// Tag and Property are the selector it is about, zero for one by ID.
	Tag      string
	Property messages.Property
	// Namespace and Key name the pair that was to be stored, shortened.
	Namespace, Key string
	// Reason is fit for the caller too; Err says exactly what happened and is for the log.
	Reason string
	Err    error
}

// Action is what an Event is about.
type Action string

// The actions.
const (
	// StartTask starts a task.
	StartTask Action = "start_task"
	// SelectTasks finds the tasks of a selector.
	SelectTasks Action = "select_tasks"
	// StoreValue stores a pair.
	StoreValue Action = "store_value"
)

// Outcome is how an Action went.
type Outcome string

// The outcomes.
const (
	Done   Outcome = "done"
	Failed Outcome = "failed"
	// Denied: the allow-list, the credentials or the rules of the request forbid it.
	Denied Outcome = "denied"
	// Skipped: there was nothing to do it with.
	Skipped Outcome = "skipped"
	// Rehearsed: it would have been done, had the request not been a dry run.
	Rehearsed Outcome = "rehearsed"
)
