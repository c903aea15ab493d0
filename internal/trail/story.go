package trail

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"butler/internal/outbox"
	"butler/internal/text"
	"butler/messages"
)

// Evidence is everything that is known of an execution.
type Evidence struct {
	// ID is what was asked for.
	ID string
	// Received are the datagrams that were accepted, Refused those that were not.
	Received []Received
	Refused  []messages.QuarantinedDatagram
	Entries  []Entry
	Waiting  []outbox.OpenNotice
	Parked   []outbox.Parked
	// Deliveries are the states of the destinations, nil when they are not known.
	Deliveries []messages.DeliveryState
	// Followed reports that it is a distribute task which has not ended.
	Followed bool
	// Seen is what de-duplication remembers of it; the zero value means nothing.
	Seen messages.Seen
	// Reach says how far back the search could look.
	Reach Reach
}

// Reach is what a search covered.
type Reach struct {
	// Events and Steps are since when datagrams and steps are kept; zero when none are.
	Events, Steps time.Time
	// NoSteps reports that recording steps is switched off.
	NoSteps bool
	// KernelDrops counts the datagrams lost before they could be read since the
	// service has started, Quarantined the refused ones that are kept.
	KernelDrops uint64
	Quarantined int
	// OfTask are the latest executions of the task whose ID was asked for instead, the newest last.
	OfTask []Brief
	// Trouble says what could not be searched.
	Trouble []string
}

// Received is a datagram that was accepted.
type Received struct {
	Place messages.EventPosition
	Event messages.TaskEvent
	// Source is the sender's address and port, Payload what was sent, escaped.
	Source, Payload string
}

// State is the state of an execution.
type State string

// The states. When notices are in different states, the first in this order counts.
const (
	Parked    State = "parked"
	Waiting   State = "waiting"
	Unclear   State = "unclear"
	Dropped   State = "dropped"
	Delivered State = "delivered"
	// PartlyDelivered: some are delivered, and the others suppressed.
	PartlyDelivered State = "partly_delivered"
	Suppressed      State = "suppressed"
	// Following: its distribute task is still running.
	Following State = "following"
	// Deciding: look-ups are under way.
	Deciding State = "deciding"
	// Silent: it was decided that nobody is notified.
	Silent State = "not_notified"
	// AlreadyAlerted, in a Headline: an earlier decision about the execution has led to the alert.
	AlreadyAlerted State = "already_alerted"
	// Refused: what arrived was not a valid event, or was given up after too many crashes.
	Refused State = "refused"
	Unknown State = "unknown"
)

// Story is the answer to: why was somebody told, or not?
type Story struct {
	ExecutionID string `json:"executionId"`
	State       State  `json:"state"`
	Summary     string `json:"summary"`
	TaskID      string `json:"taskId,omitempty"`
	TaskName    string `json:"taskName,omitempty"`
	TaskType    string `json:"taskType,omitempty"`
	AppName     string `json:"appName,omitempty"`
	Node        string `json:"node,omitempty"`
	// Steps are in the order of their time.
	Steps []Step `json:"steps"`
	// Notices are who is notified, NotNotified who is not.
	Notices     []Notice   `json:"notices"`
	NotNotified []Omission `json:"notNotified"`
	// Hints say what may be missing, and where to look next.
	Hints []string `json:"hints"`
	// OfTask are the latest executions of the task whose ID was asked for instead, the newest last.
	OfTask []Brief `json:"ofTask,omitempty"`
}

// Brief is the shortest form of a story.
type Brief struct {
	ExecutionID string `json:"executionId"`
	// At is when the first datagram about it came.
	At      time.Time `json:"at"`
	State   State     `json:"state"`
	Summary string    `json:"summary"`
}

// Step is something that has happened.
type Step struct {
	At time.Time `json:"at"`
	// What is a word: received, refused, duplicate, looked_up, decided, attempt, suppressed, parked, dropped.
	What        string  `json:"what"`
	Text        string  `json:"text"`
	Destination string  `json:"destination,omitempty"`
	Seconds     float64 `json:"seconds,omitempty"`
	// Payload is the datagram, with everything that is not printable escaped.
	Payload string `json:"payload,omitempty"`
}

// Notice is the state of one notice to one recipient.
type Notice struct {
	ID          messages.NoticeID  `json:"id"`
	Alert       messages.AlertKind `json:"alert,omitempty"`
	Destination string             `json:"destination"`
	Recipient   string             `json:"recipient,omitempty"`
	State       State              `json:"state"`
	Attempts    int                `json:"attempts"`
	// Reason says why it was suppressed or parked, or what went wrong last.
	Reason string `json:"reason,omitempty"`
}

// Omission says why a destination notifies nobody.
type Omission struct {
	Destination string `json:"destination"`
	Reason      string `json:"reason"`
}

// Tell makes a story of the evidence.
func Tell(e Evidence) Story {
	t := teller{known: e, story: Story{ExecutionID: e.ID, Steps: []Step{}, Notices: []Notice{}, NotNotified: []Omission{}, Hints: []string{}}}
	t.datagrams()
	for _, entry := range e.Entries {
		t.entry(entry)
	}
	t.ledger()
	slices.SortStableFunc(t.story.Steps, func(a, b Step) int { return a.At.Compare(b.At) })
	t.judge()
	t.hint()
	return t.story
}

// teller builds a story.
type teller struct {
	known Evidence
	story Story
	// decided is the newest decision, nil without one; settled are the families
	// of the events that are decided.
	decided *Decision
	settled messages.Seen
}

func (t *teller) step(s Step) { t.story.Steps = append(t.story.Steps, s) }

// datagrams adds the steps for what arrived.
func (t *teller) datagrams() {
	for _, r := range t.known.Received {
		t.about(r.Event.TaskID, r.Event.TaskName, r.Event.AppName, r.Event.HostName)
		t.step(Step{
			At: r.Event.At, What: "received", Payload: r.Payload,
			Text: fmt.Sprintf("task %s, reported by %s (%s)", r.Event.Family, r.Event.HostName, r.Source),
		})
	}
	if t.ofTask() {
		return // refused datagrams are summed up in a hint
	}
	for _, q := range t.known.Refused {
		t.step(Step{At: q.At, What: "refused", Payload: q.Payload, Text: fmt.Sprintf("%s from %s: %s", q.Reason, q.Source, q.Detail)})
	}
}

// ofTask reports that the ID asked for is that of a task, which has no story of its own.
func (t *teller) ofTask() bool {
	return len(t.known.Reach.OfTask) > 0 && len(t.known.Received)+len(t.known.Entries) == 0
}

func (t *teller) about(id, name, app, node string) {
	if t.story.TaskID == "" {
		t.story.TaskID, t.story.TaskName, t.story.AppName, t.story.Node = id, name, app, node
	}
}

func (t *teller) entry(entry Entry) {
	switch e := entry.(type) {
	case *Decision:
		t.decision(e)
	case *Duplicate:
		t.step(Step{At: e.At, What: "duplicate", Text: fmt.Sprintf("task %s of %s from %s: handled before, dropped", e.Family, clock(e.Received), e.Source)})
	case *Attempt:
		t.attempt(e)
	case *End:
		n := t.notice(e.Notice, e.Instance, e.Recipient)
		n.State, n.Reason, n.Attempts, n.Alert = stateOf(e.Outcome), e.Reason, e.Attempts, e.Alert
		t.step(Step{At: e.At, What: e.Outcome.String(), Destination: e.Instance, Text: to(e.Recipient) + e.Reason})
	case *Drop:
		n := t.notice(e.Notice, e.Instance, e.Recipient)
		n.State, n.Reason = Dropped, strings.TrimSuffix(fmt.Sprintf("parked, and %s at %s: %s", e.Why, day(e.At), n.Reason), ": ")
		t.step(Step{At: e.At, What: "dropped", Destination: e.Instance, Text: to(e.Recipient) + e.Why})
	}
}

func (t *teller) decision(d *Decision) {
	t.decided = d
	t.settled = t.settled.WithFamily(d.Family)
	t.about(d.TaskID, d.TaskName, d.AppName, d.Host)
	if d.TaskKnown {
		t.story.TaskType = d.TaskType.String()
	}
	if !slices.ContainsFunc(t.known.Received, func(r Received) bool { return r.Place == d.Place }) && d.Place.Seq > 0 {
		t.step(Step{At: d.Received, What: "received", Text: fmt.Sprintf("task %s, reported by %s (%s); the datagram itself is not kept any more", d.Family, d.Host, d.Source)})
	}
	for _, l := range d.Lookups {
		t.step(l.step())
	}
	said := strings.Join(append([]string{d.summary()}, d.Degraded...), "; ")
	if d.More > 0 {
		said += fmt.Sprintf("; %d more not listed", d.More)
	}
	t.step(Step{At: d.At, What: "decided", Text: said})
	for _, told := range d.Notified {
		n := t.notice(told.ID, told.Instance, told.Recipient)
		n.Alert = d.Alert
	}
	for _, v := range d.NotNotified {
		omission := Omission{Destination: v.Instance, Reason: v.Reason}
		if !slices.Contains(t.story.NotNotified, omission) {
			t.story.NotNotified = append(t.story.NotNotified, omission)
		}
	}
}

// summary says what was decided.
func (d *Decision) summary() string {
	if d.Alert == "" {
		return d.Text
	}
	said := fmt.Sprintf("%s: %s, %s", d.Text, d.Alert, text.Count(len(d.Notified), "message", "messages"))
	if len(d.NotNotified) > 0 {
		said += fmt.Sprintf("; not notified: %d", len(d.NotNotified))
	}
	return said
}

// step returns the step for a look-up.
func (l Lookup) step() Step {
	s := Step{At: l.Asked, What: "looked_up", Text: l.What + ": "}
	if !l.Answered.IsZero() {
		s.Seconds = l.Answered.Sub(l.Asked).Seconds()
	}
	switch {
	case l.Answered.IsZero():
		s.Text += "no answer in time"
	case l.Failure != "":
		s.Text += "failed: " + l.Failure
	case l.Stale:
		s.Text += fmt.Sprintf("the repository is out of reach, taken from memory as of %s", clock(l.AsOf))
	case l.Memory:
		s.Text += fmt.Sprintf("known from memory, %s old", rounded(l.Asked.Sub(l.AsOf)))
	default:
		s.Text += fmt.Sprintf("answered by the repository in %s", rounded(l.Answered.Sub(l.Asked)))
	}
	if l.Times > 1 {
		s.Text += fmt.Sprintf(" (%d times until %s)", l.Times, clock(l.Answered))
	}
	if l.Along != "" {
		s.Text += ", with the " + l.Along
	}
	return s
}

func (t *teller) attempt(a *Attempt) {
	n := t.notice(a.Notice, a.Instance, "")
	n.Attempts = max(n.Attempts, a.Number)
	n.State, n.Reason = Delivered, a.Err
	text := fmt.Sprintf("%sattempt %d accepted in %s", to(n.Recipient), a.Number, rounded(a.Took))
	if a.Err != "" {
		text = fmt.Sprintf("%sattempt %d: %s", to(n.Recipient), a.Number, a.Err)
	}
	if a.Failure != "" {
		n.State, n.Reason = Unclear, a.Err
		text = fmt.Sprintf("%sattempt %d failed after %s (%s): %s", to(n.Recipient), a.Number, rounded(a.Took), a.Failure, a.Err)
	}
	t.step(Step{At: a.At, What: "attempt", Destination: a.Instance, Seconds: a.Took.Seconds(), Text: text})
}

// notice returns the notice of an ID, a new one when there is none. It is valid
// until the next call.
func (t *teller) notice(id messages.NoticeID, instance, recipient string) *Notice {
	i := slices.IndexFunc(t.story.Notices, func(n Notice) bool { return n.ID == id && n.Destination == instance })
	if i < 0 {
		i = len(t.story.Notices)
		t.story.Notices = append(t.story.Notices, Notice{ID: id, Destination: instance, State: Unclear})
	}
	if recipient != "" {
		t.story.Notices[i].Recipient = recipient
	}
	return &t.story.Notices[i]
}

// ledger corrects the state of the notices by the ledger, which is authoritative on
// what is waiting or parked.
func (t *teller) ledger() {
	held := map[messages.NoticeID]bool{}
	for _, w := range t.known.Waiting {
		held[w.ID] = true
		n := t.notice(w.ID, w.Instance, w.Recipient)
		n.Alert, n.Attempts = w.Kind, max(n.Attempts, w.Attempts)
		if n.State != Delivered { // a delivered one is about to leave the ledger
			n.State, n.Reason = Waiting, t.whyWaiting(w.Instance, n.Reason)
		}
	}
	for _, p := range t.known.Parked {
		held[p.ID] = true
		n := t.notice(p.ID, p.Instance, p.Recipient)
		if n.State != Parked {
			t.step(Step{At: p.ParkedAt, What: "parked", Destination: p.Instance, Text: to(p.Recipient) + p.Reason})
		}
		n.State, n.Alert, n.Reason, n.Attempts = Parked, p.Kind, p.Reason, max(n.Attempts, p.Attempts)
	}
	for i := range t.story.Notices {
		if n := &t.story.Notices[i]; n.State == Parked && !held[n.ID] {
			n.State = Dropped
			n.Reason = "parked, and dropped since by an operator or because it was kept for long enough: " + n.Reason
		}
	}
}

// whyWaiting says why a notice waits that has failed so, or was not tried yet.
func (t *teller) whyWaiting(instance, failure string) string {
	if t.known.Deliveries == nil {
		return failure
	}
	i := slices.IndexFunc(t.known.Deliveries, func(s messages.DeliveryState) bool { return s.Instance == instance && s.Path != "" })
	if i < 0 {
		return "the destination is not configured any more"
	}
	s := t.known.Deliveries[i]
	switch why := s.Why(); {
	case why != "":
		return why
	case failure != "":
		return "it is tried again: " + failure
	default:
		return fmt.Sprintf("%s at this destination, which are sent in turn and within its rate limit", text.Count(s.Queued, "message waits", "messages wait"))
	}
}

func stateOf(o messages.NoticeOutcome) State {
	switch o {
	case messages.NoticeDelivered:
		return Delivered
	case messages.NoticeSuppressed:
		return Suppressed
	case messages.NoticeParked:
		return Parked
	default:
		return Unclear
	}
}

// to is the prefix that names a recipient.
func to(recipient string) string {
	if recipient == "" {
		return ""
	}
	return recipient + ": "
}

// clock formats a time of day.
func clock(at time.Time) string { return at.UTC().Format("15:04:05.000") + " UTC" }

// rounded formats a duration with a useful precision.
func rounded(d time.Duration) string {
	switch {
	case d < time.Millisecond:
		return "less than 1ms"
	case d < 10*time.Second:
		return d.Round(time.Millisecond).String()
	default:
		return d.Round(time.Second).String()
	}
}

// counted says how many notices there are, and how many are in each state.
func counted(notices []Notice) string {
	all := text.Count(len(notices), "message", "messages")
	if !slices.ContainsFunc(notices, func(n Notice) bool { return n.State != notices[0].State }) {
		if len(notices) > 1 {
			all += ", all"
		} else {
			all += ","
		}
		return all + " " + string(notices[0].State)
	}
	var out []string
	for _, s := range []State{Delivered, Waiting, Suppressed, Parked, Dropped, Unclear} {
		n := 0
		for _, notice := range notices {
			if notice.State == s {
				n++
			}
		}
		if n > 0 {
			out = append(out, fmt.Sprintf("%d %s", n, s))
		}
	}
	return all + ": " + strings.Join(out, ", ")
}
