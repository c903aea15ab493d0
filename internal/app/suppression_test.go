package app_test

import (
	"strings"
	"time"
)

// windowed are the destination instances whose suppression windows the oracle
// looks into, by the notices that they send.
var windowed = map[string]string{
	sinkHTTP + "/failed": "webhook/reload_task_failed/1", sinkHTTP + "/aborted": "webhook/reload_task_aborted/1",
	sinkSlack + "/failed": "slack/reload_task_failed", sinkSlack + "/aborted": "slack/reload_task_aborted",
}

// mayTell reports whether a notice to a system that is told once of a task is
// about an accepted event.
func (o *oracle) mayTell(id string) bool {
	if o.optional[id] {
		return true
	}
	execution, notice, _ := strings.Cut(id, " ")
	for _, a := range o.acceptedOf(execution) {
		if e := o.toldAs(a); e != nil && e.known && notice == sinkSlack+"/"+toldTable[a.family][e.typ].hook {
			return true
		}
	}
	return false
}

// acceptedOf returns the accepted events of an execution.
func (o *oracle) acceptedOf(execution string) []acceptedEvent {
	if o.byExecution == nil {
		o.byExecution = map[string][]acceptedEvent{}
		for _, a := range o.accepted {
			o.byExecution[a.execution] = append(o.byExecution[a.execution], a)
		}
	}
	return o.byExecution[execution]
}

// checkWindows makes sure that of every task's alerts to a system each was
// delivered, refused, or held back and counted. The count that a message tells
// is of what was held back before it; what nobody was notified of yet is in the open window.
//
// An alert that arrived without an answer waits for its repetition like one that
// never arrived. When another one gets ahead of it, or it is refused the second
// time, it is counted once more, with what it told: too many, never too few.
func (o *oracle) checkWindows(system string) {
	accepted, delivered, accounted := map[string]map[string]bool{}, map[string]int{}, map[string]int{}
	for _, a := range o.accepted {
		e := o.toldAs(a)
		if e == nil || !e.known || toldTable[a.family][e.typ].hook == "" {
			continue
		}
		key := windowed[system+"/"+toldTable[a.family][e.typ].hook] + " " + strings.ToLower(e.taskID)
		if accepted[key] == nil {
			accepted[key] = map[string]bool{}
		}
		accepted[key][a.execution] = true
	}
	seen, again := map[string]bool{}, map[string]int{}
	for _, r := range o.receipts {
		if !strings.HasPrefix(r.notice, system+"/") || seen[r.id()] {
			continue
		}
		seen[r.id()] = true
		key := windowed[r.notice] + " " + r.task
		delivered[key]++
		accounted[key] += 1 + r.suppressed
		if o.mayBeUnanswered(r) {
			again[key] += 1 + r.suppressed
		}
	}
	for _, p := range o.parked {
		if e := o.executions[strings.ToLower(string(p.Key))]; e != nil {
			accounted[p.Instance+" "+strings.ToLower(e.taskID)]++
		}
	}
	for key, executions := range accepted {
		n, want := accounted[key]+o.windows[key], len(executions)
		if n < want || n > want+again[key] || n == o.windows[key] {
			o.problem("%s: %d alerts, of which %d were delivered, and %d accounted for with those parked and held back",
				key, want, delivered[key], n)
		}
	}
}

// mayBeUnanswered reports whether the sender may not know of a receipt.
func (o *oracle) mayBeUnanswered(r receipt) bool {
	return r.unanswered || len(o.cutsBetween(r, receipt{at: endOfTime})) > 0
}

// endOfTime is after every receipt.
var endOfTime = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)
