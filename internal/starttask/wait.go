package starttask

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"butler/internal/qlik"
	"butler/messages"
)

// await waits until the executions of the started tasks have ended or the time is over,
// and puts the results into the answer.
func (j *job) await(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, min(j.request.Wait, j.opts.MaxWait))
	defer cancel()
	var started []messages.Task
	for _, p := range j.picks {
		if p.err == nil {
			started = append(started, p.task)
		}
	}
	seen, err := j.watch.await(ctx, started)
	sum := &Waiting{Complete: true}
	if err != nil {
		sum.Error = explain(err)
	}
	for i := range j.answer.TasksStarted {
		result := seen[j.answer.TasksStarted[i].TaskID].result()
		j.answer.TasksStarted[i].Execution = &result
		switch result.Outcome {
		case outcomeSucceeded:
			sum.Succeeded++
		case outcomeUnfinished:
			sum.Unfinished++
			sum.Complete = false
		default:
			sum.Failed++
		}
	}
	j.answer.Waiting = sum
}

// The outcomes of an execution.
const (
	outcomeSucceeded  = "succeeded"
	outcomeFailed     = "failed"
	outcomeSkipped    = "skipped"
	outcomeUnknown    = "unknown"
	outcomeUnfinished = "unfinished"
)

// execution is what is known of the execution that a start has begun.
type execution struct {
	// before is the ID of the last result before the start.
	before string
	// ran says that the task was seen running. Until then, the result before is that
	// of an earlier execution and does not count. For a task that was running already
	// when it was started, that execution is the one to wait for.
	ran   bool
	ended bool
	gone  bool
	// status and resultID are the latest; status is qlik.StatusUnknown at first.
	status   qlik.ExecutionStatus
	resultID string
	// asked is the round of its latest look-up.
	asked uint64
}

func newExecution(t messages.Task) *execution {
	return &execution{before: t.LastResultID, ran: t.LastStatus.Phase() == qlik.PhaseRunning, status: qlik.StatusUnknown}
}

// observe updates the execution with the current state of the task.
func (e *execution) observe(t messages.Task, exists bool) {
	running := t.LastStatus.Phase() == qlik.PhaseRunning
	switch {
	case !exists:
		e.ended, e.gone = true, true
		return
	case t.LastResultID == e.before && !e.ran && !running:
		return
	}
	e.ran = true
	e.status, e.resultID = t.LastStatus, t.LastResultID
	e.ended = t.LastStatus.Valid() && !running && t.LastStatus != qlik.StatusNeverStarted
}

func (e *execution) result() ExecutionResult {
	if e == nil {
		return ExecutionResult{Outcome: outcomeUnfinished}
	}
	r := ExecutionResult{Outcome: outcomeUnfinished, ResultID: e.resultID}
	if e.status.Valid() {
		r.Status = e.status.String()
	}
	switch {
	case e.gone:
		r.Outcome = outcomeUnknown
	case !e.ended:
	case e.status.Phase() == qlik.PhaseSucceeded:
		r.Outcome = outcomeSucceeded
	case e.status.Phase() == qlik.PhaseFailed:
		r.Outcome = outcomeFailed
	default:
		r.Outcome = outcomeSkipped
	}
	return r
}

// watch polls the executions of all waiting requests. One of the waiting goroutines, the
// leader, polls for all of them, so that many cost no more than one: each look-up asks
// for at most batch tasks, those first whose latest look-up is the longest ago. After
// failures the pauses grow.
type watch struct {
	lookUp func(ctx context.Context, ids []string) ([]messages.Task, error)
	every  time.Duration
	// most is how many executions may be waited for at once.
	most    int
	metrics *Metrics
	// lead is a lock held by the leader.
	lead chan struct{}

	mu       sync.Mutex
	waiting  []*waiter
	round    uint64
	last     time.Time
	failures int
}

// waiter is a request that waits. watch.mu guards all of it except wake.
type waiter struct {
	open map[string]*execution
	err  error
	// wake gets a signal when all executions have ended.
	wake chan struct{}
}

func newWatch(o Options, lookUp func(context.Context, []string) ([]messages.Task, error)) *watch {
	return &watch{lookUp: lookUp, every: o.PollEvery, most: o.MaxWatched, metrics: o.Metrics, lead: make(chan struct{}, 1)}
}

// errCrowded is returned to a request beyond MaxWatched.
var errCrowded = messages.Failure{Kind: messages.FailureBusy, Text: "too many executions are waited for already"}

// await returns what was seen of the executions that were begun for tasks, when
// all have ended or the context has. The error is that of the last look-up.
func (w *watch) await(ctx context.Context, tasks []messages.Task) (map[string]*execution, error) {
	all := make(map[string]*execution, len(tasks))
	me := &waiter{open: make(map[string]*execution, len(tasks)), wake: make(chan struct{}, 1)}
	for _, t := range tasks {
		all[t.ID] = newExecution(t)
		me.open[t.ID] = all[t.ID]
	}
	if !w.join(me) {
		return all, errCrowded
	}
	defer w.leave(me)
	for !w.finished(me) {
		select {
		case <-ctx.Done():
			w.leave(me)
			return all, me.err
		case <-me.wake:
		case w.lead <- struct{}{}:
			if w.pause(ctx) {
				w.ask(ctx)
			}
			<-w.lead
		}
	}
	return all, nil
}

// join adds a waiter; false if that would exceed the limit.
func (w *watch) join(me *waiter) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.watchedLocked()+len(me.open) > w.most {
		return false
	}
	w.waiting = append(w.waiting, me)
	w.metrics.watched.Set(float64(w.watchedLocked()))
	return true
}

func (w *watch) watchedLocked() int {
	n := 0
	for _, waiter := range w.waiting {
		n += len(waiter.open)
	}
	return n
}

func (w *watch) leave(me *waiter) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.waiting = slices.DeleteFunc(w.waiting, func(other *waiter) bool { return other == me })
	w.metrics.watched.Set(float64(w.watchedLocked()))
}

func (w *watch) finished(me *waiter) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(me.open) == 0
}

// pause waits until the next look-up may be made; false when the context ends first.
func (w *watch) pause(ctx context.Context) bool {
	const maxDoublings = 4
	w.mu.Lock()
	now := time.Now()
	if w.last.IsZero() {
		w.last = now
	}
	next := w.last.Add(w.every << min(w.failures, maxDoublings))
	w.mu.Unlock()
	timer := time.NewTimer(next.Sub(now))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// ask looks up the next executions, and updates the requests that wait for them.
func (w *watch) ask(ctx context.Context) {
	ids := w.turn()
	if len(ids) == 0 {
		return
	}
	tasks, err := w.lookUp(ctx, ids)
	if err != nil && ctx.Err() != nil {
		return // the leader's own time is over, which says nothing about the repository
	}
	found := make(map[string]messages.Task, len(tasks))
	for _, t := range tasks {
		found[t.ID] = t
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.failures++; err == nil {
		w.failures = 0
	}
	for _, waiter := range w.waiting {
		waiter.err = err
		for _, id := range ids {
			waiter.observe(id, found, err == nil)
		}
		if len(waiter.open) == 0 {
			select {
			case waiter.wake <- struct{}{}:
			default:
			}
		}
	}
}

// observe updates the execution of a task. A task that was not found is gone only if
// the look-up was complete.
func (m *waiter) observe(id string, found map[string]messages.Task, complete bool) {
	e, waits := m.open[id]
	task, exists := found[id]
	if !waits || !exists && !complete {
		return
	}
	e.observe(task, exists)
	if e.ended {
		delete(m.open, id)
	}
}

// turn begins a round, and returns the IDs to look up in it.
func (w *watch) turn() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.last = time.Now()
	w.round++
	asked := map[string]uint64{}
	for _, waiter := range w.waiting {
		for id, e := range waiter.open {
			if before, known := asked[id]; !known || e.asked < before {
				asked[id] = e.asked
			}
		}
	}
	ids := make([]string, 0, len(asked))
	for id := range asked {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, func(a, b string) int {
		return cmp.Or(cmp.Compare(asked[a], asked[b]), cmp.Compare(a, b))
	})
	ids = ids[:min(len(ids), batch)]
	for _, waiter := range w.waiting {
		for _, id := range ids {
			if e := waiter.open[id]; e != nil {
				e.asked = w.round
			}
		}
	}
	return ids
}
