package qrsgate

import (
	"context"

	"butler/internal/qlik"
	"butler/messages"
)

// Port is the QRS. Its errors are classified: they are a messages.Failure, or have a
// method that returns one; any other error means that the QRS is out of reach.
type Port interface {
	Metadata
	Results
	// Ping makes a cheap call that proves the QRS to be in working order.
	Ping(ctx context.Context) error
}

// Metadata describes tasks, apps and users.
type Metadata interface {
	// Tasks returns the tasks that exist. With an error, the returned tasks are valid,
	// and nothing is known of the others.
	Tasks(ctx context.Context, ids ...string) ([]messages.Task, error)
	// Apps is like Tasks, for apps.
	Apps(ctx context.Context, ids ...string) ([]messages.App, error)
	User(ctx context.Context, id string) (messages.Owner, error)
}

// Results tells how the last executions of tasks went.
type Results interface {
	// Executions returns the results of tasks of one type by their lower-case IDs.
	// Those that are missing do not exist. With an error, the returned ones are valid,
	// and nothing is known of the others.
	Executions(ctx context.Context, t qlik.TaskType, taskIDs ...string) (map[string]messages.Execution, error)
	// ScriptLog makes one attempt, and does not wait for the next: an error that is
	// a qlik.NotYet says when that is due. The log that it returns has all of its
	// lines as Head and as Tail. With an error, the execution may be known all the same.
	// A result that is known is not read again by the first attempt.
	ScriptLog(ctx context.Context, f qlik.LogFetch, known messages.Execution) (messages.Execution, messages.ScriptLog, error)
}
