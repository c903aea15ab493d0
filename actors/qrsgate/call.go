package qrsgate

import (
	"context"
	"errors"
	"iter"
	"maps"
	"strings"

	"butler/internal/qlik"
	"butler/messages"
)

// ask makes the call and returns the values by lower-case ID.
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
		executions, err := port.Executions(ctx, s.TaskType, s.IDs...)
		return sorted(maps.All(executions), len(executions), err)
	case opScriptLog:
		return s.fetch(ctx, port)
	case opPing:
		return failure(port.Ping(ctx))
	}
	panic("BUG: call of operation " + s.Op.String())
}

// failure is the outcome of a call with an error, or a zero one for nil.
func failure(err error) outcome {
	got := outcome{failure: messages.FailureOf(err)}
	var told interface{ Trouble() string }
	if errors.As(err, &told) {
		got.trouble = told.Trouble()
	}
	return got
}

// gathered is the outcome of a call with several IDs that returned a list.
func gathered[T any](found []T, idOf func(T) string, err error) outcome {
	return sorted(func(yield func(string, T) bool) {
		for _, value := range found {
			if !yield(strings.ToLower(idOf(value)), value) {
				return
			}
		}
	}, len(found), err)
}

// sorted is the outcome of a call with several IDs. Such a call says that something does
// not exist by leaving it out without an error, so a "not found" error means a refusal.
func sorted[T any](found iter.Seq2[string, T], count int, err error) outcome {
	got := failure(err)
	got.values = make(map[string]any, count)
	if got.failure.Kind == messages.FailureNotFound {
		got.failure.Kind = messages.FailureRejected
	}
	for id, value := range found {
		got.values[id] = value
	}
	return got
}

func (s startCall) single(value any, err error) outcome {
	if err != nil {
		return failure(err)
	}
	return outcome{values: map[string]any{s.IDs[0]: value}}
}

func (s startCall) fetch(ctx context.Context, port Port) outcome {
	execution, log, err := port.ScriptLog(ctx, qlik.LogFetch{TaskID: s.IDs[0], Attempt: s.Attempt, Began: s.Began}, s.Result)
	got := failure(err)
	if later, ok := errors.AsType[qlik.NotYet](err); ok {
		got = outcome{retryAfter: later.After}
	}
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
