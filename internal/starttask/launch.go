package starttask

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"butler/messages"
)

// errNotBegun is the error of a task that was not started before the time was over.
var errNotBegun = errors.New("the time for the request was over before its turn came")

// launch starts the selected tasks: in order, several at a time, each once.
func (j *job) launch(ctx context.Context) {
	var underWay sync.WaitGroup
	defer underWay.Wait()
	for _, p := range j.picks {
		if !j.slots.take(ctx) {
			p.err = errNotBegun
			j.reportStart(p)
			continue
		}
		underWay.Go(func() {
			defer j.slots.free()
			p.err = j.start(ctx, p.task.ID)
			j.reportStart(p)
		})
	}
}

// start starts a task. It ignores the cancellation of ctx: the result of an interrupted
// call would be unknown.
func (j *job) start(ctx context.Context, taskID string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), j.opts.CallTimeout)
	defer cancel()
	return j.opts.Repository.StartTask(ctx, taskID)
}

func (j *job) reportStart(p *pick) {
	e := Event{Action: StartTask, Outcome: Done, Task: p.task}
	if p.err != nil {
		e.Outcome, e.Reason, e.Err = Failed, startReason(p.err), p.err
	}
	j.report(e)
}

// startReason says why a task was not started, or that this is not known.
func startReason(err error) string {
	switch {
	case errors.Is(err, errNotBegun):
		return "not started: " + err.Error()
	case answered(err) && messages.FailureOf(err).Kind != messages.FailureInvalid:
		return explain(err)
	}
	return explain(err) + "; it is not known whether the task was started"
}

// rehearse lists what would have been started, for a dry run.
func (j *job) rehearse() {
	j.answer.TasksToStart = []Rehearsal{}
	for _, p := range j.picks {
		j.report(Event{Action: StartTask, Outcome: Rehearsed, Task: p.task})
		j.answer.TasksToStart = append(j.answer.TasksToStart, Rehearsal{nameOf(p.task), "wouldStart", p.by})
	}
}

// tell puts the started tasks into the answer: once in the list of all, and once under
// each selector that found them.
func (j *job) tell() {
	a := j.answer
	for _, p := range j.picks {
		if p.err != nil {
			a.TasksFailed = append(a.TasksFailed, FailedTask{nameOf(p.task), "failed", startReason(p.err)})
			j.failure = messages.Failure{Kind: startKind(p.err), Text: startReason(p.err)}
			continue
		}
		a.TasksStarted = append(a.TasksStarted, StartedTask{TaskName: nameOf(p.task), Status: "started"})
		for _, by := range p.by {
			switch {
			case by.TaskID != "":
				a.TasksID.Started = append(a.TasksID.Started, nameOf(p.task))
			case by.Property != nil:
				a.TasksCP = append(a.TasksCP, nameOf(p.task))
			default:
				a.TasksTag = append(a.TasksTag, nameOf(p.task))
			}
		}
	}
	a.TotalTasksStarted = len(a.TasksStarted)
	if failed := len(a.TasksFailed); failed > 0 {
		a.mention("Not every task could be started", fmt.Sprintf("%d of %d tasks were not started, see tasksFailed", failed, len(j.picks)))
	}
}

func startKind(err error) messages.FailureKind {
	if errors.Is(err, errNotBegun) {
		return messages.FailureUnavailable
	}
	return messages.FailureOf(err).Kind
}
