package schedule

import (
	"strings"
	"time"

	"butler/internal/cron"
	"butler/messages"
)

// change is a command that changes the file.
type change struct {
	command any
	replyTo messages.Ref
	// schedule is the schedule that a CreateSchedule adds.
	schedule messages.Schedule
	// races counts how often the file was edited while the change was made.
	races int
}

// The failures of commands.
var (
	errUnknown = messages.Failure{Kind: messages.FailureNotFound, Text: "no schedule has this ID"}
	errOff     = messages.Failure{Kind: messages.FailureBusy, Text: "the scheduler is switched off; set Butler.scheduler.enable to true"}
	errBusy    = messages.Failure{Kind: messages.FailureBusy, Text: "too many changes wait for the schedule file"}
	errFull    = messages.Failure{Kind: messages.FailureRejected, Text: "the number of schedules has reached its limit; delete some"}
	errRaces   = messages.Failure{Kind: messages.FailureUnavailable, Text: "the schedule file is changed again and again by another program or person"}
	errState   = messages.Failure{Kind: messages.FailureRejected, Text: "a schedule can only be started or stopped"}
)

// command handles a command and ignores other messages.
func (m *machine) command(now time.Time, command any) []effect {
	c, isChange := changeOf(command)
	switch {
	case isChange && !m.on:
		return []effect{c.answer(nil, errOff)}
	case isChange && len(m.changes) >= maxWaiting:
		return []effect{c.answer(nil, errBusy)}
	case !m.loaded:
		m.early = append(m.early, command)
		return nil
	case isChange:
		m.changes = append(m.changes, c)
		return m.work(now)
	}
	switch c := command.(type) {
	case messages.ListSchedules:
		return []effect{reply{c.ReplyTo, m.list(now, c)}}
	case messages.DescribeSchedules:
		return []effect{reply{c.ReplyTo, messages.DescribeSchedulesReply{Text: statusText(m.entries)}}}
	}
	return nil
}

// changeOf returns the change that a command asks for, false when it asks for none.
func changeOf(command any) (*change, bool) {
	switch c := command.(type) {
	case messages.CreateSchedule:
		return &change{command: c, replyTo: c.ReplyTo}, true
	case messages.DeleteSchedule:
		return &change{command: c, replyTo: c.ReplyTo}, true
	case messages.SwitchSchedule:
		return &change{command: c, replyTo: c.ReplyTo}, true
	case messages.SwitchAllSchedules:
		return &change{command: c, replyTo: c.ReplyTo}, true
	}
	return nil, false
}

// work handles the waiting changes until one has to be saved.
func (m *machine) work(now time.Time) []effect {
	var effects []effect
	for len(m.changes) > 0 && !m.saving {
		c := m.changes[0]
		planned, failure, needed := m.plan(now, c)
		if failure.Failed() || !needed {
			m.changes = m.changes[1:]
			effects = append(effects, c.answer(m, failure))
			continue
		}
		m.saving = true
		effects = append(effects, save{Change: planned, Revision: m.revision})
	}
	return effects
}

// saved takes the result of a save. book is the content of the file afterwards, also
// when the change was not made, unless failure says that it is not known.
func (m *machine) saved(now time.Time, book messages.ScheduleBook, done bool, failure messages.Failure) []effect {
	if !m.saving {
		return nil
	}
	m.saving = false
	effects := m.tell(!failure.Failed(), failure.Text)
	if !failure.Failed() {
		effects = append(effects, m.adopt(now, book)...)
	}
	c := m.changes[0]
	if c.races++; !done && !failure.Failed() && c.races >= maxRaces {
		failure = errRaces
	}
	if done || failure.Failed() {
		m.changes = m.changes[1:]
		effects = append(effects, c.answer(m, failure))
	}
	effects = append(effects, m.work(now)...)
	return append(effects, m.tick(now)...)
}

// plan returns the change of the file. needed is false when nothing is to be changed.
func (m *machine) plan(now time.Time, c *change) (planned messages.ScheduleChange, failure messages.Failure, needed bool) {
	if _, creates := c.command.(messages.CreateSchedule); !creates && m.unread() {
		return planned, m.unavailable(), false
	}
	switch command := c.command.(type) {
	case messages.CreateSchedule:
		if len(m.entries) >= maxSchedules {
			return planned, errFull, false
		}
		if c.schedule.ID == "" {
			if err := check(command.Schedule); err != nil {
				return planned, rejected(err), false
			}
			c.schedule = m.created(now, command.Schedule)
		}
		return messages.ScheduleChange{Add: c.schedule}, failure, true
	case messages.DeleteSchedule:
		if m.byID[command.ID] == nil {
			return planned, errUnknown, false
		}
		return messages.ScheduleChange{Delete: command.ID}, failure, true
	case messages.SwitchSchedule:
		failure := m.mayBecome(command.ID, command.To)
		planned, needed = m.switched(command.To, m.byID[command.ID])
		return planned, failure, needed
	case messages.SwitchAllSchedules:
		if command.To != messages.ScheduleStarted && command.To != messages.ScheduleStopped {
			return planned, errState, false
		}
		planned, needed = m.switched(command.To, m.entries...)
		return planned, failure, needed
	}
	panic("BUG: a change without a plan")
}

// unread reports that the file could not be read so far, so the schedules are not
// known. A new schedule can be added all the same.
func (m *machine) unread() bool { return !m.known && m.health != nil && !m.health.Up }

// unavailable is the failure of commands while the file is unread.
func (m *machine) unavailable() messages.Failure {
	return messages.Failure{Kind: messages.FailureUnavailable, Text: m.health.Reason}
}

func (m *machine) created(now time.Time, s messages.Schedule) messages.Schedule {
	s.ID, s.LastKnownState = m.newID(), ""
	s.LastKnownState = s.Wanted()
	s.Created = now.UTC().Format("2006-01-02T15:04:05.000Z")
	return s
}

// mayBecome returns why a schedule cannot be switched to a state.
func (m *machine) mayBecome(id string, to messages.ScheduleState) messages.Failure {
	e := m.byID[id]
	switch {
	case e == nil:
		return errUnknown
	case to != messages.ScheduleStarted && to != messages.ScheduleStopped:
		return errState
	case to == messages.ScheduleStarted && e.problem != "":
		return messages.Failure{Kind: messages.FailureRejected, Text: e.problem}
	}
	return messages.Failure{}
}

// switched returns the change that switches the entries to a state, and whether one is
// needed. Entries that cannot run are not started.
func (m *machine) switched(to messages.ScheduleState, entries ...*entry) (messages.ScheduleChange, bool) {
	planned := messages.ScheduleChange{To: to}
	for _, e := range entries {
		if e != nil && e.schedule.Wanted() != to && (to == messages.ScheduleStopped || e.problem == "") {
			planned.Switch = append(planned.Switch, e.schedule.ID)
		}
	}
	return planned, len(planned.Switch) > 0
}

func rejected(err error) messages.Failure {
	return messages.Failure{Kind: messages.FailureRejected, Text: strings.ReplaceAll(err.Error(), "\n", "; ")}
}

// answer builds the reply to the command from the state of m.
func (c *change) answer(m *machine, f messages.Failure) reply {
	r := reply{To: c.replyTo}
	switch command := c.command.(type) {
	case messages.CreateSchedule:
		r.Message = messages.CreateScheduleReply{Schedule: shownOf(m, c.schedule.ID, f), Failure: f}
	case messages.DeleteSchedule:
		r.Message = messages.DeleteScheduleReply{Failure: f}
	case messages.SwitchSchedule:
		r.Message = messages.SwitchScheduleReply{Schedule: shownOf(m, command.ID, f), Failure: f}
	case messages.SwitchAllSchedules:
		all := messages.SwitchAllSchedulesReply{Failure: f}
		if !f.Failed() {
			all.Schedules = make([]messages.Schedule, len(m.entries))
			for i, e := range m.entries {
				all.Schedules[i] = e.shown()
			}
		}
		r.Message = all
	}
	return r
}

func shownOf(m *machine, id string, f messages.Failure) messages.Schedule {
	if f.Failed() || m.byID[id] == nil {
		return messages.Schedule{}
	}
	return m.byID[id].shown()
}

// Limits of a list.
const (
	maxPreview  = 100
	maxPreviews = 10_000 // of all schedules together
)

func (m *machine) list(now time.Time, c messages.ListSchedules) messages.ListSchedulesReply {
	if m.unread() {
		return messages.ListSchedulesReply{Failure: m.unavailable()}
	}
	wanted := m.entries
	if c.ID != "" {
		e := m.byID[c.ID]
		if e == nil {
			return messages.ListSchedulesReply{Failure: errUnknown}
		}
		wanted = []*entry{e}
	}
	runs := min(max(c.Runs, 0), maxPreview, maxPreviews/max(len(wanted), 1))
	out := make([]messages.ScheduleStatus, len(wanted))
	for i, e := range wanted {
		out[i] = messages.ScheduleStatus{Schedule: e.shown(), Problem: e.problem}
		if e.problem == "" && runs > 0 {
			out[i].Next = cron.Preview(e.times, now, runs)
		}
	}
	return messages.ListSchedulesReply{Schedules: out}
}
