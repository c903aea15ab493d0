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
	// Seen is not 0 if those decided at Before itself are selected as well, without this
	// many of the newest of them; see Older.
	Seen int
	// Glance bounds the search to the last hours, for a page that refreshes itself.
	Glance bool
}

// Validate returns what is wrong with a query.
func (q Query) Validate() error {
	if q.Event == "" {
		return nil
	}
	var known []string
	for _, f := range messages.Families() {
		known = append(known, f.String())
	}
	if !slices.Contains(known, q.Event) {
		return fmt.Errorf("event must be one of %s", strings.Join(known, ", "))
	}
	return nil
}

// Older returns the query for what follows a list, of which it found as many as it wanted.
// Many are decided at the same time, so a time alone does not say where a list ended.
func (q Query) Older(list []Headline) (Query, bool) {
	if len(list) == 0 || len(list) < q.Limit {
		return q, false
	}
	last := list[len(list)-1].At
	if !last.Equal(q.Before) {
		q.Before, q.Seen = last, 0
	}
	for _, h := range list {
		if h.At.Equal(last) {
			q.Seen++
		}
	}
	return q, true
}

// selects reports whether a decision is wanted.
func (q Query) selects(d *Decision) bool {
	routine := d.Family == messages.FamilySucceeded && d.Outcome == NoRoute
	if routine && q.Task == "" && q.Event == "" {
		return false
	}
	return (q.Event == "" || q.Event == d.Family.String()) &&
		(q.Before.IsZero() || d.At.Before(q.Before) || q.Seen > 0 && d.At.Equal(q.Before)) &&
		(q.Task == "" || strings.EqualFold(q.Task, d.TaskID) || strings.Contains(strings.ToLower(d.TaskName), strings.ToLower(q.Task)))
}

// Decided is a decision, and what followed.
type Decided struct {
	*Decision
	// After are the steps of the notices of the decision, once Follow has found them.
	After []Entry
}

// The number of the newest records that are searched: at first, and at most at a
// glance. One is written in a second in which there are steps.
const (
	firstLook  = 8
	glanceLook = 8192
)

// noteDelay is how much older than its decision a record with a step of it can be.
const noteDelay = 10 * time.Second

// Decisions returns the newest decisions that a query selects, the newest first. A trail
// that records nothing has none.
func (t *Trail) Decisions(ctx context.Context, q Query) ([]*Decided, error) {
	if t == nil || q.Limit <= 0 {
		return nil, nil
	}
	_ = t.notes.Flush(ctx) // if this fails, the latest are missing; the health of the journal shows it
	for records := firstLook; ; records *= 4 {
		found := &decisions{query: q}
		_, older, err := t.look(ctx, records, found.at)
		if err != nil {
			return nil, err
		}
		if list := found.newest(); len(list) >= q.Limit || !older || (q.Glance && records >= glanceLook) {
			return list, nil
		}
	}
}

// Follow adds to decisions what followed. What is not waiting any more when it is called
// has its step.
func (t *Trail) Follow(ctx context.Context, list []*Decided) error {
	if len(list) == 0 {
		return nil
	}
	_ = t.notes.Flush(ctx) // as in Decisions
	oldest := slices.MinFunc(list, func(a, b *Decided) int { return a.At.Compare(b.At) }).At
	for records := firstLook; ; records *= 4 {
		after := newSteps(list)
		since, older, err := t.look(ctx, records, after.at)
		if err != nil {
			return err
		}
		if older && since.After(oldest.Add(-noteDelay)) {
			continue
		}
		for d, steps := range after.found {
			d.After = steps
		}
		return nil
	}
}

// look shows the entries of the newest records, of which the first was written at since.
func (t *Trail) look(ctx context.Context, records int, at func(raw []byte)) (since time.Time, older bool, err error) {
	older, err = t.notes.Tail(ctx, records, func(r journal.Record) error {
		if since.IsZero() {
			since = r.At
		}
		for _, raw := range r.Entries {
			at(raw)
		}
		return ctx.Err()
	})
	if err != nil {
		return since, older, fmt.Errorf("read the trail: %w", err)
	}
	return since, older, nil
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
	if len(d.list) > d.query.Limit+d.query.Seen {
		d.list = slices.Delete(d.list, 0, 1)
	}
}

// newest returns what was found, the newest first, without what has been seen.
func (d *decisions) newest() []*Decided {
	list := slices.Clone(d.list)
	slices.Reverse(list)
	for range d.query.Seen {
		if len(list) > 0 && list[0].At.Equal(d.query.Before) {
			list = list[1:]
		}
	}
	return list[:min(len(list), d.query.Limit)]
}

// steps collects what followed from decisions. Several have the same notices if one was
// made again after a crash.
type steps struct {
	of map[messages.ExecutionKey][]*Decided
	// notices are those that the decisions list.
	notices map[messages.NoticeID][]*Decided
	found   map[*Decided][]Entry
}

func newSteps(list []*Decided) steps {
	s := steps{map[messages.ExecutionKey][]*Decided{}, map[messages.NoticeID][]*Decided{}, map[*Decided][]Entry{}}
	for _, d := range list {
		s.of[d.Key] = append(s.of[d.Key], d)
		for _, n := range d.Notified {
			s.notices[n.ID] = append(s.notices[n.ID], d)
		}
	}
	return s
}

// at decodes no step of another execution.
func (s steps) at(raw []byte) {
	key, _, ok := namesIn(raw)
	decisions := s.of[messages.ExecutionKey(key)]
	if !ok || raw[1] == sortDecision || decisions == nil {
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
	listed := s.notices[notice]
	for _, d := range listed {
		s.found[d] = append(s.found[d], entry)
	}
	for _, d := range decisions {
		if notice != "" && len(listed) == 0 && d.More > 0 {
			s.found[d] = append(s.found[d], entry)
		}
	}
}

// has reports whether a notice of the execution is of this decision, which may have more
// notices than it lists.
func (d *Decided) has(id messages.NoticeID, kind messages.AlertKind) bool {
	return slices.ContainsFunc(d.Notified, func(n Notified) bool { return n.ID == id }) || d.More > 0 && kind == d.Alert
}

// Headline returns a decision in a line, given the notices of its execution that are
// waiting and parked.
func (d *Decided) Headline(waiting []outbox.OpenNotice, parked []outbox.Parked) Headline {
	story := Tell(Evidence{
		ID:      cmp.Or(d.ExecutionID, string(d.Key)),
		Entries: append([]Entry{d.Decision}, d.After...),
		Waiting: slices.DeleteFunc(slices.Clone(waiting), func(n outbox.OpenNotice) bool { return !d.has(n.ID, n.Kind) }),
		Parked:  slices.DeleteFunc(slices.Clone(parked), func(n outbox.Parked) bool { return !d.has(n.ID, n.Kind) }),
	})
	out := Headline{At: d.At, ExecutionID: story.ExecutionID, TaskName: d.TaskName, Event: d.Family.String(), State: story.State, Summary: story.Summary}
	switch {
	case d.Outcome == string(Following), d.Outcome == string(AlreadyAlerted): // another decision says the rest
		out.State = State(d.Outcome)
	case len(story.Notices) > 0:
		out.Summary = fmt.Sprintf("%s: %s", d.Alert, story.Summary)
	}
	if unlisted := d.More + len(d.Notified) + len(d.NotNotified) - len(story.Notices) - len(story.NotNotified); d.More > 0 && unlisted > 0 {
		out.Summary += fmt.Sprintf("; %d more not listed", unlisted)
	}
	return out
}
