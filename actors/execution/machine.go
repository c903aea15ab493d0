package execution

import (
	"slices"
	"time"

	"butler/internal/destination"
	"butler/internal/outbox"
	"butler/internal/qlik"
	"butler/messages"
)

// Router answers who is told of an alert, and what they want looked up.
// *destination.Table is the one used in production.
type Router interface {
	Carries(a *messages.Alert) bool
	NeedsOf(a *messages.Alert) destination.Needs
	Route(a *messages.Alert, finalState bool, now time.Time) ([]messages.NoticeHead, []destination.Verdict)
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
	// FinalAttempts and FinalEvery bound the wait for the final state of a success.
	FinalAttempts int
	FinalEvery    time.Duration
	// RememberFor is the time in which a repetition of an event is a duplicate.
	RememberFor time.Duration
}

// Machine decides what becomes of the events of one execution. It is pure: it
// gets the time and one input, changes itself and returns what is to be done.
type Machine struct {
	key      messages.ExecutionKey
	rules    Rules
	self     messages.Ref
	seen     messages.Seen
	hasState bool    // the newest record left a state to resume
	cases    []*work // in the order of their events
	nextCase int
	attempt  int
	observed int
}

// work is one event on its way to a decision.
type work struct {
	id     int
	at     messages.EventPosition
	phase  phase
	token  int
	bare   bool
	placed bool // the event's record waits for this work

	// alert is drafted from the event on, and frozen once it is decided. Its
	// kind comes with the task.
	alert *messages.Alert
	needs destination.Needs

	deadline time.Time
	waiting  []lookup  // outstanding look-ups
	failed   []request // look-ups to repeat when RetryDue comes

	finalLeft  int
	finalState bool
	attachment string
	missing    []string

	follow following
	poll   int // the newest look at a followed task
}

// following is what is remembered of a distribute task while it runs.
type following struct {
	Since    time.Time            `json:"since"`
	ResultID string               `json:"resultId,omitempty"`
	Status   qlik.ExecutionStatus `json:"status"`
}

type phase uint8

const (
	phaseTask phase = iota
	phaseFollow
	phaseEnrich
	phaseRecord
)

// lookup is one that an answer is waited for.
type lookup struct {
	attempt int
	what    request
}

// request names a look-up.
type request uint8

const (
	askTask request = iota
	askApp
	askOwner
	askExecution
	askScriptLog
)

var requestNames = [...]string{"task", "app", "app owner", "execution result", "script log"}

// NewMachine returns a machine for one execution, which gets its answers at
// self. Its first event, or Resume, says which execution it is.
func NewMachine(rules Rules, self messages.Ref) *Machine { return &Machine{rules: rules, self: self} }

// Handle is the whole of the machine: given the time and one input, it updates
// itself and returns the effects. An input that nobody waits for changes nothing.
func (m *Machine) Handle(now time.Time, input any) []Effect {
	switch in := input.(type) {
	case messages.TaskEventObserved:
		return m.observe(now, in)
	case messages.LookupTaskReply:
		return m.answer(in.Attempt, func(w *work) []Effect { return m.taskFound(now, w, in) })
	case messages.LookupAppReply:
		return m.answer(in.Attempt, func(w *work) []Effect { return m.appFound(now, w, in) })
	case messages.LookupOwnerReply:
		return m.answer(in.Attempt, func(w *work) []Effect { return m.ownerFound(now, w, in) })
	case messages.LookupExecutionReply:
		return m.answer(in.Attempt, func(w *work) []Effect { return m.executionFound(now, w, in) })
	case messages.FetchScriptLogReply:
		return m.answer(in.Attempt, func(w *work) []Effect { return m.scriptLogFound(now, w, in) })
	case messages.PollDue:
		return m.poll(now, in)
	case messages.GiveUpDue:
		return m.giveUp(now, in)
	case messages.RetryDue:
		return m.retry(in)
	case messages.DegradeDue:
		return m.degrade(now, in)
	case messages.DecisionRecorded:
		return m.recorded(now, in.Case)
	default:
		return nil
	}
}

// observe takes up a new event.
func (m *Machine) observe(now time.Time, in messages.TaskEventObserved) []Effect {
	m.observed++
	m.key = in.Key
	m.seen.Classes |= in.Seen.Classes
	m.seen.Kinds |= in.Seen.Kinds
	m.seen.Seq = max(m.seen.Seq, in.At.Seq, in.Seen.Seq)
	w := m.open(in.At, in.Event)
	w.bare, w.placed = in.Bare, true
	if in.Bare {
		return m.decideBare(now, w)
	}
	return []Effect{m.armDegrade(now, w), m.ask(w, askTask)}
}

func (m *Machine) open(at messages.EventPosition, event messages.TaskEvent) *work {
	m.nextCase++
	w := &work{id: m.nextCase, at: at, alert: &messages.Alert{
		Key: m.key, Event: event, Execution: messages.Execution{Status: qlik.StatusUnknown},
	}}
	m.cases = append(m.cases, w)
	return w
}

// taskFound routes by message family and task type.
func (m *Machine) taskFound(now time.Time, w *work, in messages.LookupTaskReply) []Effect {
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
	w.stale(in.Stale, "task")
	if w.alert.Event.Family == messages.FamilyDistribute {
		return m.routeDistribute(now, w)
	}
	if !in.Task.Type.Valid() {
		return m.drop(now, w, OutcomeUnknownType)
	}
	kind := messages.KindOf(w.alert.Event.Family, in.Task.Type)
	if kind == "" {
		return m.settle(now, w, OutcomeLogOnly)
	}
	return m.enrich(now, w, kind)
}

// routeDistribute decides by the status of a distribute task, which its completion message does not tell.
func (m *Machine) routeDistribute(now time.Time, w *work) []Effect {
	if w.alert.Task.Type != qlik.TaskDistribute {
		return m.settle(now, w, OutcomeNotDistribute)
	}
	switch w.alert.Task.LastStatus.Phase() {
	case qlik.PhaseSucceeded:
		return m.enrich(now, w, messages.DistributeTaskSucceeded)
	case qlik.PhaseFailed:
		return m.enrich(now, w, messages.DistributeTaskFailed)
	case qlik.PhaseRunning:
		return m.startFollowing(now, w)
	default:
		return m.settle(now, w, OutcomeUnexpectedStatus)
	}
}

// name gives the alert its kind. What it returns ends the work instead: the kind
// was alerted before, or nobody wants it.
func (m *Machine) name(now time.Time, w *work, kind messages.AlertKind) []Effect {
	if m.seen.HasKind(kind) {
		return m.settle(now, w, OutcomeAlreadyAlerted)
	}
	w.alert.ID, w.alert.Kind = messages.NewAlertID(m.key, kind), kind
	if m.rules.Router.Carries(w.alert) {
		return nil
	}
	w.alert.ID, w.alert.Kind = "", ""
	return m.settle(now, w, OutcomeNoRoute)
}

// enrich starts the look-ups that the destinations of kind want.
func (m *Machine) enrich(now time.Time, w *work, kind messages.AlertKind) []Effect {
	if end := m.name(now, w, kind); end != nil {
		return end
	}
	w.phase = phaseEnrich
	w.needs = m.rules.Router.NeedsOf(w.alert)
	effects := m.startLookups(w)
	return append(effects, m.proceed(now, w)...)
}

// decideWithoutTask alerts from the event alone when the task's metadata cannot
// be had. Its type is unknown then: a reload is assumed, the most common type
// and the one with the most destinations. A distribute completion does not say
// how the task ended, so it is followed until the QRS answers.
func (m *Machine) decideWithoutTask(now time.Time, w *work) []Effect {
	event := w.alert.Event
	w.alert.Task = messages.Task{ID: event.TaskID, Name: event.TaskName, Type: qlik.TaskTypeUnknown, LastStatus: qlik.StatusUnknown}
	kind := messages.KindOf(event.Family, qlik.TaskReload)
	switch {
	case event.Family == messages.FamilyDistribute && !w.bare:
		return m.startFollowing(now, w)
	case event.Family == messages.FamilyDistribute:
		kind = messages.DistributeTaskFailed
		w.miss("the outcome of the distribute task is not known")
	case kind == "":
		return m.settle(now, w, OutcomeLogOnly)
	}
	if end := m.name(now, w, kind); end != nil {
		return end
	}
	return m.decide(now, w)
}

// decideBare is the way of last resort of an execution that keeps crashing.
func (m *Machine) decideBare(now time.Time, w *work) []Effect {
	w.miss("details were left out because handling the event failed repeatedly; see the log")
	return m.decideWithoutTask(now, w)
}

// decide records the alert and its notices, unless another event of the
// execution has led to the same alert while this one was looked up.
func (m *Machine) decide(now time.Time, w *work) []Effect {
	if m.seen.HasKind(w.alert.Kind) {
		return m.settle(now, w, OutcomeAlreadyAlerted)
	}
	w.alert.DecidedAt = now
	w.alert.Degraded = w.missing
	if !w.needs.Metadata {
		w.alert.Task.Metadata, w.alert.App.Metadata = "", ""
	}
	notices, without := m.rules.Router.Route(w.alert, w.finalState, now)
	m.seen = m.seen.WithKind(w.alert.Kind)
	outcome := OutcomeAlerted
	if len(notices) == 0 {
		outcome = OutcomeNobodyTold
	}
	return m.record(now, w, outcome, notices, without)
}

// settle ends an event that needs no alert, for good.
func (m *Machine) settle(now time.Time, w *work, o Outcome) []Effect {
	return m.record(now, w, o, nil, nil)
}

// record makes durable what was decided.
func (m *Machine) record(now time.Time, w *work, o Outcome, notices []messages.NoticeHead, without []destination.Verdict) []Effect {
	w.phase = phaseRecord
	w.token++
	w.waiting = w.waiting[:0]
	w.failed = nil
	m.seen = m.seen.WithClass(w.alert.Event.Family)
	m.seen.Until = now.Add(m.rules.RememberFor)
	return []Effect{
		Tell{At: now, Alert: w.alert, Outcome: o, Notices: len(notices), Without: without},
		m.keep(w.id, outbox.Decision{Alert: w.alert, Attachment: w.attachment, Notices: notices}),
	}
}

// keep makes a decision durable, together with what is to be resumed.
func (m *Machine) keep(id int, d outbox.Decision) Effect {
	record := Record{Case: id, Key: m.key, Decision: d, Seen: m.seen, State: m.snapshot(), HadState: m.hasState}
	m.hasState = record.State != nil
	return record
}

// drop ends an event without remembering it: the same event is looked at anew if it comes again.
func (m *Machine) drop(now time.Time, w *work, o Outcome) []Effect {
	m.remove(w)
	effects := []Effect{Tell{At: now, Alert: w.alert, Outcome: o}}
	if w.placed {
		effects = append(effects, Handled{messages.EventHandled{Key: m.key, At: w.at, Seen: m.seen, Released: true}})
	}
	return append(effects, m.finish()...)
}

// recorded follows a durable decision: the event is handled, and a followed task goes on.
func (m *Machine) recorded(now time.Time, id int) []Effect {
	w, ok := m.find(id)
	if !ok {
		return nil
	}
	var effects []Effect
	if w.placed {
		w.placed = false
		effects = append(effects, Handled{messages.EventHandled{Key: m.key, At: w.at, Seen: m.seen}})
	}
	if w.phase == phaseRecord {
		m.remove(w)
		effects = append(effects, m.endSuperseded(now)...)
	}
	return append(effects, m.finish()...)
}

// endSuperseded ends following a task whose outcome another event has told.
func (m *Machine) endSuperseded(now time.Time) []Effect {
	if !m.seen.HasKind(messages.DistributeTaskFailed) && !m.seen.HasKind(messages.DistributeTaskSucceeded) {
		return nil
	}
	var effects []Effect
	for _, w := range slices.Clone(m.cases) {
		if w.phase != phaseFollow || w.placed {
			continue
		}
		m.remove(w)
		effects = append(effects,
			Tell{At: now, Alert: w.alert, Outcome: OutcomeAlreadyAlerted},
			m.keep(0, outbox.Decision{}))
	}
	return effects
}

func (m *Machine) finish() []Effect {
	if len(m.cases) > 0 {
		return nil
	}
	return []Effect{Finish{messages.ExecutionFinished{Key: m.key, Observed: m.observed}}}
}

// find returns the work of a case that has not ended.
func (m *Machine) find(id int) (*work, bool) {
	for _, w := range m.cases {
		if w.id == id {
			return w, true
		}
	}
	return nil, false
}

func (m *Machine) remove(w *work) {
	m.cases = slices.DeleteFunc(m.cases, func(c *work) bool { return c == w })
}

// Following returns how many distribute tasks the machine follows.
func (m *Machine) Following() int {
	n := 0
	for _, w := range m.cases {
		if w.phase == phaseFollow {
			n++
		}
	}
	return n
}
