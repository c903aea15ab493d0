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

// The look-ups of one event: they are repeated until the deadline, and what is
// missing then is noted in the alert.

// learn takes the task from an answer, with its app and the app's owner where the
// answer has them.
func (w *work) learn(in *messages.LookupTaskReply) {
	w.alert.Task = in.Task
	w.fillNames()
	if in.App.Known && in.App.ID == w.appID() {
		w.alert.App, w.alert.Owner = in.App, in.Owner
	}
}

// fillNames takes names that the event lacks from the task: not every logger of the
// scheduler writes all of them.
func (w *work) fillNames() {
	event, task := &w.alert.Event, &w.alert.Task
	event.TaskName = cmp.Or(event.TaskName, task.Name)
	if task.Type != qlik.TaskReload { // events of other types name no app
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

// command returns the command of a look-up, with the present attempt number.
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
		w.addMissing("the app does not exist in the Qlik Repository Service any more")
	case in.Failure.Failed():
		return m.lookupFailed(now, w, askApp, in.Failure)
	default:
		w.alert.App = in.App
		w.noteStale(in.Stale, "app")
		if w.needs.Owner && in.App.OwnerID != "" {
			return []Effect{m.ask(w, askOwner)}
		}
	}
	return m.proceed(now, w)
}

func (m *Machine) ownerFound(now time.Time, w *work, in messages.LookupOwnerReply) []Effect {
	switch {
	case in.Failure.Kind == messages.FailureNotFound:
		w.addMissing("the app owner does not exist in the Qlik Repository Service any more")
	case in.Failure.Failed():
		return m.lookupFailed(now, w, askOwner, in.Failure)
	default:
		w.alert.Owner = in.Owner
		w.noteStale(in.Stale, "app owner")
	}
	return m.proceed(now, w)
}

func (m *Machine) executionFound(now time.Time, w *work, in messages.LookupExecutionReply) []Effect {
	if !in.Failure.Failed() {
		w.setResult(in.Execution)
	}
	if w.needs.FinalState && w.finalLeft > 0 {
		return m.finalStateLooked(now, w, in.Failure)
	}
	switch {
	case in.Failure.Kind == messages.FailureNotFound:
		w.addMissing(noResult)
	case in.Failure.Failed():
		return m.lookupFailed(now, w, askExecution, in.Failure)
	}
	return m.awaitEnd(now, w)
}

// awaitEnd proceeds when the execution has ended in the repository, too. The event
// may arrive before that; then the result is read again, a bounded number of times.
func (m *Machine) awaitEnd(now time.Time, w *work) []Effect {
	if w.finalLeft--; w.stillRunning() && w.finalLeft > 0 {
		return []Effect{m.repeat(now, w, askExecution, m.rules.FinalEvery)}
	}
	w.finalLeft = 0
	return m.proceed(now, w)
}

const noResult = "the Qlik Repository Service has no execution result of the task"

// finalStateLooked counts one look at an execution result that should become final. A failed look-up counts, too.
func (m *Machine) finalStateLooked(now time.Time, w *work, failure messages.Failure) []Effect {
	w.finalLeft--
	w.finalState = w.alert.Execution.FinishedSuccessfully()
	if !w.finalState && w.finalLeft > 0 {
		return []Effect{m.repeat(now, w, askExecution, m.rules.FinalEvery)}
	}
	w.finalLeft = 0
	switch {
	case w.wantsScriptLog(): // it comes with the result
		return []Effect{m.ask(w, askScriptLog)}
	case w.alert.Execution.Known:
	case !failure.Failed(), failure.Kind == messages.FailureNotFound:
		w.addMissing(noResult)
	case failure.Retryable():
		w.addMissing("the execution result could not be looked up")
	default:
		w.addMissing(refused(askExecution))
	}
	return m.proceed(now, w)
}

func (m *Machine) scriptLogFound(now time.Time, w *work, in messages.FetchScriptLogReply) []Effect {
	if in.Execution.Known {
		w.setResult(in.Execution)
	}
	switch {
	case !in.Failure.Failed():
		w.alert.ScriptLog, w.attachment = in.ScriptLog.Bounded(messages.MaxScriptLog), in.Full
	case in.Failure.Retryable() && !in.Exhausted:
		return m.lookupFailed(now, w, askScriptLog, in.Failure)
	default:
		w.addMissing("the script log could not be fetched")
		if !w.alert.Execution.Known && w.needs.Execution {
			return []Effect{m.ask(w, askExecution)}
		}
	}
	if !in.ScriptLog.Available { // the fetch has waited for the result already
		w.finalLeft = 0
	}
	return m.awaitEnd(now, w)
}

// lookupFailed repeats a look-up that may succeed later, and proceeds without one that cannot.
func (m *Machine) lookupFailed(now time.Time, w *work, what request, failure messages.Failure) []Effect {
	if failure.Retryable() {
		return []Effect{m.repeat(now, w, what, m.rules.RetryEvery)}
	}
	w.addMissing(refused(what))
	if what == askTask {
		return m.decideWithoutTask(now, w)
	}
	return m.proceed(now, w)
}

func refused(what request) string {
	return fmt.Sprintf("the %s look-up was refused", requestNames[what])
}

// repeat queues a look-up for the next RetryDue.
func (m *Machine) repeat(now time.Time, w *work, what request, after time.Duration) Effect {
	w.failed = append(w.failed, what)
	return Arm{Work: w.id, Timer: timerRetry, At: now.Add(after), Message: messages.RetryDue{Work: w.id, Token: w.token}}
}

func (m *Machine) retry(in messages.RetryDue) []Effect {
	w, ok := m.find(in.Work)
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

// degrade decides at the deadline of the look-ups, without what has not arrived.
func (m *Machine) degrade(now time.Time, in messages.DegradeDue) []Effect {
	w, ok := m.find(in.Work)
	if !ok || w.token != in.Token {
		return nil
	}
	if w.phase != phaseTask && w.phase != phaseEnrich {
		return nil
	}
	if w.waitsForFinalState() {
		w.addMissing(fmt.Sprintf("the execution result did not become final within %s", m.rules.DegradedAfter))
	} else {
		w.addMissing(fmt.Sprintf("the Qlik Repository Service did not answer within %s", m.rules.DegradedAfter))
	}
	if w.phase == phaseTask {
		return m.decideWithoutTask(now, w)
	}
	return m.decide(now, w)
}

// waitsForFinalState reports whether the only open look-up is that of an execution
// result that was found and is not final.
func (w *work) waitsForFinalState() bool {
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

// awaitsLookups reports whether a look-up has no answer yet or is to be repeated.
func (w *work) awaitsLookups() bool { return len(w.waiting) > 0 || len(w.failed) > 0 }

// proceed decides once nothing is outstanding.
func (m *Machine) proceed(now time.Time, w *work) []Effect {
	if w.awaitsLookups() {
		return nil
	}
	return m.decide(now, w)
}

// ask returns the effect of a look-up, and notes that w waits for it.
func (m *Machine) ask(w *work, what request) Effect {
	m.attempt++
	w.waiting = append(w.waiting, lookup{m.attempt, what, m.now})
	return Ask{m.command(w, what)}
}

// armDegrade sets the deadline of the look-ups, which began at since.
func (m *Machine) armDegrade(since time.Time, w *work) Effect {
	w.deadline = since.Add(m.rules.DegradedAfter)
	return Arm{Work: w.id, Timer: timerDegrade, At: w.deadline, Message: messages.DegradeDue{Work: w.id, Token: w.token}}
}

// answer passes an answer to the work that waits for the attempt. An answer that
// nobody waits for is ignored.
func (m *Machine) answer(attempt int, s answerInfo, handle func(*work) []Effect) []Effect {
	for _, w := range m.works {
		for i, l := range w.waiting {
			if l.attempt == attempt {
				w.waiting = slices.Delete(w.waiting, i, i+1)
				w.noteAnswer(l, m.now, s)
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

// noteStale notes in the alert that an answer came from a copy that may be out of date.
func (w *work) noteStale(is bool, what string) {
	if is {
		w.addMissing("the Qlik Repository Service is out of reach: " + what + " details may be out of date")
	}
}

// clockSkew is how far the clocks of the service and the repository may be apart.
const clockSkew = time.Minute

// setResult sets the execution result. The QRS knows only the last one of a task,
// which may belong to a newer execution than the event's.
func (w *work) setResult(e messages.Execution) {
	w.alert.Execution = e
	if w.resultIsNewer() {
		w.addMissing("the execution result and the script log are of a newer execution of the task")
	}
}

// resultIsNewer reports whether the result belongs to a newer execution than the
// event. For a followed task the ID of the event's result is known.
func (w *work) resultIsNewer() bool {
	if mine, found := w.follow.ResultID, w.alert.Execution.ResultID; mine != "" && found != "" && mine != found {
		return true
	}
	start, ok := qlik.ParseTime(w.alert.Execution.Start)
	return ok && start.After(w.alert.Event.At.Add(clockSkew))
}

// stillRunning reports whether a destination needs the execution's state and the QRS
// says that it is still running. A followed task counts as ended.
func (w *work) stillRunning() bool {
	e := &w.alert.Execution
	return e.Known && !e.HasEnded() && !w.resultIsNewer() &&
		(w.needs.Execution || w.needs.FinalState) && w.follow.Since.IsZero()
}

// addMissing adds a line about missing information to the alert, once. The recipients
// read it: why a look-up has failed is for operators, in the log and in the trail.
func (w *work) addMissing(what string) {
	for _, known := range w.missing {
		if known == what {
			return
		}
	}
	w.missing = append(w.missing, what)
}
