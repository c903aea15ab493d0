package trail

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"butler/internal/journal"
	"butler/internal/outbox"
	"butler/messages"
)

// Headline is what became of an event, in a line.
type Headline struct {
	// At is when it was decided.
	At          time.Time `json:"at"`
	ExecutionID string    `json:"executionId"`
	TaskName    string    `json:"taskName"`
	// Event is what the node reported, such as "failed".
	Event string `json:"event"`
	// State is that of the notices of this decision, or Silent.
	State State `json:"state"`
	// Summary says what was decided, and what became of the notices.
	Summary string `json:"summary"`
}

// Query selects decisions. Without a task and an event, it leaves out the successes that
// no destination carries, which are most events of most sites.
type Query struct {
	// Limit is how many are wanted at the most.
	Limit int
	// Task is a part of the name of the task, in any letter case, or its ID; "" means any.
	Task string
	// Event is what the node reported, such as "failed"; "" means anything.
	Event string
	// Before is the time before which they were decided; the zero time means now.
	Before time.Time
}

// selects reports whether a decision is wanted.
func (q Query) selects(d *Decision) bool {
	routine := d.Family == messages.FamilySucceeded && len(d.Notified)+len(d.NotNotified) == 0
	if routine && q.Task == "" && q.Event == "" {
		return false
	}
	return (q.Event == "" || q.Event == d.Family.String()) &&
		(q.Before.IsZero() || d.At.Before(q.Before)) &&
		(q.Task == "" || strings.EqualFold(q.Task, d.TaskID) || strings.Contains(strings.ToLower(d.TaskName), strings.ToLower(q.Task)))
}

// Decided is a decision, and what followed.
type Decided struct {
	*Decision
	// After are the steps of the notices of the decision.
	After []Entry
}

// The newest records in which Decisions looks: so many at first, and at most if any
// decision is wanted. For a choice of them it looks at all.
const (
	firstLook = 8
	lastLook  = 8192
)

// Decisions returns the newest decisions that a query selects, the newest first. A trail
// that records nothing has none.
func (t *Trail) Decisions(ctx context.Context, q Query) ([]*Decided, error) {
	if t == nil || q.Limit <= 0 {
		return nil, nil
	}
	_ = t.notes.Flush(ctx) // if this fails, the latest are missing; the health of the journal shows it
	anything := q == Query{Limit: q.Limit}
	for records := firstLook; ; records *= 4 {
		found := &decisions{query: q}
		older, err := t.look(ctx, records, found.at)
		if err != nil {
			return nil, err
		}
		if len(found.list) < q.Limit && older && (!anything || records < lastLook) {
			continue
		}
		// A step may have been noted just before its decision.
		after := newSteps(found.list)
		if _, err := t.look(ctx, records+firstLook, after.at); err != nil {
			return nil, err
		}
		slices.Reverse(found.list)
		return found.list, nil
	}
}

// look shows the entries of the newest records.
func (t *Trail) look(ctx context.Context, records int, at func(raw []byte)) (older bool, err error) {
	older, err = t.notes.Tail(ctx, records, func(r journal.Record) error {
		for _, raw := range r.Entries {
			at(raw)
		}
		return ctx.Err()
	})
	if err != nil {
		return older, fmt.Errorf("read the trail: %w", err)
	}
	return older, nil
}

// decisions collects the newest ones that a query selects, in the order of time.
type decisions struct {
	query Query
	list  []*Decided
}

func (d *decisions) at(raw []byte) {
	if len(raw) < 2 || raw[1] != sortDecision {
		return
	}
	entry, err := decode(raw)
	decision, ok := entry.(*Decision)
	if err != nil || !ok || !d.query.selects(decision) {
		return // Find reports what cannot be read, for the execution that it is about
	}
	one := &Decided{Decision: decision}
	at, _ := slices.BinarySearchFunc(d.list, one, func(a, b *Decided) int { return cmp.Or(a.At.Compare(b.At), -1) })
	d.list = slices.Insert(d.list, at, one)
	if len(d.list) > d.query.Limit {
		d.list = slices.Delete(d.list, 0, 1)
	}
}

// steps adds to decisions what followed. Several have the same notices if one was made
// again after a crash.
type steps struct {
	of   map[messages.NoticeID][]*Decided
	keys map[messages.ExecutionKey]bool
}

func newSteps(list []*Decided) steps {
	s := steps{map[messages.NoticeID][]*Decided{}, map[messages.ExecutionKey]bool{}}
	for _, d := range list {
		s.keys[d.Key] = true
		for _, n := range d.Notified {
			s.of[n.ID] = append(s.of[n.ID], d)
		}
	}
	return s
}

// at decodes no step of another execution.
func (s steps) at(raw []byte) {
	key, _, ok := namesIn(raw)
	if !ok || raw[1] == sortDecision || !s.keys[messages.ExecutionKey(key)] {
		return
	}
	entry, err := decode(raw)
	if err != nil {
		return
	}
	var notice messages.NoticeID
	switch e := entry.(type) {
	case *Attempt:
		notice = e.Notice
	case *End:
		notice = e.Notice
	case *Drop:
		notice = e.Notice
	}
	for _, d := range s.of[notice] {
		d.After = append(d.After, entry)
	}
}

// Headline returns a decision in a line, given notices that are waiting and parked, of
// which others than its own do not matter.
func (d *Decided) Headline(waiting []outbox.OpenNotice, parked []outbox.Parked) Headline {
	of := func(id messages.NoticeID) bool {
		return slices.ContainsFunc(d.Notified, func(n Notified) bool { return n.ID == id })
	}
	story := Tell(Evidence{
		ID:      cmp.Or(d.ExecutionID, string(d.Key)),
		Entries: append([]Entry{d.Decision}, d.After...),
		Waiting: slices.DeleteFunc(slices.Clone(waiting), func(n outbox.OpenNotice) bool { return !of(n.ID) }),
		Parked:  slices.DeleteFunc(slices.Clone(parked), func(n outbox.Parked) bool { return !of(n.ID) }),
	})
	out := Headline{At: d.At, ExecutionID: story.ExecutionID, TaskName: d.TaskName, Event: d.Family.String(), State: story.State, Summary: story.Summary}
	switch {
	case d.Outcome == string(Following): // another decision follows at its end
		out.State = Following
	case len(story.Notices) > 0:
		out.Summary = fmt.Sprintf("%s: %s", d.Alert, story.Summary)
	}
	return out
}
