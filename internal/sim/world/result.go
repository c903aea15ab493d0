package world

import (
	"fmt"
	"time"

	"butler/internal/qlik"
)

// moment is one step of an execution: the new state, and its detail entry, if any.
type moment struct {
	after   time.Duration
	status  qlik.ExecutionStatus
	message string
	// shown is when the entry becomes visible, not before the step itself.
	shown time.Duration
}

// timeline returns the steps of an outcome. The last one is the final state.
func (o Outcome) timeline(node string) []moment {
	at := func(after time.Duration) time.Duration { return min(after, o.Duration/4) }
	moments := []moment{
		{status: qlik.StatusQueued},
		{after: at(10 * time.Millisecond), status: qlik.StatusTriggered, message: "Changing task-state from Queued to Triggered"},
		{after: at(120 * time.Millisecond), status: qlik.StatusTriggered, message: "Trying to start task. Sending task to slave-node " + node + "."},
		{after: at(time.Second), status: qlik.StatusStarted, message: "Changing task state from Triggered to Started"},
	}
	started := moments[len(moments)-1].after
	step := (o.Duration - started) / time.Duration(len(o.Through)+1)
	last := qlik.StatusStarted
	for i, status := range o.Through {
		moments = append(moments, moment{
			after: started + step*time.Duration(i+1), status: status,
			message: "Changing task state from " + last.String() + " to " + status.String(),
		})
		last = status
	}
	// The scheduler always names Started as the previous state.
	moments = append(moments, moment{
		after: o.Duration, status: o.Final,
		message: "Changing task state from Started to " + o.Final.String(),
		shown:   o.Duration + o.LateDetail,
	})
	return moments
}

// resultOf returns the result of a run at the current time.
func (w *World) resultOf(number uint64, r run) ExecutionResult {
	result := ExecutionResult{
		ID:              w.identity.id(kindResult, w.runKey(number, r)),
		StartTime:       qlik.NeverDate,
		StopTime:        qlik.NeverDate,
		FileReferenceID: qlik.ZeroGUID,
		Details:         []Detail{},
	}
	if r.never {
		return result
	}
	elapsed := w.elapsed(r)
	result.ExecutingNodeName = w.nodeOf(number)
	result.StartTime = iso(r.start)
	for i, m := range r.outcome.timeline(w.nodeOf(number)) {
		if m.after <= elapsed {
			result.Status = int(m.status)
		}
		if m.message != "" && max(m.after, m.shown) <= elapsed {
			result.Details = append(result.Details, w.detail(number, r, i, m))
		}
	}
	if elapsed >= r.outcome.Duration {
		w.finish(&result, number, r)
	}
	return result
}

// elapsed returns the time since the start of a run. A run before the simulation is over
// whatever the clock says.
func (w *World) elapsed(r run) time.Duration {
	if r.number == 0 {
		return r.outcome.Duration + r.outcome.LateDetail
	}
	return max(w.Now().Sub(r.start), 0)
}

func (w *World) finish(result *ExecutionResult, number uint64, r run) {
	end := r.start.Add(r.outcome.Duration)
	result.StopTime = iso(end)
	result.Duration = r.outcome.Duration.Milliseconds()
	if r.outcome.NoScriptLog {
		return
	}
	result.ScriptLogAvailable = true
	result.ScriptLogSize = w.scriptLogSize(number, r)
	if w.readsLeft(number, r) > 0 {
		return
	}
	key := w.runKey(number, r)
	result.FileReferenceID = w.identity.id(kindFile, key)
	d := w.identity.dice(kindFile, key)
	result.ScriptLogLocation = fmt.Sprintf(`%s\Script\%s.%s.%016X.log`, w.nodeOf(number),
		w.executionOf(number, r).AppID, r.start.Format("20060102T150405.000-0700"), d.next())
}

func (w *World) detail(number uint64, r run, i int, m moment) Detail {
	key := w.runKey(number, r)
	d := w.identity.dice(kindDetail, key<<5|uint64(i))
	return Detail{
		ID:                w.identity.id(kindDetail, d.next()&indexMask),
		DetailsType:       2,
		Message:           m.message,
		DetailCreatedDate: iso(r.start.Add(m.after)),
	}
}

func (w *World) readsLeft(number uint64, r run) int {
	w.mu.RLock()
	defer w.mu.RUnlock()
	return r.outcome.ZeroFileReferenceReads - w.zeroReads[number]
}

// countRead counts a read of the task in its final state.
func (w *World) countRead(number uint64, status int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	r, ok := w.runs[number]
	if ok && r.outcome.ZeroFileReferenceReads > 0 && int(r.outcome.Final) == status {
		w.zeroReads[number]++
	}
}
