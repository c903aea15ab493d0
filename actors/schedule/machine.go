package schedule

import (
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	"butler/messages"
)

// machine holds the schedules, and decides when they are due and how their runs are
// retried. It gets the time as an argument and returns effects for the actor to perform.
type machine struct {
	rules Rules
	// on reports that the scheduler is switched on.
	on     bool
	home   *time.Location
	newID  func() string
	random *rand.Rand

	entries  []*entry // in the order of the file
	byID     map[string]*entry
	revision string
	refused  []string
	// loaded reports that reading the file was tried.
	loaded bool
	// known reports that the entries are those of the file when it was last read or written.
	known bool
	// marks are those of the ledger, until the file has been read.
	marks map[string]mark
	// reloadAt is when to read again a file that could not be read; zero for never.
	reloadAt time.Time
	// early are the commands that came before the file was read.
	early []any
	// changes wait for the file; the first is being saved when saving.
	changes []*change
	saving  bool
	// health is the last health reported; nil before the first time.
	health *tellHealth

	pending runs
	// last is the time of the last tick.
	last time.Time
}

// setBack is how far the clock must be set back for the due times to be computed again.
// After a smaller step they are kept, so that nothing runs twice.
const setBack = time.Hour

// napLimit is the longest time until the next tick. Timers stand still while the
// computer sleeps, so a longer one could be that much too late.
const napLimit = time.Minute

// reloadEvery is the pause before a file that could not be read is read again.
const reloadEvery = time.Minute

func newMachine(opts Options) *machine {
	return &machine{
		rules: opts.Rules, on: opts.Store != nil, home: opts.Zone, newID: opts.NewID, random: opts.Rand,
		byID: map[string]*entry{}, pending: newRuns(),
	}
}

// begin is the first input.
func (m *machine) begin() []effect {
	if !m.on {
		m.loaded = true
		return nil
	}
	return []effect{load{}}
}

// read takes the content of the file and the marks of the ledger. A change that was
// saved meanwhile has brought newer content, which is kept.
func (m *machine) read(now time.Time, book messages.ScheduleBook, marks map[string]mark, failure messages.Failure) []effect {
	if m.known {
		return nil
	}
	m.loaded, m.marks = true, marks
	var effects []effect
	switch {
	case failure.Kind == messages.FailureNotFound && len(marks) == 0: // there was never one
		if effects = m.tell(true, ""); len(effects) > 0 {
			effects = append(effects, noFile{})
		}
	default:
		effects = m.tell(!failure.Failed(), failure.Text)
	}
	if failure.Failed() {
		m.reloadAt = now.Add(reloadEvery)
	} else {
		effects = append(effects, m.adopt(now, book)...)
	}
	early := m.early
	m.early = nil
	for _, command := range early {
		effects = append(effects, m.command(now, command)...)
	}
	return append(effects, m.tick(now)...)
}

// adopt replaces the entries by those of the book.
func (m *machine) adopt(now time.Time, book messages.ScheduleBook) []effect {
	var effects []effect
	first, marks := !m.known, m.marks
	m.marks = nil
	for _, reason := range book.Refused {
		if !slices.Contains(m.refused, reason) {
			effects = append(effects, refused{reason})
		}
	}
	before := m.byID
	m.known, m.reloadAt = true, time.Time{}
	m.revision, m.refused = book.Revision, book.Refused
	m.entries, m.byID = make([]*entry, 0, len(book.Schedules)), make(map[string]*entry, len(book.Schedules))
	for _, s := range book.Schedules {
		old := before[s.ID]
		e := newEntry(s, m.home, old)
		m.entries, m.byID[s.ID] = append(m.entries, e), e
		if e.problem != "" && (old == nil || old.problem != e.problem) {
			effects = append(effects, unfit{s.ID, s.Name, e.problem})
		}
		effects = append(effects, m.resume(now, e, old, marks[s.ID])...)
	}
	for _, id := range slices.AppendSeq(slices.Collect(maps.Keys(before)), maps.Keys(marks)) {
		if m.byID[id] == nil {
			effects = append(effects, forget{id})
		}
	}
	if first {
		effects = append(effects, booked{Count: len(m.entries), Running: m.running()})
	}
	m.pending.drop(func(r run) bool { e := m.byID[r.Schedule]; return e == nil || !e.running() })
	return effects
}

// resume sets when the entry is due: as before the change, or after its recorded mark,
// or from now on.
func (m *machine) resume(now time.Time, e, old *entry, known mark) []effect {
	switch {
	case !e.running():
		return nil
	case old != nil && old.running() && old.mark.Spec == e.mark.Spec:
		e.due, e.mark = old.due, old.mark
		return nil
	case known.Spec == e.mark.Spec && !known.At.After(now.Add(setBack)):
		e.mark, e.due = known, e.times.Next(known.At)
		return nil
	}
	e.mark.At, e.due = now, e.times.Next(now)
	return []effect{remember{e.mark}}
}

// tick begins the runs and retries that are due.
func (m *machine) tick(now time.Time) []effect {
	var effects []effect
	if now.Before(m.last.Add(-setBack)) {
		effects = m.rewind(now)
	}
	m.last = now
	if !m.reloadAt.IsZero() && !m.reloadAt.After(now) {
		m.reloadAt = time.Time{}
		effects = append(effects, load{})
	}
	for _, e := range m.entries {
		if !e.due.IsZero() && !e.due.After(now) {
			effects = append(effects, m.take(now, e)...)
		}
	}
	return append(effects, m.pending.pump(now, m.rules.MaxConcurrent)...)
}

// rewind computes all due times again after the clock was set back.
func (m *machine) rewind(now time.Time) []effect {
	var effects []effect
	if !m.reloadAt.IsZero() {
		m.reloadAt = now
	}
	for _, e := range m.entries {
		if e.running() {
			e.mark.At, e.due = now, e.times.Next(now)
			effects = append(effects, remember{e.mark})
		}
	}
	return effects
}

const (
	// grace is how late a run may be.
	grace = 5 * time.Minute
	// maxCounted is up to how many missed runs are counted.
	maxCounted = 1000
)

// take begins the run of an entry that is due and sets its next one. When several are
// due, only the latest is run, and that only if it is not too late.
func (m *machine) take(now time.Time, e *entry) []effect {
	first, horizon := e.due, now.Add(-grace)
	count := 0
	for e.due.Before(horizon) {
		if count++; count == maxCounted {
			e.due = e.times.Next(horizon.Add(-1))
			break
		}
		e.due = e.times.Next(e.due)
	}
	var latest time.Time
	for !e.due.After(now) {
		count++
		latest, e.due = e.due, e.times.Next(e.due)
	}
	var effects []effect
	if !latest.IsZero() {
		next := run{Schedule: e.schedule.ID, Name: e.schedule.Name, TaskID: e.schedule.TaskID, Due: latest}
		if old, waited := m.pending.add(next); waited {
			first = old.Due
		} else {
			count--
		}
	} else {
		e.mark.At = now
		effects = append(effects, remember{e.mark})
	}
	if count > 0 {
		effects = append(effects, missed{ID: e.schedule.ID, Name: e.schedule.Name, Count: count, First: first})
	}
	return effects
}

// finished takes the result of an attempt to start a task.
func (m *machine) finished(now time.Time, id runID, failure messages.Failure) []effect {
	r, ok := m.pending.end(id)
	if !ok {
		return nil
	}
	var effects []effect
	e := m.byID[r.Schedule]
	switch {
	case !failure.Failed():
		effects = append(effects, started{Run: r, Late: max(now.Sub(r.Due), 0)})
	case mayPass(failure) && r.Attempt < m.rules.Attempts && e != nil && e.running():
		at := now.Add(m.rules.Retry.Delay(r.Attempt, m.random))
		m.pending.again(r, at)
		return append([]effect{failed{r, failure, at}}, m.tick(now)...)
	default:
		effects = append(effects, failed{Run: r, Failure: failure})
	}
	if e != nil && e.running() && r.Due.After(e.mark.At) {
		e.mark.At = r.Due
		effects = append(effects, remember{e.mark})
	}
	return append(effects, m.tick(now)...)
}

// mayPass reports whether a failed attempt is worth a retry. A timeout is not, since
// the task may be running.
func mayPass(f messages.Failure) bool {
	return f.Kind == messages.FailureUnavailable || f.Kind == messages.FailureBusy
}

// next returns when to call tick next; zero means never.
func (m *machine) next(now time.Time) time.Time {
	at := m.pending.next()
	sooner := func(t time.Time) {
		if !t.IsZero() && (at.IsZero() || t.Before(at)) {
			at = t
		}
	}
	sooner(m.reloadAt)
	for _, e := range m.entries {
		sooner(e.due)
	}
	if nap := now.Add(napLimit); at.After(nap) {
		return nap
	}
	return at
}

func (m *machine) running() int {
	n := 0
	for _, e := range m.entries {
		if e.running() {
			n++
		}
	}
	return n
}

// tell reports the health if it has changed.
func (m *machine) tell(up bool, reason string) []effect {
	now := tellHealth{up, reason}
	if m.health != nil && *m.health == now {
		return nil
	}
	m.health = &now
	return []effect{now}
}
