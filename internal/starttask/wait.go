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

// await waits until the executions of the started tasks have ended, or the time
// for it is over, and tells how they went.
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

// execution is the one that a start has begun, as far as it was seen.
type execution struct {
	// before is the last result that the task had before the start.
	before string
	// ran says that the task was seen running: then the same result counts, too,
	// which otherwise is that of the execution before. A task that was running
	// already when it was started is waited for like that.
	ran   bool
	ended bool
	gone  bool
	// last is what was seen last; its status is qlik.StatusUnknown before that.
	status   qlik.ExecutionStatus
	resultID string
	// asked is the round in which it was looked up last.
	asked uint64
}

func newExecution(t messages.Task) *execution {
	return &execution{before: t.LastResultID, ran: t.LastStatus.Phase() == qlik.PhaseRunning, status: qlik.StatusUnknown}
}

// observe takes up what the repository says about the task now.
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

// watch looks after the executions of all requests that wait. One of those who
// wait asks for all of them, so that many cost no more than one: a look-up of at
// most batch tasks each time, those first that were not asked for the longest.
// After a failure the pauses grow.
type watch struct {
	lookUp func(ctx context.Context, ids []string) ([]messages.Task, error)
	every  time.Duration
	// most is how many executions may be waited for at once.
	most    int
	metrics *Metrics
	// lead is held by who asks for all.
	lead chan struct{}

	mu       sync.Mutex
	waiting  []*waiter
	round    uint64
	last     time.Time
	failures int
}

// waiter is a request that waits. All of it belongs to the watch's mutex but wake.
type waiter struct {
	open map[string]*execution
	err  error
	// wake has a signal when something has changed.
	wake chan struct{}
}

func newWatch(o Options, lookUp func(context.Context, []string) ([]messages.Task, error)) *watch {
	return &watch{lookUp: lookUp, every: o.PollEvery, most: o.MaxWatched, metrics: o.Metrics, lead: make(chan struct{}, 1)}
}

// errCrowded is a request that comes when too much is waited for already.
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

// join takes up a waiter; false when it waits for more than there is room for.
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

// ask looks up those whose turn it is, and tells whoever waits for them.
func (w *watch) ask(ctx context.Context) {
	ids := w.turn()
	if len(ids) == 0 {
		return
	}
	tasks, err := w.lookUp(ctx, ids)
	if err != nil && ctx.Err() != nil {
		return // the asker's time is over, which says nothing about the repository
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

// observe takes up what was found of a task. What was not found is gone only if
// the look-up says so.
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

// turn begins a round: it returns whose turn it is.
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
