package cloud

import (
	"fmt"
	"slices"
	"time"

	"butler/internal/qlik"
	"butler/messages"
)

// machine decides about the events. It is pure: it gets the time and one input, updates
// itself and returns effects.
type machine struct {
	rules Rules
	open  map[string]*work
	// looking are the works in open that wait for look-ups, by deadline.
	looking []*work
	// fresh are the look-ups that were not made yet, retries those to repeat after a
	// failure; both are in the order in which they are made.
	fresh, retries []attempt
	// done are the decided reloads, with the time until which they are remembered.
	done map[string]time.Time
	// calls counts the running look-ups.
	calls int
	// pausedUntil is when the tenant accepts calls again.
	pausedUntil time.Time
	sweepAt     time.Time
	down        string // why the tenant does not answer properly, "" when it does
	// hand records the key of the event that is being handled, in case of a crash.
	hand func(key string)
}

// work is one event on its way to a decision.
type work struct {
	key     string
	event   messages.CloudEvent
	phase   phase
	waiting []messages.Ref // the senders, until the event is on disk

	alert      *messages.Alert
	attachment string
	small      bool // without the large parts
	lookups    []lookup
	deadline   time.Time
	missing    []string
	// decided is the decision. It is reported only once it is durable, because the
	// journal may refuse it.
	decided *told
}

type phase uint8

const (
	phaseStore phase = iota
	phaseLook
	phaseRecord
)

// found is the content of the journal at the start.
type found struct {
	open []openEvent
	done map[string]time.Time
}

// openEvent is an event without a decision.
type openEvent struct {
	key   string
	event messages.CloudEvent
	// crashes counts how often handling it has crashed the actor.
	crashes int
}

const (
	// bareAfter is the number of crashes after which an event gets no look-ups.
	bareAfter = 2
	// giveUpAfter is the number of crashes after which an event is abandoned.
	giveUpAfter = 4
	// sweepEvery is the interval at which expired marks are removed.
	sweepEvery = 10 * time.Minute
)

func newMachine(rules Rules, hand func(key string)) *machine {
	return &machine{rules: rules.withDefaults(), hand: hand, open: map[string]*work{}, done: map[string]time.Time{}}
}

// resume continues with the events that an earlier life left open.
func (m *machine) resume(now time.Time, f found) []effect {
	m.done, m.sweepAt = f.done, now
	var out []effect
	for _, o := range f.open {
		w := m.add(o.key, o.event)
		m.hand(w.key)
		switch {
		case o.crashes >= giveUpAfter:
			out = append(out, m.abandon(now, w, messages.ReasonCrashed, fmt.Sprintf("handling the event crashed %d times, see the log", giveUpAfter)))
		case o.crashes >= bareAfter:
			m.draft(w)
			w.miss("details were left out because handling the event failed repeatedly; see the log")
			out = append(out, m.decide(now, w)...)
		default:
			out = append(out, m.begin(now, w)...)
		}
	}
	return append(out, m.proceed(now)...)
}

// handle processes one input. It ignores an input that no work waits for.
func (m *machine) handle(now time.Time, input any) []effect {
	var out []effect
	switch in := input.(type) {
	case messages.AcceptCloudEvent:
		out = m.accept(now, in)
	case stored:
		if w := m.in(in.key, phaseStore); w != nil {
			out = m.stored(now, w)
		}
	case answered:
		out = m.answered(now, in)
	case recorded:
		if w := m.in(in.key, phaseRecord); w != nil {
			out = m.end(now, w)
		}
	case tooLarge:
		if w := m.in(in.key, phaseRecord); w != nil {
			out = m.smaller(now, w)
		}
	}
	return append(out, m.proceed(now)...)
}

// in returns the work of a key if it is in the given phase, or nil.
func (m *machine) in(key string, p phase) *work {
	if w := m.open[key]; w != nil && w.phase == p {
		return w
	}
	return nil
}

func (m *machine) accept(now time.Time, in messages.AcceptCloudEvent) []effect {
	key := in.Event.Reload.ReloadID
	answer := func(o messages.CloudOutcome) []effect {
		return []effect{reply{in.ReplyTo, messages.AcceptCloudEventReply{Outcome: o}}}
	}
	if until, known := m.done[key]; known && now.Before(until) {
		return answer(messages.CloudDuplicate)
	}
	switch w := m.open[key]; {
	case w != nil && w.phase == phaseStore:
		w.waiting = append(w.waiting, in.ReplyTo)
		return nil
	case w != nil:
		return answer(messages.CloudDuplicate)
	case len(m.open) >= m.rules.MaxOpen:
		return []effect{reply{in.ReplyTo, busy("too many events of Qlik Cloud wait for a decision")}}
	}
	w := m.add(key, in.Event)
	w.waiting = append(w.waiting, in.ReplyTo)
	return []effect{store{key, in.Event}}
}

func busy(why string) messages.AcceptCloudEventReply {
	return messages.AcceptCloudEventReply{
		Outcome: messages.CloudBusy, Failure: messages.Failure{Kind: messages.FailureBusy, Text: why},
	}
}

func (m *machine) add(key string, event messages.CloudEvent) *work {
	w := &work{key: key, event: event}
	m.open[key] = w
	return w
}

// stored answers the waiting senders, the first with "accepted" and the others with
// "duplicate", and begins the look-ups.
func (m *machine) stored(now time.Time, w *work) []effect {
	var out []effect
	outcome := messages.CloudAccepted
	for _, to := range w.waiting {
		out = append(out, reply{to, messages.AcceptCloudEventReply{Outcome: outcome}})
		outcome = messages.CloudDuplicate
	}
	w.waiting = nil
	return append(out, m.begin(now, w)...)
}

// draft creates the alert from the event alone.
func (m *machine) draft(w *work) {
	key := messages.ExecutionKey("cloud/" + w.event.Reload.ReloadID)
	c := w.event.Reload
	own := m.rules.Configured
	c.TenantComment, c.TenantURL, c.QMC, c.Hub = own.TenantComment, own.TenantURL, own.QMC, own.Hub
	w.alert = &messages.Alert{
		ID: messages.NewAlertID(key, messages.CloudReloadFailed), Key: key, Kind: messages.CloudReloadFailed,
		App: messages.App{ID: w.event.AppID, Name: w.event.AppName, OwnerID: w.event.OwnerID}, Cloud: c,
		Execution: messages.Execution{Status: qlik.StatusUnknown},
	}
}

// begin queues the look-ups, unless no destination takes alerts of this kind.
func (m *machine) begin(now time.Time, w *work) []effect {
	m.hand(w.key)
	m.draft(w)
	if !m.rules.Router.Carries(w.alert) {
		return m.settle(now, w, nil, told{outcome: outcomeNoRoute})
	}
	w.phase, w.deadline = phaseLook, now.Add(m.rules.DegradedAfter)
	m.looking = append(m.looking, w)
	want := []question{askRecord, askItem, askApp}
	if m.rules.Router.NeedsOf(w.alert).ScriptLog() {
		want = append([]question{askScriptLog}, want...)
	}
	if w.event.OwnerID != "" {
		want = append(want, askOwner)
	} else {
		w.miss("the event does not say whose app it is")
	}
	if id := w.event.Reload.UserID; id != "" && id != w.event.OwnerID {
		want = append(want, askUser)
	}
	for _, what := range want {
		w.lookups = append(w.lookups, lookup{what: what})
		m.fresh = append(m.fresh, attempt{of: w, what: what})
	}
	return nil
}

// proceed decides the works whose deadline has passed, starts look-ups, and sweeps.
func (m *machine) proceed(now time.Time) []effect {
	var out []effect
	for len(m.looking) > 0 && !now.Before(m.looking[0].deadline) {
		w := m.looking[0]
		m.looking[0], m.looking = nil, m.looking[1:]
		out = append(out, m.decide(now, w)...)
	}
	out = append(out, m.start(now)...)
	return append(out, m.sweep(now)...)
}

// decide ends the look-ups and routes the alert.
func (m *machine) decide(now time.Time, w *work) []effect {
	for _, l := range w.lookups {
		why := l.why
		if why == "" {
			why = "no answer in time"
		}
		w.without(l.what, why)
	}
	w.lookups = nil
	return m.route(now, w)
}

// route routes the alert as it is to its destinations.
func (m *machine) route(now time.Time, w *work) []effect {
	m.hand(w.key)
	w.alert.DecidedAt, w.alert.Degraded = now, slices.Clone(w.missing)
	notices, without := m.rules.Router.Route(w.alert, true, now)
	outcome := outcomeAlerted
	if len(notices) == 0 {
		outcome = outcomeNobodyNotified
	}
	return m.settle(now, w, notices, told{outcome: outcome, notices: notices, without: without})
}

// settle records the decision.
func (m *machine) settle(now time.Time, w *work, notices []messages.NoticeHead, t told) []effect {
	t.alert, t.at = w.alert, now
	w.phase, w.decided = phaseRecord, &t
	return []effect{record{
		key: w.key, alert: w.alert, attachment: w.attachment, notices: notices, until: now.Add(m.rules.RememberFor),
	}}
}

// smaller decides again without the script log, the large part of the alert, because the
// journal cannot take it.
func (m *machine) smaller(now time.Time, w *work) []effect {
	if w.small {
		return []effect{m.abandon(now, w, "too_large", "the alert is too large for the journal even without the script log")}
	}
	w.small = true
	alert := *w.alert
	alert.ScriptLog, alert.Cloud.Statements, alert.Cloud.LogMessage = messages.ScriptLog{}, "", ""
	w.alert, w.attachment = &alert, ""
	w.miss("the script log was left out because it is too large for the journal")
	return m.route(now, w)
}

// abandon ends an event without a decision.
func (m *machine) abandon(now time.Time, w *work, reason, detail string) effect {
	w.phase, w.decided = phaseRecord, nil
	return abandon{key: w.key, event: w.event, until: now.Add(m.rules.RememberFor), reason: reason, detail: detail}
}

// end removes the work of a durable decision, and reports the decision.
func (m *machine) end(now time.Time, w *work) []effect {
	delete(m.open, w.key)
	m.done[w.key] = now.Add(m.rules.RememberFor)
	if w.decided == nil {
		return nil // abandoned, which was reported before
	}
	return []effect{*w.decided}
}

func (m *machine) sweep(now time.Time) []effect {
	if now.Before(m.sweepAt) {
		return nil
	}
	m.sweepAt = now.Add(sweepEvery)
	var over []string
	for key, until := range m.done {
		if !now.Before(until) {
			over = append(over, key)
			delete(m.done, key)
		}
	}
	if len(over) == 0 {
		return nil
	}
	slices.Sort(over)
	return []effect{forget{over}}
}

// next returns the next time at which the machine has something to do.
func (m *machine) next() time.Time {
	at := m.sweepAt
	sooner := func(t time.Time) {
		if t.Before(at) {
			at = t
		}
	}
	if len(m.looking) > 0 {
		sooner(m.looking[0].deadline)
	}
	if m.calls < m.rules.MaxCalls {
		for _, waiting := range [...][]attempt{m.retries, m.fresh} {
			if len(waiting) > 0 {
				sooner(later(waiting[0].notTill, m.pausedUntil))
			}
		}
	}
	return at
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
