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
		look := looking{query: q, of: map[messages.NoticeID]*Decided{}, keys: map[messages.ExecutionKey]int{}}
		older, err := t.notes.Tail(ctx, records, func(r journal.Record) error {
			for _, raw := range r.Entries {
				look.at(raw)
			}
			return ctx.Err()
		})
		if err != nil {
			return nil, fmt.Errorf("read the trail: %w", err)
		}
		if len(look.found) >= q.Limit || !older || anything && records >= lastLook {
			slices.Reverse(look.found)
			return look.found, nil
		}
	}
}

// looking collects the newest decisions and what followed.
type looking struct {
	query Query
	// found is in the order of time.
	found []*Decided
	of    map[messages.NoticeID]*Decided
	// keys counts the found decisions of an execution.
	keys map[messages.ExecutionKey]int
}

// at looks at an entry. It decodes no step of an execution without a found decision.
func (l *looking) at(raw []byte) {
	key, _, ok := namesIn(raw)
	if !ok || raw[1] != sortDecision && l.keys[messages.ExecutionKey(key)] == 0 {
		return
	}
	entry, err := decode(raw)
	if err != nil {
		return // Find reports it, for the execution that it is about
	}
	switch e := entry.(type) {
	case *Decision:
		if l.query.selects(e) {
			l.add(&Decided{Decision: e})
		}
	case *Attempt:
		l.follow(e.Notice, e)
	case *End:
		l.follow(e.Notice, e)
	case *Drop:
		l.follow(e.Notice, e)
	}
}

func (l *looking) add(d *Decided) {
	at, _ := slices.BinarySearchFunc(l.found, d, func(a, b *Decided) int { return cmp.Or(a.At.Compare(b.At), -1) })
	l.found = slices.Insert(l.found, at, d)
	l.keys[d.Key]++
	for _, n := range d.Notified {
		l.of[n.ID] = d
	}
	if len(l.found) <= l.query.Limit {
		return
	}
	oldest := l.found[0]
	l.found = slices.Delete(l.found, 0, 1)
	if l.keys[oldest.Key]--; l.keys[oldest.Key] == 0 {
		delete(l.keys, oldest.Key)
	}
	for _, n := range oldest.Notified {
		if l.of[n.ID] == oldest { // and not a repetition of this decision
			delete(l.of, n.ID)
		}
	}
}

func (l *looking) follow(notice messages.NoticeID, step Entry) {
	if d := l.of[notice]; d != nil {
		d.After = append(d.After, step)
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
