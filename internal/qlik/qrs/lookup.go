package qrs

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path"
	"slices"
	"strings"

	"butler/internal/qlik"
	"butler/messages"
)

// batchSize is how many objects one call asks for: the address stays below
// 4 KiB, far from the 16 KiB that Windows accepts.
const batchSize = 50

// What a client knows of filters joined by "or".
const (
	orUnknown int32 = iota
	orWorks
	orRefused
)

// Tasks returns the metadata of the tasks that exist, in no particular order, with one
// call for up to fifty. A task that is not in the list does not exist, unless there is
// an error: then the result is correct but may be incomplete.
func (c *Client) Tasks(ctx context.Context, ids ...string) ([]messages.Task, error) {
	r := request{op: opTasks, path: "task/full"}
	if !c.metadata {
		docs, err := byID[taskDoc](ctx, c, r, ids)
		return translate(docs, taskDoc.task), err
	}
	docs, err := byID[original[taskDoc]](ctx, c, r, ids)
	return translate(docs, func(o original[taskDoc]) messages.Task {
		t := o.document.task()
		t.Metadata = o.written
		return t
	}), err
}

// Apps returns the metadata of the apps that exist, under the same terms as Tasks.
func (c *Client) Apps(ctx context.Context, ids ...string) ([]messages.App, error) {
	r := request{op: opApps, path: "app/full"}
	if !c.metadata {
		docs, err := byID[appDoc](ctx, c, r, ids)
		return translate(docs, appDoc.app), err
	}
	docs, err := byID[original[appDoc]](ctx, c, r, ids)
	return translate(docs, func(o original[appDoc]) messages.App {
		a := o.document.app()
		a.Metadata = o.written
		return a
	}), err
}

// User returns a user with the mail addresses among the attributes.
func (c *Client) User(ctx context.Context, id string) (messages.Owner, error) {
	r := request{op: opUser, path: "user/" + strings.ToLower(id), single: true}
	if !qlik.IsGUID(id) {
		return messages.Owner{}, c.rejected(r, errors.New("the user ID is not an object ID"))
	}
	user, err := object[userDoc](ctx, c, r)
	if err != nil {
		return messages.Owner{}, err
	}
	return user.owner(), nil
}

// resultEntities says under which entity the QRS keeps the result of a task type.
var resultEntities = map[qlik.TaskType]struct {
	entity string
	op     Operation
}{
	qlik.TaskReload:          {"reloadtask", opReloadResult},
	qlik.TaskPreload:         {"reloadtask", opReloadResult},
	qlik.TaskDistribute:      {"reloadtask", opReloadResult},
	qlik.TaskExternalProgram: {"externalprogramtask", opExternalResult},
	qlik.TaskUserSync:        {"usersynctask", opUserSyncResult},
}

// Execution returns the last execution result of a task. A task that never ran
// is messages.FailureNotFound, like one that does not exist.
func (c *Client) Execution(ctx context.Context, taskID string, taskType qlik.TaskType) (messages.Execution, error) {
	kind, ok := resultEntities[taskType]
	r := request{op: kind.op, path: kind.entity + "/" + strings.ToLower(taskID), single: true}
	switch {
	case !ok:
		return messages.Execution{}, c.rejected(request{op: opReloadResult, path: "task"}, fmt.Errorf("a task of type %d has no execution result", int(taskType)))
	case !qlik.IsGUID(taskID):
		return messages.Execution{}, c.rejected(r, errors.New("the task ID is not an object ID"))
	}
	task, err := object[outcomeDoc](ctx, c, r)
	if err != nil {
		return messages.Execution{}, err
	}
	result := task.Operational.LastExecutionResult
	if result == nil {
		return messages.Execution{}, &Error{
			Kind: messages.FailureNotFound, client: c, request: r, status: 200,
			err: errors.New("the task has no execution result"),
		}
	}
	return result.execution(), nil
}

// Executions returns the last execution results of tasks of one type by the
// lower-case IDs of the tasks, with one call for up to fifty. A task that is not in it
// never ran or does not exist, unless there is an error: then the result is correct but
// may be incomplete.
func (c *Client) Executions(ctx context.Context, taskType qlik.TaskType, taskIDs ...string) (map[string]messages.Execution, error) {
	if kind, ok := resultEntities[taskType]; ok && len(taskIDs) > 1 {
		docs, err := byID[outcomeDoc](ctx, c, request{op: kind.op, path: kind.entity + "/full"}, taskIDs)
		return outcomes(docs), err
	}
	found := map[string]messages.Execution{}
	for _, id := range taskIDs {
		execution, err := c.Execution(ctx, id, taskType)
		switch failed, _ := errors.AsType[*Error](err); {
		case err == nil:
			found[strings.ToLower(id)] = execution
		case failed == nil || failed.Kind != messages.FailureNotFound:
			return found, err
		}
	}
	return found, nil
}

// outcomes returns the results among the documents.
func outcomes(docs []outcomeDoc) map[string]messages.Execution {
	out := make(map[string]messages.Execution, len(docs))
	for _, d := range docs {
		if result := d.Operational.LastExecutionResult; result != nil {
			out[d.key()] = result.execution()
		}
	}
	return out
}

// object gets one document, by the ID with which the path ends.
func object[T interface{ key() string }](ctx context.Context, c *Client, r request) (T, error) {
	var document T
	body, err := c.send(ctx, r)
	if err != nil {
		return document, err
	}
	if err := decodeObject(body, &document); err != nil {
		return document, c.invalid(r, "%w", err)
	}
	switch document.key() {
	case path.Base(r.path):
		return document, nil
	case "":
		return document, c.invalid(r, "the answer is an object without an ID")
	default:
		return document, c.invalid(r, "the answer is another object than the one asked for")
	}
}

// byID gets documents by their IDs, in batches.
func byID[T interface{ key() string }](ctx context.Context, c *Client, r request, ids []string) ([]T, error) {
	wanted := make([]string, len(ids))
	for i, id := range ids {
		wanted[i] = strings.ToLower(id)
	}
	slices.Sort(wanted)
	wanted = slices.Compact(wanted)
	if _, err := IDs(wanted...); err != nil {
		return nil, c.rejected(r, err)
	}
	var found []T
	for batch := range slices.Chunk(wanted, batchSize) {
		docs, err := oneBatch[T](ctx, c, r, batch)
		found = append(found, docs...)
		if err != nil {
			return found, err
		}
	}
	return found, nil
}

// oneBatch asks for several objects with one call. Until the server has proven that it
// understands "or", objects that the answer lacks are asked for one by one: a task must
// never seem to be gone because a filter was misread.
func oneBatch[T interface{ key() string }](ctx context.Context, c *Client, r request, ids []string) ([]T, error) {
	if len(ids) == 1 || c.orFilter.Load() == orRefused {
		return oneByOne[T](ctx, c, r, ids)
	}
	docs, err := matching[T](ctx, c, r, ids)
	switch failed, ok := errors.AsType[*Error](err); {
	case ok && stumbled(failed):
		return split[T](ctx, c, r, ids)
	case ok && blamesTheQuestion(failed):
		found, err := oneByOne[T](ctx, c, r, ids)
		if err == nil && failed.Kind == messages.FailureRejected {
			c.orFilter.Store(orRefused)
		}
		return found, err
	case err != nil:
		return nil, err
	}
	if len(docs) > 1 {
		c.orFilter.Store(orWorks)
	}
	missing := without(ids, docs)
	if len(missing) == 0 || c.orFilter.Load() == orWorks {
		return docs, nil
	}
	more, err := oneByOne[T](ctx, c, r, missing)
	if len(more) > 0 {
		c.orFilter.Store(orRefused)
	}
	return append(docs, more...), err
}

// blamesTheQuestion reports whether a smaller question may succeed: the filter was
// refused, or the answer was not understood. It is false where access was denied or the
// server was not reached, which fifty questions would not change.
func blamesTheQuestion(failed *Error) bool {
	return failed.status == http.StatusBadRequest || failed.Kind == messages.FailureInvalid
}

// matching returns the objects with one of the IDs, each once, whatever else the answer holds.
func matching[T interface{ key() string }](ctx context.Context, c *Client, r request, ids []string) ([]T, error) {
	filter, err := IDs(ids...)
	if err != nil {
		return nil, c.rejected(r, err)
	}
	r.filter = filter
	docs, err := list[T](ctx, c, r)
	if err != nil {
		return nil, err
	}
	wanted := make(map[string]bool, len(ids))
	for _, id := range ids {
		wanted[id] = true
	}
	return slices.DeleteFunc(docs, func(d T) bool {
		key := d.key()
		first := wanted[key]
		delete(wanted, key)
		return !first
	}), nil
}

// without returns the IDs that no document has.
func without[T interface{ key() string }](ids []string, docs []T) []string {
	found := make(map[string]bool, len(docs))
	for _, d := range docs {
		found[d.key()] = true
	}
	return slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return found[id] })
}

func translate[From, To any](docs []From, into func(From) To) []To {
	out := make([]To, len(docs))
	for i, d := range docs {
		out[i] = into(d)
	}
	return out
}
