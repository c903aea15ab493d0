package execution

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"butler/internal/qlik"
	"butler/messages"
)

// The look-ups of one event: what is asked, again and again until the deadline,
// and what an alert goes without.

// learn takes a task, with what came along of its app and the app's owner.
func (w *work) learn(in *messages.LookupTaskReply) {
	w.alert.Task = in.Task
	w.nameWhatIsUnnamed()
	if in.App.Known && in.App.ID == w.appID() {
		w.alert.App, w.alert.Owner = in.App, in.Owner
	}
}

// nameWhatIsUnnamed lets the task name itself and its app where the event does not:
// a logger of the scheduler does not have every property.
func (w *work) nameWhatIsUnnamed() {
	event, task := &w.alert.Event, &w.alert.Task
	event.TaskName = cmp.Or(event.TaskName, task.Name)
	if task.Type != qlik.TaskReload { // an app of another task is not in its events
		return
	}
	event.AppID = cmp.Or(event.AppID, task.AppID)
	if strings.EqualFold(event.AppID, task.AppID) {
		event.AppName = cmp.Or(event.AppName, task.AppName)
	}
}

func (m *Machine) startLookups(w *work) []Effect {
	var effects []Effect
	if !w.needs.Owner {
		w.alert.Owner = messages.Owner{}
	}
	switch app := &w.alert.App; {
	case !w.needs.App && !w.needs.Owner:
		*app = messages.App{}
	case !app.Known && w.appID() != "":
		effects = append(effects, m.ask(w, askApp))
	case w.needs.Owner && !w.alert.Owner.Known && app.OwnerID != "":
		effects = append(effects, m.ask(w, askOwner))
	}
	w.finalLeft = m.rules.FinalAttempts
	switch {
	case w.needs.FinalState:
		effects = append(effects, m.ask(w, askExecution))
	case w.wantsScriptLog():
		effects = append(effects, m.ask(w, askScriptLog))
	case w.needs.Execution:
		effects = append(effects, m.ask(w, askExecution))
	}
	return effects
}

// command builds the newest look-up, the first time and every time again.
func (m *Machine) command(w *work, what request) any {
	taskID, attempt, deadline := w.alert.Event.TaskID, m.attempt, w.deadline
	switch what {
	case askApp:
		return messages.LookupApp{AppID: w.appID(), MaxAge: m.rules.CacheFor, Deadline: deadline, Attempt: attempt, ReplyTo: m.self}
	case askOwner:
		return messages.LookupOwner{
			UserID: w.alert.App.OwnerID, MaxAge: m.rules.CacheFor, Deadline: deadline, Attempt: attempt, ReplyTo: m.self,
		}
	case askExecution:
		return messages.LookupExecution{TaskID: taskID, TaskType: w.alert.Task.Type, Deadline: deadline, Attempt: attempt, ReplyTo: m.self}
	case askScriptLog:
		var result messages.Execution
		if w.finalState {
			result = w.alert.Execution
		}
		return messages.FetchScriptLog{
			Result: result,
			TaskID: taskID, HeadLines: w.needs.ScriptHead, TailLines: w.needs.ScriptTail, Full: w.needs.FullScriptLog,
			Deadline: deadline, Attempt: attempt, ReplyTo: m.self,
		}
	default:
		return messages.LookupTask{TaskID: taskID, MaxAge: m.maxAge(&w.alert.Event), Deadline: deadline, Attempt: attempt, ReplyTo: m.self}
	}
}

// maxAge is how old the metadata of a task may be for an event.
func (m *Machine) maxAge(e *messages.TaskEvent) time.Duration {
	if e.Family == messages.FamilyDistribute {
		return 0 // its status is what we want to know
	}
	return m.rules.CacheFor
}

func (m *Machine) appFound(now time.Time, w *work, in messages.LookupAppReply) []Effect {
	switch {
	case in.Failure.Kind == messages.FailureNotFound:
		w.miss("the app does not exist in the Qlik Repository Service any more")
	case in.Failure.Failed():
		return m.lookupFailed(now, w, askApp, in.Failure)
	default:
		w.alert.App = in.App
		w.stale(in.Stale, "app")
		if w.needs.Owner && in.App.OwnerID != "" {
			return []Effect{m.ask(w, askOwner)}
		}
	}
	return m.proceed(now, w)
}

func (m *Machine) ownerFound(now time.Time, w *work, in messages.LookupOwnerReply) []Effect {
	switch {
	case in.Failure.Kind == messages.FailureNotFound:
		w.miss("the app owner does not exist in the Qlik Repository Service any more")
	case in.Failure.Failed():
		return m.lookupFailed(now, w, askOwner, in.Failure)
	default:
		w.alert.Owner = in.Owner
		w.stale(in.Stale, "app owner")
	}
	return m.proceed(now, w)
}

func (m *Machine) executionFound(now time.Time, w *work, in messages.LookupExecutionReply) []Effect {
	if !in.Failure.Failed() {
		w.result(in.Execution)
	}
	if w.needs.FinalState && w.finalLeft > 0 {
		return m.finalStateLooked(now, w)
	}
	switch {
	case in.Failure.Kind == messages.FailureNotFound:
		w.miss("the Qlik Repository Service has no execution result of the task")
	case in.Failure.Failed():
		return m.lookupFailed(now, w, askExecution, in.Failure)
	}
	return m.ended(now, w)
}

// ended goes on when the execution has ended in the repository, too. Its event may
// be here before that: then the result is read again, a bounded number of times.
func (m *Machine) ended(now time.Time, w *work) []Effect {
	if w.finalLeft--; w.running() && w.finalLeft > 0 {
		return []Effect{m.repeat(now, w, askExecution, m.rules.FinalEvery)}
	}
	w.finalLeft = 0
	return m.proceed(now, w)
}

// finalStateLooked counts one look at an execution result that should become final; a failed look counts too.
func (m *Machine) finalStateLooked(now time.Time, w *work) []Effect {
	w.finalLeft--
	w.finalState = w.alert.Execution.FinishedSuccessfully()
	if !w.finalState && w.finalLeft > 0 {
		return []Effect{m.repeat(now, w, askExecution, m.rules.FinalEvery)}
	}
	w.finalLeft = 0
	if w.wantsScriptLog() {
		return []Effect{m.ask(w, askScriptLog)}
	}
	return m.proceed(now, w)
}

func (m *Machine) scriptLogFound(now time.Time, w *work, in messages.FetchScriptLogReply) []Effect {
	if in.Execution.Known {
		w.result(in.Execution)
	}
	switch {
	case !in.Failure.Failed():
		w.alert.ScriptLog, w.attachment = in.ScriptLog.Bounded(messages.MaxScriptLog), in.Full
	case in.Failure.Retryable() && !in.Exhausted:
		return m.lookupFailed(now, w, askScriptLog, in.Failure)
	default:
		w.miss("the script log could not be fetched: " + in.Failure.Text)
		if !w.alert.Execution.Known && w.needs.Execution {
			return []Effect{m.ask(w, askExecution)}
		}
	}
	if !in.ScriptLog.Available { // each look for it was one at the result
		w.finalLeft = 0
	}
	return m.ended(now, w)
}

// lookupFailed repeats a look-up that may succeed later, and goes on without one that cannot.
func (m *Machine) lookupFailed(now time.Time, w *work, what request, failure messages.Failure) []Effect {
	if failure.Retryable() {
		return []Effect{m.repeat(now, w, what, m.rules.RetryEvery)}
	}
	w.miss(fmt.Sprintf("the %s look-up was refused: %s", requestNames[what], failure.Text))
	if what == askTask {
		return m.decideWithoutTask(now, w)
	}
	return m.proceed(now, w)
}

// repeat queues a look-up for the next RetryDue.
func (m *Machine) repeat(now time.Time, w *work, what request, after time.Duration) Effect {
	w.failed = append(w.failed, what)
	return Arm{Case: w.id, Timer: timerRetry, At: now.Add(after), Message: messages.RetryDue{Case: w.id, Token: w.token}}
}

func (m *Machine) retry(in messages.RetryDue) []Effect {
	w, ok := m.find(in.Case)
	if !ok || w.token != in.Token || len(w.failed) == 0 {
		return nil
	}
	again := w.failed
	w.failed = nil
	var effects []Effect
	for _, what := range again {
		effects = append(effects, m.ask(w, what))
	}
	return effects
}

// degrade ends the look-ups: what has not arrived by now is missing.
func (m *Machine) degrade(now time.Time, in messages.DegradeDue) []Effect {
	w, ok := m.find(in.Case)
	if !ok || w.token != in.Token {
		return nil
	}
	if w.phase != phaseTask && w.phase != phaseEnrich {
		return nil
	}
	if w.unfinished() {
		w.miss(fmt.Sprintf("the execution result did not become final within %s", m.rules.DegradedAfter))
	} else {
		w.miss(fmt.Sprintf("the Qlik Repository Service did not answer within %s", m.rules.DegradedAfter))
	}
	if w.phase == phaseTask {
		return m.decideWithoutTask(now, w)
	}
	return m.decide(now, w)
}

// unfinished reports that the one thing waited for is an execution result that
// was seen, and was not final.
func (w *work) unfinished() bool {
	for _, l := range w.waiting {
		if l.what != askExecution {
			return false
		}
	}
	for _, what := range w.failed {
		if what != askExecution {
			return false
		}
	}
	return w.finalLeft > 0 && w.alert.Execution.Known
}

// proceed decides once nothing is outstanding.
func (m *Machine) proceed(now time.Time, w *work) []Effect {
	if len(w.waiting) > 0 || len(w.failed) > 0 {
		return nil
	}
	return m.decide(now, w)
}

// ask sends a look-up and remembers who waits for it.
func (m *Machine) ask(w *work, what request) Effect {
	m.attempt++
	w.waiting = append(w.waiting, lookup{m.attempt, what, m.now})
	return Ask{m.command(w, what)}
}

// armDegrade bounds the time of the look-ups, which has begun at since.
func (m *Machine) armDegrade(since time.Time, w *work) Effect {
	w.deadline = since.Add(m.rules.DegradedAfter)
	return Arm{Case: w.id, Timer: timerDegrade, At: w.deadline, Message: messages.DegradeDue{Case: w.id, Token: w.token}}
}

// answer finds the work that waits for an attempt. Answers nobody waits for are old news.
func (m *Machine) answer(attempt int, s said, handle func(*work) []Effect) []Effect {
	for _, w := range m.cases {
		for i, l := range w.waiting {
			if l.attempt == attempt {
				w.waiting = slices.Delete(w.waiting, i, i+1)
				w.note(l, m.now, s)
				return handle(w)
			}
		}
	}
	return nil
}

// appID prefers the event's app to the one in the task's metadata.
func (w *work) appID() string {
	if w.alert.Event.AppID != "" {
		return w.alert.Event.AppID
	}
	return w.alert.Task.AppID
}

// wantsScriptLog reports whether a script log is wanted and can exist: only reloads write one.
func (w *work) wantsScriptLog() bool {
	return w.needs.ScriptLog() && w.alert.Task.Type == qlik.TaskReload
}

// stale notes that an older copy stands in for an answer.
func (w *work) stale(is bool, what string) {
	if is {
		w.miss("the Qlik Repository Service is out of reach: " + what + " details may be out of date")
	}
}

// clockSkew is how far the clocks of the service and the repository may be apart.
const clockSkew = time.Minute

// result takes an execution result. The QRS only knows the last one of a task,
// which may be of a newer execution than the event's.
func (w *work) result(e messages.Execution) {
	w.alert.Execution = e
	if w.newer() {
		w.miss("the execution result and the script log are of a newer execution of the task")
	}
}

// newer reports that the result is of a newer execution than the event. Of a task
// that was followed it is known which result is the event's.
func (w *work) newer() bool {
	if mine, found := w.follow.ResultID, w.alert.Execution.ResultID; mine != "" && found != "" && mine != found {
		return true
	}
	start, ok := qlik.ParseTime(w.alert.Execution.Start)
	return ok && start.After(w.alert.Event.At.Add(clockSkew))
}

// running reports that the execution, whose state somebody wants, goes on as far as
// the QRS knows. A task that was followed has been waited for, whatever its result says.
func (w *work) running() bool {
	e := &w.alert.Execution
	return e.Known && !e.HasEnded() && !w.newer() &&
		(w.needs.Execution || w.needs.FinalState) && w.follow.Since.IsZero()
}

// miss notes, once, what the alert goes without.
func (w *work) miss(what string) {
	for _, known := range w.missing {
		if known == what {
			return
		}
	}
	w.missing = append(w.missing, what)
}
