package qrsgate

import (
	"context"

	"butler/internal/qlik"
	"butler/messages"
)

// Port is the QRS as the gate sees it. Its errors say what they mean: they are
// a messages.Failure, or have a method that returns one; any other error means
// that the QRS is out of reach.
type Port interface {
	Metadata
	Results
	// Ping makes a cheap call that proves the QRS to be in working order.
	Ping(ctx context.Context) error
}

// Metadata describes tasks, apps and users.
type Metadata interface {
	// Tasks returns the tasks that exist. With an error, what it returns is
	// right, and nothing is known of the rest.
	Tasks(ctx context.Context, ids ...string) ([]messages.Task, error)
	// Apps is like Tasks, for apps.
	Apps(ctx context.Context, ids ...string) ([]messages.App, error)
	User(ctx context.Context, id string) (messages.Owner, error)
}

// Results tells how the last execution of a task went.
type Results interface {
	Execution(ctx context.Context, taskID string, t qlik.TaskType) (messages.Execution, error)
	// ScriptLog returns a log whose Head and Tail are both all of its lines. With
	// an error, the execution may be known all the same.
	ScriptLog(ctx context.Context, taskID string) (messages.Execution, messages.ScriptLog, error)
}
