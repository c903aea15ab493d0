package starttask

import (
	"context"
	"net/http"
	"slices"

	"butler/internal/apikey"
	"butler/internal/qlik"
	"butler/messages"
)

// Starter starts tasks. It is safe for concurrent use.
type Starter struct {
	opts  Options
	slots slots
	watch *watch
}

// New returns a Starter.
func New(o Options) *Starter {
	o.Limits = o.withDefaults()
	if o.Audit == nil {
		o.Audit = func(Event) {}
	}
	if o.Metrics == nil {
		o.Metrics = NewMetrics(nil)
	}
	s := &Starter{opts: o, slots: make(slots, o.MaxConcurrent)}
	s.watch = newWatch(o, s.lookUp)
	return s
}

// Start carries out a request. It returns when every start is answered, and with
// Request.Wait when the executions have ended or the time is over. When ctx ends, the
// rest is not started, and the answer says so.
func (s *Starter) Start(ctx context.Context, c Caller, r Request) Answer {
	return *s.run(ctx, c, r).answer
}

// StartTask starts one task by its ID. Its error is a messages.Failure: rejected if the
// start is denied or the ID is not valid, and of kind timeout only if it is not known
// whether the task was started.
func (s *Starter) StartTask(ctx context.Context, c Caller, taskID string) error {
	j := s.run(ctx, c, Request{IDs: []string{taskID}})
	if j.answer.TotalTasksStarted == 1 {
		return nil
	}
	return j.failure
}

func (s *Starter) run(ctx context.Context, c Caller, r Request) *job {
	j := &job{Starter: s, caller: c, request: r, answer: newAnswer(r), picked: map[string]*pick{}}
	bounded, cancel := context.WithTimeout(ctx, s.opts.Timeout)
	defer cancel()
	if !j.permitted() || !j.wellFormed() || !j.store(bounded) || !j.choose(bounded) {
		return j
	}
	if r.DryRun {
		j.rehearse()
		return j
	}
	j.launch(bounded)
	j.tell()
	if r.Wait > 0 && len(j.answer.TasksStarted) > 0 {
		j.await(ctx)
	}
	return j
}

// job is one request being carried out. Only launch uses several goroutines.
type job struct {
	*Starter
	caller  Caller
	request Request
	answer  *Answer
	// picks are the tasks to be started, in order; picked finds them by ID.
	picks  []*pick
	picked map[string]*pick
	// failure is the latest failure. Everything that keeps a task from being started
	// sets it.
	failure messages.Failure
}

// pick is a task that was selected.
type pick struct {
	task messages.Task
	by   []Selector
	// err is nil when the task was started.
	err error
}

// permitted checks that the caller has the scopes for the request.
func (j *job) permitted() bool {
	var reason string
	switch {
	case !j.caller.Has(apikey.Start):
		reason = "the credentials do not allow starting tasks"
	case len(j.request.KeyValues) > 0 && !j.caller.Has(apikey.KV):
		reason = "the credentials do not allow storing key-values"
	default:
		return true
	}
	j.report(Event{Action: StartTask, Outcome: Denied, Reason: reason})
	j.refuse(http.StatusForbidden, messages.FailureRejected, "Forbidden", reason)
	return false
}

const (
	invalidID  = "Invalid task ID format"
	needsAGUID = "Task ID must be a valid GUID"
)

// wellFormed refuses a request that consists of a single invalid ID. Among others, or
// in a list, an invalid ID is only listed in the answer.
func (j *job) wellFormed() bool {
	r := j.request
	if qlik.IsGUID(r.PathID) || !r.onlyPath() || r.Form == FormArray {
		return true
	}
	j.report(Event{Action: StartTask, Outcome: Failed, Task: messages.Task{ID: r.PathID}, Reason: needsAGUID})
	j.refuse(http.StatusBadRequest, messages.FailureRejected, invalidID, needsAGUID)
	return false
}

// refuse makes the request fail as a whole.
func (j *job) refuse(status int, kind messages.FailureKind, title, message string) {
	j.answer.refuse(status, title, message)
	j.failure = messages.Failure{Kind: kind, Text: message}
}

func (j *job) report(e Event) {
	e.Caller = j.caller
	j.opts.Metrics.count(e)
	j.opts.Audit(e)
}

// warn adds a warning to the answer, once.
func (j *job) warn(text string) {
	if !slices.Contains(j.answer.Warnings, text) {
		j.answer.Warnings = append(j.answer.Warnings, text)
	}
}

// slots limit how many calls are under way.
type slots chan struct{}

// take waits for a slot; false when the context ends first.
func (s slots) take(ctx context.Context) bool {
	if ctx.Err() != nil {
		return false
	}
	select {
	case s <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

func (s slots) free() { <-s }

// call makes one call to the repository, when there is a slot and within CallTimeout.
func (s *Starter) call(ctx context.Context, do func(context.Context) error) error {
	if !s.slots.take(ctx) {
		return messages.Failure{Kind: messages.FailureTimeout, Text: "there was no time left to ask Qlik Sense"}
	}
	defer s.slots.free()
	ctx, cancel := context.WithTimeout(ctx, s.opts.CallTimeout)
	defer cancel()
	return do(ctx)
}

// batch is how many tasks one look-up asks for, which the client sends as one call.
const batch = 50

// lookUp finds up to batch tasks by their IDs.
func (s *Starter) lookUp(ctx context.Context, ids []string) (found []messages.Task, err error) {
	err = s.call(ctx, func(ctx context.Context) error {
		found, err = s.opts.Repository.Tasks(ctx, ids...)
		return err
	})
	return found, err
}
