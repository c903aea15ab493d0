package starttask

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"butler/internal/apikey"
	"butler/internal/qlik"
	"butler/messages"
)

// choose selects the tasks to start. It returns false if the request must not start any.
func (j *job) choose(ctx context.Context) bool {
	if r := j.request; len(r.ids())+len(r.Tags)+len(r.Properties)+len(r.KeyValues) == 0 {
		j.warn("the request selects no task")
	}
	j.chooseByID(ctx)
	for _, g := range j.groups() {
		if !j.chooseGroup(ctx, g) {
			return false
		}
	}
	if n := len(j.picks); n > j.opts.MaxTasks {
		j.refuse(http.StatusBadRequest, messages.FailureRejected, "Bad Request",
			fmt.Sprintf("the request selects %d tasks, more than the %d that it may start: nothing was started; name fewer", n, j.opts.MaxTasks))
		j.report(Event{Action: SelectTasks, Outcome: Denied, Reason: j.answer.Message})
		return false
	}
	return true
}

// pick notes that a selector has found a task.
func (j *job) pick(t messages.Task, by Selector) {
	p, known := j.picked[t.ID]
	if !known {
		p = &pick{task: t}
		j.picked[t.ID] = p
		j.picks = append(j.picks, p)
	}
	p.by = append(p.by, by)
}

// mayStart reports whether the credentials extend to a task.
func (j *job) mayStart(t messages.Task) bool {
	return apikey.Allows(j.caller.Principal, apikey.Start, t.Tags)
}

const (
	notListed   = "the start-task filter does not allow it"
	notBound    = "the credentials are bound to tags that the task does not have"
	notAllBound = "the credentials are bound to tags that not all of its tasks have; those were left out"
	othersWrong = "allTaskIdsMustExist is set, and another task ID of the request is not right"
	notFound    = "Qlik Sense does not know the task"
)

// chooseByID checks the IDs: format, allow-list, existence, credentials.
func (j *job) chooseByID(ctx context.Context) {
	allowed := j.allowedIDs()
	found, err := j.tasks(ctx, allowed)
	if err != nil {
		j.failed(Event{Action: SelectTasks, Err: err}, "Not every task ID could be looked up")
	}
	var good []messages.Task
	for _, id := range allowed {
		task, known := found[strings.ToLower(id)]
		switch {
		case !known && err != nil:
			j.invalid(id, kindOf(err), explain(err))
		case !known:
			j.invalid(id, messages.FailureNotFound, notFound)
			j.answer.TasksNotFound = append(j.answer.TasksNotFound, RefusedTask{id, notFound})
		case !j.mayStart(task):
			j.deny(id, notBound)
		default:
			good = append(good, task)
		}
	}
	for _, task := range good {
		if j.request.AllTaskIDsMustExist && len(j.answer.TasksID.Invalid) > 0 {
			j.deny(task.ID, othersWrong)
			continue
		}
		j.pick(task, Selector{TaskID: task.ID})
	}
}

// allowedIDs returns the IDs that may be looked up, each once.
func (j *job) allowedIDs() []string {
	seen := map[string]bool{}
	var allowed []string
	for _, id := range j.request.ids() {
		key := strings.ToLower(id)
		switch {
		case seen[key]:
		case !qlik.IsGUID(id):
			j.invalid(id, messages.FailureRejected, needsAGUID)
			j.answer.mention(invalidID, needsAGUID)
		case !j.opts.Filter.AllowsID(id):
			j.deny(id, notListed)
		default:
			allowed = append(allowed, id)
		}
		seen[key] = true
	}
	return allowed
}

func (j *job) invalid(id string, kind messages.FailureKind, reason string) {
	j.answer.TasksID.Invalid = append(j.answer.TasksID.Invalid, RefusedTask{id, reason})
	j.failure = messages.Failure{Kind: kind, Text: reason}
	j.report(Event{Action: StartTask, Outcome: Failed, Task: messages.Task{ID: id}, Reason: reason})
}

func (j *job) deny(id, reason string) {
	j.answer.TasksID.Denied = append(j.answer.TasksID.Denied, RefusedTask{id, reason})
	j.failure = messages.Failure{Kind: messages.FailureRejected, Text: reason}
	j.report(Event{Action: StartTask, Outcome: Denied, Task: messages.Task{ID: id}, Reason: reason})
}

// tasks looks up tasks by their IDs. With an error, the result may be incomplete.
func (j *job) tasks(ctx context.Context, ids []string) (map[string]messages.Task, error) {
	found := map[string]messages.Task{}
	for part := range slices.Chunk(ids, batch) {
		tasks, err := j.lookUp(ctx, part)
		for _, t := range tasks {
			found[t.ID] = t
		}
		if err != nil {
			return found, err
		}
	}
	return found, nil
}

// group is a selector that finds any number of tasks.
type group struct {
	by      Selector
	what    string
	allowed bool
	find    func(context.Context) ([]messages.Task, error)
	deny    func(reason string)
}

// groups returns the selectors that find several tasks, each once, tags first.
func (j *job) groups() []group {
	var out []group
	a, repository := j.answer, j.opts.Repository
	for _, tag := range distinct(j.request.Tags) {
		out = append(out, group{
			by: Selector{Tag: tag}, what: fmt.Sprintf("the tag %q", brief(tag)), allowed: j.opts.Filter.AllowsTag(tag),
			find: func(ctx context.Context) ([]messages.Task, error) { return repository.TasksByTag(ctx, tag) },
			deny: func(reason string) { a.TasksTagDenied = append(a.TasksTagDenied, DeniedTag{tag, reason}) },
		})
	}
	for _, p := range distinct(j.request.Properties) {
		out = append(out, group{
			by: Selector{Property: &p}, what: fmt.Sprintf("the value %q of the custom property %q", brief(p.Value), brief(p.Name)),
			allowed: j.opts.Filter.AllowsProperty(p),
			find: func(ctx context.Context) ([]messages.Task, error) {
				return repository.TasksByCustomProperty(ctx, p.Name, p.Value)
			},
			deny: func(reason string) { a.TasksCPDenied = append(a.TasksCPDenied, DeniedProperty{p, reason}) },
		})
	}
	return out
}

func distinct[T comparable](list []T) []T {
	seen := map[T]bool{}
	return slices.DeleteFunc(slices.Clone(list), func(v T) bool {
		again := seen[v]
		seen[v] = true
		return again
	})
}

// event returns an event about the selector.
func (g group) event(o Outcome) Event {
	e := Event{Action: SelectTasks, Outcome: o, Tag: g.by.Tag}
	if g.by.Property != nil {
		e.Property = *g.by.Property
	}
	return e
}

// chooseGroup selects the tasks of a selector. It returns false if the repository
// cannot be reached: a request is not started in part.
func (j *job) chooseGroup(ctx context.Context, g group) bool {
	if !g.allowed {
		j.denyGroup(g, notListed)
		return true
	}
	var tasks []messages.Task
	err := j.call(ctx, func(ctx context.Context) (err error) {
		tasks, err = g.find(ctx)
		return err
	})
	if err != nil {
		title := "The tasks with " + g.what + " could not be looked up"
		e := g.event(Failed)
		e.Err = err
		j.failed(e, title)
		if !answered(err) {
			j.refuse(http.StatusInternalServerError, j.failure.Kind, http.StatusText(http.StatusInternalServerError),
				title+", so nothing was started: "+explain(err))
		}
		return answered(err)
	}
	if len(tasks) == 0 {
		j.warn("no task has " + g.what)
	}
	withheld := false
	for _, t := range tasks {
		if !j.mayStart(t) {
			withheld = true
			continue
		}
		j.pick(t, g.by)
	}
	if withheld {
		j.denyGroup(g, notAllBound)
	}
	return true
}

func (j *job) denyGroup(g group, reason string) {
	g.deny(reason)
	e := g.event(Denied)
	e.Reason = reason
	j.report(e)
}

// failed reports a failed call to the audit, and mentions it in the answer.
func (j *job) failed(e Event, title string) {
	e.Outcome, e.Reason = Failed, explain(e.Err)
	j.failure = messages.Failure{Kind: kindOf(e.Err), Text: e.Reason}
	j.answer.mention(title, e.Reason)
	if !answered(e.Err) {
		j.answer.unreached = j.failure
	}
	j.report(e)
}

// kindOf returns the kind of a failed look-up. A timeout counts as unavailable: nothing
// was started, so it is safe to try again.
func kindOf(err error) messages.FailureKind {
	if kind := messages.FailureOf(err).Kind; kind != messages.FailureTimeout {
		return kind
	}
	return messages.FailureUnavailable
}

// statusOf returns the HTTP status in an error, 0 for none.
func statusOf(err error) int {
	var answer interface{ Status() int }
	if !errors.As(err, &answer) {
		return 0
	}
	return answer.Status()
}

// answered reports whether the other side has answered at all, even if not usefully.
func answered(err error) bool {
	if statusOf(err) != 0 {
		return true
	}
	kind := messages.FailureOf(err).Kind
	return kind == messages.FailureRejected || kind == messages.FailureInvalid || kind == messages.FailureNotFound
}

// explain describes a failed call to the caller. The error text itself may name hosts
// and paths, and is for the audit.
func explain(err error) string {
	said := ""
	if status := statusOf(err); status != 0 {
		said = fmt.Sprintf(" (HTTP %d)", status)
	}
	switch failure := messages.FailureOf(err); failure.Kind {
	case messages.FailureBusy:
		return failure.Text // a limit of our own
	case messages.FailureNotFound:
		return notFound + said
	case messages.FailureRejected:
		return "Qlik Sense refused it" + said
	case messages.FailureTimeout:
		return "Qlik Sense did not answer in time" + said
	case messages.FailureInvalid:
		return "Qlik Sense gave an answer that is not understood" + said
	default:
		if said != "" {
			return "Qlik Sense could not do it now" + said
		}
		return "Qlik Sense could not be reached"
	}
}
