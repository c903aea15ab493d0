package execution

import (
	"slices"
	"time"

	"butler/internal/destination"
	"butler/internal/qlik"
	"butler/messages"
)

// Router says who is notified of an alert, and what they need looked up;
// *destination.Table is the one in use.
type Router interface {
	Carries(a *messages.Alert) bool
	NeedsOf(a *messages.Alert) destination.Needs
	Route(a *messages.Alert, finalState bool, now time.Time) ([]messages.NoticeHead, []destination.Omission)
}

// Rules are the limits an execution works within.
type Rules struct {
	Router Router
	// DegradedAfter is how long look-ups may take before the alert goes out with what is known.
	DegradedAfter time.Duration
	// CacheFor is how old metadata of a task, app or owner may be.
	CacheFor time.Duration
	// RetryEvery is the pause before a failed look-up is repeated.
	RetryEvery time.Duration
	// PollEvery and FollowFor bound how a distribute task is followed.
	PollEvery, FollowFor time.Duration
	// FinalAttempts and FinalEvery bound how often, and how soon again, a result is
	// read that is not final yet.
	FinalAttempts int
	FinalEvery    time.Duration
	// RememberFor is the time in which a repetition of an event is a duplicate.
	RememberFor time.Duration
}

// Machine decides what becomes of the events of one execution. It is pure: it gets the
// time and one input, updates itself and returns effects. Events come through Observe,
// answers, timers and all else through Handle.
type Machine struct {
	key      messages.ExecutionKey
	rules    Rules
	self     messages.Ref
	seen     messages.Seen
	hasState bool    // the ledger has a state to resume, or is about to
	works    []*work // in the order of their events
	lastWork int
	attempt  int
	observed int
	now      time.Time // of the current input
	asleep   bool      // ignores everything but events
	scratch  *scratch  // nil unless Reset was called
}

// scratch is memory that a machine reuses from one execution to the next. Only the
// machines of a fast path have it: those of actors live too long.
type scratch struct {
	work    *work // of the execution before
	report  Report
	record  Record
	effects [2]Effect
}

// NewMachine returns a machine for one execution. Its look-ups are answered to self.
// Its first event, or Resume, says which execution it is.
func NewMachine(rules Rules, self messages.Ref) *Machine { return &Machine{rules: rules, self: self} }

// Observe takes up a new event. cached is the answer to its Question if it need not be
// asked for, or nil.
func (m *Machine) Observe(now time.Time, in *messages.TaskEventObserved, cached *messages.LookupTaskReply) []Effect {
	m.now = now
	if m.asleep {
		return m.sleepIfIdle(append(m.rearmTimers(), m.observe(now, in, cached)...))
	}
	return m.sleepIfIdle(m.observe(now, in, cached))
}

// Handle takes any other input. One that nobody waits for changes nothing.
func (m *Machine) Handle(now time.Time, input any) []Effect {
	m.now = now
	if m.asleep {
		return nil
	}
	return m.sleepIfIdle(m.handle(now, input))
}

func (m *Machine) handle(now time.Time, input any) []Effect {
	switch in := input.(type) {
	case messages.LookupTaskReply:
		return m.answer(in.Attempt, infoOf(&in), func(w *work) []Effect { return m.taskFound(now, w, &in) })
	case messages.LookupAppReply:
		return m.answer(in.Attempt, answerInfo{asOf: in.AsOf, stale: in.Stale, failure: in.Failure}, func(w *work) []Effect { return m.appFound(now, w, in) })
	case messages.LookupOwnerReply:
		return m.answer(in.Attempt, answerInfo{asOf: in.AsOf, stale: in.Stale, failure: in.Failure}, func(w *work) []Effect { return m.ownerFound(now, w, in) })
	case messages.LookupExecutionReply:
		return m.answer(in.Attempt, answerInfo{failure: in.Failure}, func(w *work) []Effect { return m.executionFound(now, w, in) })
	case messages.FetchScriptLogReply:
		return m.answer(in.Attempt, answerInfo{failure: in.Failure}, func(w *work) []Effect { return m.scriptLogFound(now, w, in) })
	case messages.PollDue:
		return m.poll(now, in)
	case messages.GiveUpDue:
		return m.giveUp(now, in)
	case messages.RetryDue:
		return m.retry(in)
	case messages.DegradeDue:
		return m.degrade(now, in)
	case messages.DecisionRecorded:
		return m.recorded(now, in)
	default:
		return nil
	}
}

// Reset makes the machine that of another execution. Its attempt numbers follow
// attempt. Effects that it has returned before must not be used any more.
func (m *Machine) Reset(rules Rules, self messages.Ref, attempt int) {
	again := m.scratch
	if again == nil {
		again = &scratch{}
	}
	if len(m.works) > 0 {
		again.work = m.works[0]
	}
	*m = Machine{rules: rules, self: self, works: m.works[:0], attempt: attempt, scratch: again}
}

// Question returns the look-up with which the machine begins an event.
func (m *Machine) Question(e *messages.TaskEvent) messages.LookupTask {
	return messages.LookupTask{TaskID: e.TaskID, MaxAge: m.maxAge(e)}
}

func (m *Machine) observe(now time.Time, in *messages.TaskEventObserved, cached *messages.LookupTaskReply) []Effect {
	w := m.openEvent(in)
	if in.Bare {
		return m.decideBare(now, w)
	}
	since := now
	if !in.Since.IsZero() {
		since = in.Since
	}
	if cached == nil {
		return []Effect{m.armDegrade(since, w), m.ask(w, askTask)}
	}
	w.deadline = since.Add(m.rules.DegradedAfter)
	w.noteAnswer(lookup{what: askTask, asked: now}, now, infoOf(cached))
	effects := m.taskFound(now, w, cached)
	if !w.awaitsLookups() {
		return effects
	}
	return append(effects, m.armDegrade(since, w))
}

// openEvent begins the work on a new event.
func (m *Machine) openEvent(in *messages.TaskEventObserved) *work {
	m.observed++
	m.key = in.Key
	m.seen.Families |= in.Seen.Families
	m.seen.Kinds |= in.Seen.Kinds
	m.seen.Seq = max(m.seen.Seq, in.At.Seq, in.Seen.Seq)
	if in.Seen.Until.After(m.seen.Until) {
		m.seen.Until = in.Seen.Until
	}
	w := m.open(in.At, &in.Event)
	w.bare, w.placed = in.Bare, true
	return w
}

func (m *Machine) open(at messages.EventPosition, event *messages.TaskEvent) *work {
	m.lastWork++
	w := m.scratch.take()
	*w = work{id: m.lastWork, at: at, alert: w.alert, looked: w.looked[:0]}
	*w.alert = messages.Alert{}
	w.alert.Key, w.alert.Event, w.alert.Execution.Status = m.key, *event, qlik.StatusUnknown
	m.works = append(m.works, w)
	return w
}

// take returns the work of the previous execution for reuse, once, or a new one.
func (m *scratch) take() *work {
	if m == nil || m.work == nil {
		return &work{alert: new(messages.Alert)}
	}
	w := m.work
	m.work = nil
	return w
}

// taskFound routes by message family and task type.
func (m *Machine) taskFound(now time.Time, w *work, in *messages.LookupTaskReply) []Effect {
	if w.phase == phaseFollow {
		return m.followed(now, w, in)
	}
	if in.Failure.Kind == messages.FailureNotFound {
		return m.drop(now, w, OutcomeTaskNotFound)
	}
	if in.Failure.Failed() {
		return m.lookupFailed(now, w, askTask, in.Failure)
	}
	w.learn(in)
	w.noteStale(in.Stale, "task")
	if w.alert.Event.Family == messages.FamilyDistribute {
		return m.routeDistribute(now, w)
	}
	if !in.Task.Type.Valid() {
		return m.drop(now, w, OutcomeUnknownType)
	}
	kind := messages.KindOf(w.alert.Event.Family, in.Task.Type)
	if kind == "" {
		return m.endWithoutAlert(now, w, OutcomeLogOnly)
	}
	return m.enrich(now, w, kind)
}

// routeDistribute decides by the status of a distribute task, which its completion message does not contain.
func (m *Machine) routeDistribute(now time.Time, w *work) []Effect {
	if w.alert.Task.Type != qlik.TaskDistribute {
		return m.endWithoutAlert(now, w, OutcomeNotDistribute)
	}
	switch w.alert.Task.LastStatus.Phase() {
	case qlik.PhaseSucceeded:
		return m.enrich(now, w, messages.DistributeTaskSucceeded)
	case qlik.PhaseFailed:
		return m.enrich(now, w, messages.DistributeTaskFailed)
	case qlik.PhaseRunning:
		return m.startFollowing(now, w)
	default:
		return m.endWithoutAlert(now, w, OutcomeUnexpectedStatus)
	}
}

// setKind sets the kind of the alert. Effects that it returns end the work instead,
// because the kind was alerted before or no destination carries it.
func (m *Machine) setKind(now time.Time, w *work, kind messages.AlertKind) []Effect {
	if m.seen.HasKind(kind) {
		return m.endWithoutAlert(now, w, OutcomeAlreadyAlerted)
	}
	w.alert.ID, w.alert.Kind = messages.NewAlertID(m.key, kind), kind
	if m.rules.Router.Carries(w.alert) {
		return nil
	}
	w.alert.ID, w.alert.Kind = "", ""
	return m.endWithoutAlert(now, w, OutcomeNoRoute)
}

// enrich starts the look-ups that the destinations of kind need.
func (m *Machine) enrich(now time.Time, w *work, kind messages.AlertKind) []Effect {
	if end := m.setKind(now, w, kind); end != nil {
		return end
	}
	w.phase = phaseEnrich
	w.needs = m.rules.Router.NeedsOf(w.alert)
	effects := m.startLookups(w)
	if len(effects) == 0 {
		return m.proceed(now, w)
	}
	return append(effects, m.proceed(now, w)...)
}

// find returns a work that has not ended.
func (m *Machine) find(id int) (*work, bool) {
	for _, w := range m.works {
		if w.id == id {
			return w, true
		}
	}
	return nil, false
}

func (m *Machine) remove(w *work) {
	m.works = slices.DeleteFunc(m.works, func(one *work) bool { return one == w })
}

// Following returns how many distribute tasks the machine follows.
func (m *Machine) Following() int {
	n := 0
	for _, w := range m.works {
		if w.phase == phaseFollow {
			n++
		}
	}
	return n
}
