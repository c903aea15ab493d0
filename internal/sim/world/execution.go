package world

import (
	"errors"
	"fmt"
	"time"

	"butler/internal/qlik"
)

// ErrNoTask is returned for a task that does not exist.
var ErrNoTask = errors.New("no such task")

// Outcome is the course of one execution. The zero value succeeds, with the usual
// duration of the task and the states of its type.
type Outcome struct {
	// Final is the final state; NeverStarted (the zero value) means FinishedSuccess.
	Final qlik.ExecutionStatus
	// Duration is the time from start to end; 0 means the usual one of the task.
	Duration time.Duration
	// Through are the states between Started and Final, at even intervals. Nil
	// means the usual ones: 13 and 14 for a distribute task, 4 and 5 before an
	// abort. Frozen.
	Through []qlik.ExecutionStatus
	// LateDetail is how long after the final state the final detail entry appears.
	LateDetail time.Duration
	// ZeroFileReferenceReads is how many reads of the finished task show no script log.
	ZeroFileReferenceReads int
	// NoScriptLog means that the execution never has a script log.
	NoScriptLog bool
	// ScriptLogLines is the number of load lines in the script log; 0 means the usual one.
	ScriptLogLines int
}

// Succeed ends in FinishedSuccess.
func Succeed() Outcome { return Outcome{Final: qlik.StatusFinishedSuccess} }

// Fail ends in FinishedFail.
func Fail() Outcome { return Outcome{Final: qlik.StatusFinishedFail} }

// Abort ends in Aborted, after AbortInitiated and Aborting.
func Abort() Outcome { return Outcome{Final: qlik.StatusAborted} }

// Execution identifies an execution and describes its course.
type Execution struct {
	TaskID   string
	TaskName string
	TaskType qlik.TaskType
	AppID    string
	AppName  string
	// ExecutionID is the scheduler's identifier, which datagrams carry.
	ExecutionID string
	// ResultID is the identifier of the execution result in the QRS.
	ResultID string
	Node     string
	Final    qlik.ExecutionStatus
	Start    time.Time
	// End is when the final state is reached.
	End time.Time
}

// run is the stored part of an execution; everything else is derived from it.
type run struct {
	// number is unique among the runs of the world; 0 is the run before the simulation.
	number  uint64
	start   time.Time
	outcome Outcome
	// never marks a task that has never run.
	never bool
}

// Start begins an execution now.
func (w *World) Start(taskID string, outcome Outcome) (Execution, error) {
	return w.Run(taskID, outcome, w.Now())
}

// Run makes an execution that begins at a given time, possibly in the past. It
// replaces the last execution of the task. The error is ErrNoTask.
func (w *World) Run(taskID string, outcome Outcome, at time.Time) (Execution, error) {
	number, ok := w.taskNumber(taskID)
	if !ok {
		return Execution{}, fmt.Errorf("run %s: %w", taskID, ErrNoTask)
	}
	w.mu.Lock()
	w.runCount++
	r := run{number: w.runCount, start: at.UTC().Truncate(time.Millisecond), outcome: w.complete(number, outcome)}
	w.runs[number] = r
	delete(w.zeroReads, number)
	w.mu.Unlock()

	return w.executionOf(number, r), nil
}

// Abort ends a running execution now; false when none is running.
func (w *World) Abort(taskID string) (Execution, bool) {
	number, ok := w.taskNumber(taskID)
	if !ok {
		return Execution{}, false
	}
	current := w.currentRun(number)
	elapsed := w.Now().Sub(current.start)
	if current.never || elapsed < 0 || elapsed >= current.outcome.Duration {
		return Execution{}, false
	}
	current.outcome.Final = qlik.StatusAborted
	current.outcome.Duration = max(elapsed, time.Millisecond)
	current.outcome.Through = []qlik.ExecutionStatus{}
	w.mu.Lock()
	w.runs[number] = current
	w.mu.Unlock()
	return w.executionOf(number, current), true
}

// Last returns the last execution of a task; false when it never ran.
func (w *World) Last(taskID string) (Execution, bool) {
	number, ok := w.taskNumber(taskID)
	if !ok {
		return Execution{}, false
	}
	r := w.currentRun(number)
	return w.executionOf(number, r), !r.never
}

// ExecutionID returns an identifier for the n-th execution that exists only in a
// datagram: the world has no result for it.
func (w *World) ExecutionID(n uint64) string {
	return w.identity.id(kindExecution, (1<<47|n)&indexMask)
}

// complete fills the zero fields of an outcome with the usual values of the task.
func (w *World) complete(number uint64, o Outcome) Outcome {
	d := w.identity.dice(kindResult, number)
	if o.Final == qlik.StatusNeverStarted {
		o.Final = qlik.StatusFinishedSuccess
	}
	if o.Duration <= 0 {
		o.Duration = time.Duration(2000+d.below(18_000)) * time.Millisecond
	}
	if o.ScriptLogLines <= 0 {
		o.ScriptLogLines = 20 + d.below(40)
	}
	if typeOf(number) == qlik.TaskExternalProgram || typeOf(number) == qlik.TaskUserSync {
		o.NoScriptLog = true
	}
	if o.Through == nil {
		o.Through = usualStates(typeOf(number), o.Final)
	}
	return o
}

func usualStates(t qlik.TaskType, final qlik.ExecutionStatus) []qlik.ExecutionStatus {
	switch {
	case final == qlik.StatusAborted:
		return []qlik.ExecutionStatus{qlik.StatusAbortInitiated, qlik.StatusAborting}
	case t == qlik.TaskDistribute:
		return []qlik.ExecutionStatus{qlik.StatusDistributionQueue, qlik.StatusDistributionRunning}
	default:
		return []qlik.ExecutionStatus{}
	}
}

// currentRun returns the last run of a task, or the one before the simulation.
func (w *World) currentRun(number uint64) run {
	w.mu.RLock()
	r, ok := w.runs[number]
	w.mu.RUnlock()
	if ok {
		return r
	}
	return w.pastRun(number)
}

// pastRun returns the derived last run of a task before the simulation.
func (w *World) pastRun(number uint64) run {
	d := w.identity.dice(kindResult, number)
	d.next()
	outcome := Succeed()
	switch throw := d.below(100); {
	case throw < 12:
		outcome = Fail()
	case throw < 15:
		outcome = Abort()
	case throw < 20 && number >= uint64(len(demoTasks)):
		return run{never: true, outcome: outcome}
	}
	start := w.epoch.Add(-time.Hour - time.Duration(d.below(72*3600))*time.Second)
	return run{start: start, outcome: w.complete(number, outcome)}
}

func (w *World) executionOf(number uint64, r run) Execution {
	shape := w.taskShape(number)
	execution := Execution{
		TaskID:      w.identity.id(kindTask, number),
		TaskName:    shape.name,
		TaskType:    shape.kind,
		ExecutionID: w.identity.id(kindExecution, w.runKey(number, r)),
		ResultID:    w.identity.id(kindResult, w.runKey(number, r)),
		Node:        w.nodeOf(number),
		Final:       r.outcome.Final,
		Start:       r.start,
		End:         r.start.Add(r.outcome.Duration),
	}
	if shape.kind != qlik.TaskExternalProgram && shape.kind != qlik.TaskUserSync {
		app := w.appReference(uint64(shape.app))
		execution.AppID, execution.AppName = app.ID, app.Name
	}
	return execution
}

// runKey returns a number for a run, unique among those of the simulation and the past.
func (w *World) runKey(number uint64, r run) uint64 {
	if r.number == 0 {
		return number & (indexMask >> 2)
	}
	return (1<<46 | r.number) & indexMask
}

func (w *World) nodeOf(number uint64) string { return nodeNames[number%uint64(len(nodeNames))] }
