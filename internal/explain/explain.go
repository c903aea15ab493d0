// Package explain owns the search for everything that is known of an execution: in the
// kept datagrams, the recorded steps, the ledger and the quarantine. Package trail
// turns what it finds into a story.
//
// It guarantees that a search is bounded in time and in what it returns, that it works
// in a running service as well as on the journal of one that does not run, and that it
// says what it could not search. It must never change anything, or decide what an
// event leads to.
package explain

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"butler/internal/journal"
	"butler/internal/outbox"
	"butler/internal/trail"
	"butler/internal/udp"
	"butler/messages"
)

// Archive is what is searched. Every field but Trail and Deliveries is required.
type Archive struct {
	Events *journal.Queue
	Ledger *journal.Ledger
	Outbox *outbox.Outbox
	// Trail is nil when no steps are recorded.
	Trail      *trail.Trail
	Quarantine Quarantine
	// KeyOf returns the key of an event that has no execution ID, or is not
	// de-duplicated.
	KeyOf func(messages.EventPosition) messages.ExecutionKey
	// Deliveries describes the delivery through every destination; nil when the service
	// does not run.
	Deliveries func(context.Context) ([]messages.DeliveryState, error)
	// KernelDrops counts the datagrams that were lost before they could be read.
	KernelDrops func() uint64
}

// Quarantine lists the newest refused datagrams.
type Quarantine interface {
	List(limit int) ([]messages.QuarantinedDatagram, error)
}

// The bounds of a search.
const (
	maxReceived   = 100
	maxSteps      = 2000
	maxPayload    = 2 << 10
	maxOfTask     = 5
	searchTimeout = 12 * time.Second
)

// Explain tells everything that is known of an execution.
func (a Archive) Explain(ctx context.Context, id string) (trail.Story, error) {
	asked := spellings(id)
	known := trail.Evidence{ID: asked[len(asked)-1], Reach: trail.Reach{NoSteps: a.Trail == nil, KernelDrops: a.KernelDrops()}}
	trouble := func(what string, err error) {
		if err != nil {
			known.Reach.Trouble = append(known.Reach.Trouble, fmt.Sprintf("%s: %v", what, err))
		}
	}
	events, err := a.received(ctx, asked, maxReceived)
	known.Received, known.Reach.Events = events.received, events.since
	trouble("not all datagrams of the journal could be searched", err)

	names := newNames(asked)
	for _, r := range known.Received {
		if strings.EqualFold(r.Event.ExecutionID, id) {
			known.ID = id // the ID itself has the braces or blanks
		}
		names.add(r.Event.ExecutionID)
		names.add(string(a.KeyOf(r.Place)))
	}
	wanted := newNames(names.list)
	for _, x := range events.ofTask {
		wanted.addAll(a.namesOf(x))
	}
	found, err := a.steps(ctx, wanted)
	trouble("not all recorded steps could be searched", err)
	known.Reach.Steps = found.Since
	known.Entries = entriesOf(names, found.Entries)
	if found.More {
		trouble("there are more steps than are shown", fmt.Errorf("the first %d are shown", maxSteps))
	}
	if found.Unreadable > 0 {
		trouble("recorded steps are damaged", fmt.Errorf("%d cannot be read", found.Unreadable))
	}
	if err := errors.Join(a.ledgerOf(names, &known), a.refusedOf(names, &known)); err != nil {
		return trail.Story{}, err
	}
	if a.Deliveries != nil && len(known.Waiting) > 0 {
		known.Deliveries, err = a.Deliveries(ctx)
		trouble("why messages wait could not be asked", err)
	}
	for _, x := range events.ofTask {
		brief, err := a.brief(x, found.Entries)
		if err != nil {
			return trail.Story{}, err
		}
		known.Reach.OfTask = append(known.Reach.OfTask, brief)
	}
	story := trail.Tell(known)
	if slices.ContainsFunc(story.Notices, func(n trail.Notice) bool { return n.State == trail.Unclear }) {
		// It may have settled after the steps were read, and before the ledger was.
		if found, err := a.steps(ctx, wanted); err == nil {
			known.Entries = entriesOf(names, found.Entries)
			story = trail.Tell(known)
		}
	}
	return story, ctx.Err()
}

// Latest lists the newest decisions that a query selects, the newest first.
func (a Archive) Latest(ctx context.Context, q trail.Query) ([]trail.Headline, error) {
	searching, cancel := context.WithTimeout(ctx, searchTimeout)
	defer cancel()
	decisions, err := a.Trail.Decisions(searching, q)
	if err != nil {
		return nil, err
	}
	waiting, parked, err := a.heldOf(decisions)
	if err != nil {
		return nil, err
	}
	// In this order, what is no longer in the ledger has its step.
	if err := a.Trail.Follow(searching, decisions); err != nil {
		return nil, err
	}
	out := make([]trail.Headline, 0, len(decisions))
	for _, d := range decisions {
		out = append(out, d.Headline(waiting[d.Key], parked[d.Key]))
	}
	return out, nil
}

// heldOf returns the notices that the ledger holds of the executions of decisions.
func (a Archive) heldOf(decisions []*trail.Decided) (map[messages.ExecutionKey][]outbox.OpenNotice, map[messages.ExecutionKey][]outbox.Parked, error) {
	notices := map[messages.NoticeID]bool{}
	for _, d := range decisions {
		for _, n := range d.Notified {
			notices[n.ID] = true
		}
	}
	if slices.ContainsFunc(decisions, func(d *trail.Decided) bool { return d.More > 0 }) {
		notices = nil // not all are known
	}
	waiting, parked := map[messages.ExecutionKey][]outbox.OpenNotice{}, map[messages.ExecutionKey][]outbox.Parked{}
	open, err := a.Outbox.OpenNotices(outbox.OpenFilter{Notices: notices})
	if err != nil {
		return nil, nil, err
	}
	for _, n := range open {
		waiting[n.Key] = append(waiting[n.Key], n)
	}
	given, err := a.Outbox.Parked(outbox.ParkedFilter{Notices: notices})
	for _, n := range given {
		parked[n.Key] = append(parked[n.Key], n)
	}
	return waiting, parked, err
}

// brief returns the short story of an execution of a task.
func (a Archive) brief(x taskExecution, entries []trail.Entry) (trail.Brief, error) {
	names := a.namesOf(x)
	known := trail.Evidence{ID: x.id, Received: x.received, Entries: entriesOf(names, entries)}
	if err := a.ledgerOf(names, &known); err != nil {
		return trail.Brief{}, err
	}
	story := trail.Tell(known)
	return trail.Brief{ExecutionID: x.id, At: x.received[0].Event.At, State: story.State, Summary: story.Summary}, nil
}

// entriesOf returns the steps of one execution, whose decisions may add to its names.
func entriesOf(n *names, entries []trail.Entry) []trail.Entry {
	is := func(name string) bool { return n.known[strings.ToLower(name)] }
	for _, entry := range trail.Of(entries, is) {
		if decision, ok := entry.(*trail.Decision); ok {
			n.add(string(decision.Key))
		}
	}
	return trail.Of(entries, is)
}

// steps finds the recorded steps. Without de-duplication an execution may have further
// keys, which only its decisions show once its datagrams are no longer kept; a second
// search finds the steps under those.
func (a Archive) steps(ctx context.Context, n *names) (trail.Found, error) {
	searching, cancel := context.WithTimeout(ctx, searchTimeout)
	defer cancel()
	found, err := a.Trail.Find(searching, n.list, maxSteps)
	more := false
	for _, entry := range found.Entries {
		if decision, ok := entry.(*trail.Decision); ok {
			more = n.add(string(decision.Key)) || more
		}
	}
	if err != nil || !more {
		return found, err
	}
	return a.Trail.Find(searching, n.list, maxSteps)
}

// ledgerOf adds what the ledger holds of an execution.
func (a Archive) ledgerOf(n *names, known *trail.Evidence) (err error) {
	if known.Waiting, err = a.Outbox.OpenNotices(outbox.OpenFilter{Of: n.has}); err != nil {
		return err
	}
	parked, err := a.Outbox.Parked(outbox.ParkedFilter{})
	if err != nil {
		return err
	}
	for _, p := range parked {
		if n.has(p.Key) {
			known.Parked = append(known.Parked, p)
		}
	}
	for _, name := range n.list {
		raw, ok, err := a.Ledger.Get(outbox.BucketSeen, name)
		if err != nil {
			return fmt.Errorf("read what was seen of execution %s: %w", name, err)
		}
		if seen, err := outbox.DecodeSeen(raw); ok && err == nil {
			known.Seen.Families |= seen.Families
			known.Seen.Kinds |= seen.Kinds
		}
		_, followed, err := a.Ledger.Get(outbox.BucketState, name)
		if err != nil {
			return fmt.Errorf("read the state of execution %s: %w", name, err)
		}
		known.Followed = known.Followed || followed
	}
	return nil
}

// refusedOf adds the refused datagrams that name what was asked for, and what was given
// up of it.
func (a Archive) refusedOf(n *names, known *trail.Evidence) error {
	refused, err := a.Quarantine.List(maxList)
	if err != nil {
		return err
	}
	known.Reach.Quarantined = len(refused)
	for _, q := range refused {
		if contains(q.Payload, known.ID) || q.Reason == messages.ReasonCrashed && n.anyIn(q.Detail) {
			known.Refused = append(known.Refused, q)
		}
	}
	return nil
}

func contains(text, id string) bool {
	return strings.Contains(strings.ToLower(text), strings.ToLower(id))
}

// maxList is how many entries the quarantine lists at the most.
const maxList = 10_000

// errEnough ends the reading of the events log.
var errEnough = errors.New("enough events")

// found is what the journal still holds of an execution.
type found struct {
	received []trail.Received
	// since is when the oldest datagram in the journal arrived.
	since time.Time
	// ofTask are the latest executions of a task with the ID that was asked for.
	ofTask []taskExecution
}

// taskExecution is an execution of a task that was asked for.
type taskExecution struct {
	id       string
	received []trail.Received
}

// namesOf returns the names of an execution of a task.
func (a Archive) namesOf(x taskExecution) *names {
	n := newNames([]string{x.id})
	for _, r := range x.received {
		n.add(string(a.KeyOf(r.Place)))
	}
	return n
}

// add adds an event of an execution of the task. Of many executions the latest are kept.
func (f *found) add(execution string, r trail.Received) {
	for i := range f.ofTask {
		if x := &f.ofTask[i]; strings.EqualFold(x.id, execution) {
			if len(x.received) < maxReceived {
				x.received = append(x.received, r)
			}
			return
		}
	}
	f.ofTask = append(f.ofTask[max(0, len(f.ofTask)+1-maxOfTask):], taskExecution{execution, []trail.Received{r}})
}

// Received returns at most limit datagrams of an execution that the journal still
// holds. An execution without an ID is named by the key of its event.
func (a Archive) Received(ctx context.Context, id string, limit int) ([]trail.Received, error) {
	found, err := a.received(ctx, []string{id}, limit)
	return found.received, err
}

// received is Received for an execution whose ID is one of ids. It also collects the
// latest executions of a task with one of these IDs.
func (a Archive) received(ctx context.Context, ids []string, limit int) (out found, err error) {
	searching, cancel := context.WithTimeout(ctx, searchTimeout)
	defer cancel()
	mentions := mentioning(ids)
	isOne := func(id string) bool {
		return slices.ContainsFunc(ids, func(of string) bool { return strings.EqualFold(id, of) })
	}
	err = a.Events.Range(searching, 0, func(r journal.Record) error {
		if out.since.IsZero() {
			out.since = r.At
		}
		for i, entry := range r.Entries {
			at := messages.EventPosition{Seq: uint64(r.Seq), Index: uint32(i)}
			place := string(a.KeyOf(at))
			if !mentions(entry) && !isOne(place) {
				continue
			}
			event, err := udp.ParseEntry(entry)
			switch {
			case err != nil: // it is in the quarantine
			case isOne(event.ExecutionID) || isOne(place):
				out.received = append(out.received, shown(at, event, entry))
			case isOne(event.TaskID):
				out.add(cmp.Or(event.ExecutionID, place), shown(at, event, entry))
			}
			if len(out.received) == limit {
				return errEnough
			}
		}
		return searching.Err()
	})
	if err != nil && !errors.Is(err, errEnough) {
		return out, fmt.Errorf("look for events of execution %s: %w", ids[0], err)
	}
	return out, nil
}

// mentioning returns a quick test for the datagrams that may be of an execution.
func mentioning(ids []string) func(entry []byte) bool {
	var cases [][]byte
	for _, id := range ids {
		cases = append(cases, []byte(id), []byte(strings.ToLower(id)), []byte(strings.ToUpper(id)))
	}
	return func(entry []byte) bool {
		for _, s := range cases {
			if bytes.Contains(entry, s) {
				return true
			}
		}
		// The sanitiser may have removed characters from an ID, which the raw datagram
		// still has.
		datagram, err := udp.DecodeEntry(entry)
		return err == nil && !udp.IsClean(bytes.TrimRight(datagram.Payload, "\r\n"))
	}
}

// shown returns what the story shows of an entry of the events log.
func shown(at messages.EventPosition, event messages.TaskEvent, entry []byte) trail.Received {
	r := trail.Received{Place: at, Event: event, Source: event.Source}
	if datagram, err := udp.DecodeEntry(entry); err == nil {
		var q messages.QuarantinedDatagram
		q.SetPayload(datagram.Payload, maxPayload)
		r.Source, r.Payload = datagram.Source.String(), q.Payload
	}
	return r
}
