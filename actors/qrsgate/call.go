package qrsgate

import (
	"context"
	"strings"

	"butler/messages"
)

// ask makes the call and sorts what came back by lower-case ID.
func (s startCall) ask(ctx context.Context, port Port) outcome {
	switch s.Op {
	case opTask:
		tasks, err := port.Tasks(ctx, s.IDs...)
		return gathered(tasks, func(t messages.Task) string { return t.ID }, err)
	case opApp:
		apps, err := port.Apps(ctx, s.IDs...)
		return gathered(apps, func(a messages.App) string { return a.ID }, err)
	case opOwner:
		owner, err := port.User(ctx, s.IDs[0])
		return s.single(owner, err)
	case opExecution:
		execution, err := port.Execution(ctx, s.IDs[0], s.TaskType)
		return s.single(execution, err)
	case opScriptLog:
		return s.fetch(ctx, port)
	case opPing:
		return outcome{failure: messages.FailureOf(port.Ping(ctx))}
	}
	panic("BUG: call of operation " + s.Op.String())
}

// gathered sorts the answer to several questions. Of a list, only an answer
// without an error says that something does not exist.
func gathered[T any](found []T, idOf func(T) string, err error) outcome {
	got := outcome{values: make(map[string]any, len(found)), failure: messages.FailureOf(err)}
	if got.failure.Kind == messages.FailureNotFound {
		got.failure.Kind = messages.FailureRejected
	}
	for _, value := range found {
		got.values[strings.ToLower(idOf(value))] = value
	}
	return got
}

func (s startCall) single(value any, err error) outcome {
	if err != nil {
		return outcome{failure: messages.FailureOf(err)}
	}
	return outcome{values: map[string]any{s.IDs[0]: value}}
}

func (s startCall) fetch(ctx context.Context, port Port) outcome {
	execution, log, err := port.ScriptLog(ctx, s.IDs[0])
	got := outcome{failure: messages.FailureOf(err)}
	if err != nil && !execution.Known {
		return got
	}
	value := scriptLog{Execution: execution, Log: log}
	if s.Full {
		value.Full = strings.Join(log.Head, "\n")
	}
	got.values = map[string]any{s.IDs[0]: value}
	return got
}
