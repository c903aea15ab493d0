package execution

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"butler/internal/qlik"
	"butler/internal/text"
	"butler/messages"
)

// TaskWatch says which tasks have metrics of their own. The zero value is none.
type TaskWatch struct {
	// IDs and Tags choose tasks, one of them is enough. Frozen.
	IDs, Tags []string
	// Limit is how many tasks may be watched at once.
	Limit int
}

// watchedTask holds the values of one task.
type watchedTask struct {
	name, app string
	typ       qlik.TaskType
	// tags are those that the task had last. Frozen.
	tags []string
	// ended is when the event of the last execution was received, succeeded when that
	// of the last one that succeeded; zero for none.
	ended, succeeded time.Time
	// well says that the last execution succeeded, failures counts the failed ones since the last success.
	well     bool
	failures int
	// took is 0 where nobody knows how long the last execution took.
	took time.Duration
}

// taskSeries holds the watched tasks. At the limit no task is added, and none is replaced.
type taskSeries struct {
	watch TaskWatch
	ids   map[string]bool         // those of watch, in lower case
	tasks map[string]*watchedTask // by ID in lower case
}

// change sets another choice. Tasks that it does not choose are forgotten, and if
// there are more than its limit, those whose last execution is the oldest.
func (s *taskSeries) change(watch TaskWatch) {
	s.watch, s.ids = watch, map[string]bool{}
	for _, id := range watch.IDs {
		s.ids[strings.ToLower(id)] = true
	}
	maps.DeleteFunc(s.tasks, func(id string, task *watchedTask) bool { return !s.wants(id, task.tags) })
	newest := slices.SortedFunc(maps.Keys(s.tasks), func(a, b string) int {
		return cmp.Or(s.tasks[b].ended.Compare(s.tasks[a].ended), strings.Compare(a, b))
	})
	for _, id := range newest[min(len(newest), watch.Limit):] {
		delete(s.tasks, id)
	}
}

// wants reports whether a task that has the tags is to be watched.
func (s *taskSeries) wants(id string, tags []string) bool {
	return s.ids[id] || slices.ContainsFunc(tags, func(tag string) bool { return slices.Contains(s.watch.Tags, tag) })
}

// take notes the end of an execution. It reports false for a chosen task beyond the limit.
func (s *taskSeries) take(a *messages.Alert, outcome string) bool {
	id := strings.ToLower(a.Event.TaskID)
	task := s.tasks[id]
	tags := a.Task.Tags
	if task != nil && !a.Task.Known {
		tags = task.tags // the repository did not answer
	}
	switch {
	case !s.wants(id, tags):
		delete(s.tasks, id)
		return true
	case task == nil && len(s.tasks) >= s.watch.Limit:
		return false
	case task == nil:
		task = &watchedTask{typ: qlik.TaskTypeUnknown}
		s.tasks[id] = task
	}
	task.tags = tags
	if a.Task.Known || task.ended.IsZero() {
		task.describe(a)
	}
	task.note(a, outcome)
	return true
}

// maxTaskText bounds the labels.
const maxTaskText = 200

// describe takes up what the task is called.
func (t *watchedTask) describe(a *messages.Alert) {
	t.name = text.Line(cmp.Or(a.Task.Name, a.Event.TaskName), maxTaskText)
	t.app = text.Line(cmp.Or(a.App.Name, a.Task.AppName, a.Event.AppName), maxTaskText)
	if a.Task.Known {
		t.typ = a.Task.Type
	}
}

// note sets the values after an execution. Executions may come in the wrong order,
// because a success is decided later than a failure. An aborted one changes no count.
func (t *watchedTask) note(a *messages.Alert, outcome string) {
	if outcome == outcomeSuccess && a.Event.At.After(t.succeeded) {
		t.succeeded = a.Event.At
	}
	if a.Event.At.Before(t.ended) {
		return
	}
	t.ended, t.well, t.took = a.Event.At, outcome == outcomeSuccess, 0
	if a.Execution.Known {
		t.took = a.Execution.Duration.Round(time.Millisecond)
	}
	switch outcome {
	case outcomeSuccess:
		t.failures = 0
	case outcomeFailed:
		t.failures++
	}
}
