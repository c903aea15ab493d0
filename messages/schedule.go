package messages

import "time"

// Starting tasks by the clock:
//
//	api --ListSchedules, DescribeSchedules------------> schedule
//	api --CreateSchedule, DeleteSchedule--------------> schedule --ScheduleChange--> the schedule file
//	api --SwitchSchedule, SwitchAllSchedules----------> schedule <-ScheduleBook----- the schedule file
//	api <-...Reply------------------------------------- schedule
//
// Every command is answered once, and a change not before it is in the file.
// Failures of all of them: FailureNotFound is an ID that no schedule has,
// FailureRejected a request that is wrong, FailureBusy a scheduler that is
// switched off or has too much to write, FailureUnavailable a file that could
// not be written.

// Schedule starts a task by the clock. Its JSON and YAML names are those of the
// schedule file.
type Schedule struct {
	ID string `json:"id"`
	// Created is an ISO time in UTC; "" in a file that does not say it.
	Created string `json:"created,omitempty"`
	Name    string `json:"name"`
	// Cron and Timezone are as they were written, and may be wrong in a file.
	Cron     string `json:"cronSchedule"`
	Timezone string `json:"timezone,omitempty"`
	TaskID   string `json:"qlikSenseTaskId"`
	// StartupState is start, started, stop or stopped: whether it runs as long as
	// nobody has started or stopped it.
	StartupState string `json:"startupState"`
	// Tags are for people. Frozen.
	Tags []string `json:"tags,omitzero"`
	// LastKnownState is what counts; "" in a file that does not say it.
	LastKnownState ScheduleState `json:"lastKnownState,omitempty"`
}

// ScheduleState is whether a schedule runs.
type ScheduleState string

// The states of a schedule.
const (
	ScheduleStarted ScheduleState = "started"
	ScheduleStopped ScheduleState = "stopped"
)

// Wanted returns whether the schedule is to run: the state it had last, or else
// the one that it begins with.
func (s Schedule) Wanted() ScheduleState {
	switch {
	case s.LastKnownState == ScheduleStarted, s.LastKnownState == ScheduleStopped:
		return s.LastKnownState
	case s.StartupState == "start", s.StartupState == "started":
		return ScheduleStarted
	}
	return ScheduleStopped
}

// Undecided reports whether nothing says if the schedule is to run. It does not then.
func (s Schedule) Undecided() bool {
	return s.Wanted() == ScheduleStopped && s.LastKnownState != ScheduleStopped && s.StartupState != "stop" && s.StartupState != "stopped"
}

// ScheduleStatus is a schedule at one moment.
type ScheduleStatus struct {
	// Schedule has a LastKnownState always: whether it runs.
	Schedule Schedule
	// Problem says why it cannot run, "" when it can.
	Problem string
	// Next are the next runs, those of a stopped schedule if it were started. Frozen.
	Next []time.Time
}

// ListSchedules asks for all schedules, or for one.
type ListSchedules struct {
	// ID is "" for all.
	ID string
	// Runs is how many of the next runs of each are wanted, up to 100.
	Runs    int
	ReplyTo Ref
}

// ListSchedulesReply answers ListSchedules.
type ListSchedulesReply struct {
	// Schedules are in the order of the file. Frozen.
	Schedules []ScheduleStatus
	Failure   Failure
}

// DescribeSchedules asks for a text for people.
type DescribeSchedules struct{ ReplyTo Ref }

// DescribeSchedulesReply answers DescribeSchedules: a line for each schedule
// with a valid cron schedule, between braces.
type DescribeSchedulesReply struct{ Text string }

// CreateSchedule adds a schedule, and starts it when its StartupState says so.
type CreateSchedule struct {
	// Schedule is the wish: ID, Created and LastKnownState do not count.
	Schedule Schedule
	ReplyTo  Ref
}

// CreateScheduleReply answers CreateSchedule with what is stored.
type CreateScheduleReply struct {
	Schedule Schedule
	Failure  Failure
}

// DeleteSchedule removes a schedule.
type DeleteSchedule struct {
	ID      string
	ReplyTo Ref
}

// DeleteScheduleReply answers DeleteSchedule.
type DeleteScheduleReply struct{ Failure Failure }

// SwitchSchedule starts or stops a schedule. One that is in that state already stays in it.
type SwitchSchedule struct {
	ID      string
	To      ScheduleState
	ReplyTo Ref
}

// SwitchScheduleReply answers SwitchSchedule.
type SwitchScheduleReply struct {
	Schedule Schedule
	Failure  Failure
}

// SwitchAllSchedules starts or stops all schedules; those that cannot run stay stopped.
type SwitchAllSchedules struct {
	To      ScheduleState
	ReplyTo Ref
}

// SwitchAllSchedulesReply answers SwitchAllSchedules.
type SwitchAllSchedulesReply struct {
	// Schedules are all there are. Frozen.
	Schedules []Schedule
	Failure   Failure
}

// ScheduleBook is what the schedule file holds.
type ScheduleBook struct {
	// Schedules have different IDs and are in the order of the file. Frozen.
	Schedules []Schedule
	// Refused say which entries cannot be used, and why. Frozen.
	Refused []string
	// Revision changes with the content of the file.
	Revision string
}

// ScheduleChange is one change of the schedule file.
type ScheduleChange struct {
	// Add is added at the end, unless its ID is "".
	Add Schedule
	// Delete is the ID of what is removed, "" to remove nothing.
	Delete string
	// Switch are the IDs of schedules whose LastKnownState becomes To. Frozen.
	Switch []string
	To     ScheduleState
}
