package messages

import "time"

// Schedules, which start tasks at set times:
//
//	api --ListSchedules, DescribeSchedules------------> schedule
//	api --CreateSchedule, DeleteSchedule--------------> schedule --ScheduleChange--> the schedule file
//	api --SwitchSchedule, SwitchAllSchedules----------> schedule <-ScheduleBook----- the schedule file
//	api <-...Reply------------------------------------- schedule
//
// Every command is answered once; a change, after it was written to the file. The
// failures are FailureNotFound for an unknown ID, FailureRejected for an invalid request,
// FailureBusy if the scheduler is not enabled or has too many changes to write, and
// FailureUnavailable if the file cannot be written.

// Schedule starts a task at set times. Its JSON names are the keys of the schedule file.
type Schedule struct {
	ID string `json:"id"`
	// Created is an ISO time in UTC; "" if the file has none.
	Created string `json:"created,omitempty"`
	Name    string `json:"name"`
	// Cron and Timezone are as written, and may be invalid in a file.
	Cron     string `json:"cronSchedule"`
	Timezone string `json:"timezone,omitempty"`
	TaskID   string `json:"qlikSenseTaskId"`
	// StartupState is start, started, stop or stopped. It determines whether the schedule
	// runs until it is started or stopped for the first time.
	StartupState string `json:"startupState"`
	// Tags are for people. Frozen.
	Tags []string `json:"tags,omitzero"`
	// LastKnownState is the state in which it was last, and takes precedence over
	// StartupState; "" if the file has none.
	LastKnownState ScheduleState `json:"lastKnownState,omitempty"`
}

// ScheduleState is whether a schedule starts its task.
type ScheduleState string

// The states of a schedule.
const (
	ScheduleStarted ScheduleState = "started"
	ScheduleStopped ScheduleState = "stopped"
)

// Wanted returns the state in which the schedule should be: LastKnownState, or
// StartupState if that is not valid.
func (s Schedule) Wanted() ScheduleState {
	switch {
	case s.LastKnownState == ScheduleStarted, s.LastKnownState == ScheduleStopped:
		return s.LastKnownState
	case s.StartupState == "start", s.StartupState == "started":
		return ScheduleStarted
	}
	return ScheduleStopped
}

// Undecided reports whether neither LastKnownState nor StartupState is valid. Wanted is
// then ScheduleStopped.
func (s Schedule) Undecided() bool {
	return s.Wanted() == ScheduleStopped && s.LastKnownState != ScheduleStopped && s.StartupState != "stop" && s.StartupState != "stopped"
}

// ScheduleStatus is a schedule at one moment.
type ScheduleStatus struct {
	// Schedule always has a LastKnownState, which is its present state.
	Schedule Schedule
	// Problem says why the schedule cannot run, "" if it can.
	Problem string
	// Next are the times of the next runs; of a stopped schedule, those if it were
	// started. Frozen.
	Next []time.Time
}

// ListSchedules asks for all schedules, or for one.
type ListSchedules struct {
	// ID is "" for all.
	ID string
	// Runs is the requested number of next runs for each schedule, at most 100.
	Runs    int
	ReplyTo Ref
}

// ListSchedulesReply answers ListSchedules.
type ListSchedulesReply struct {
	// Schedules are in the order of the file. Frozen.
	Schedules []ScheduleStatus
	Failure   Failure
}

// DescribeSchedules asks for a description of the schedules as text.
type DescribeSchedules struct{ ReplyTo Ref }

// DescribeSchedulesReply answers DescribeSchedules: a line for each schedule
// with a valid cron schedule, between braces.
type DescribeSchedulesReply struct{ Text string }

// CreateSchedule adds a schedule, and starts it if its StartupState is start or started.
type CreateSchedule struct {
	// Schedule is the schedule to add. Its ID, Created and LastKnownState are ignored.
	Schedule Schedule
	ReplyTo  Ref
}

// CreateScheduleReply answers CreateSchedule with the stored schedule.
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

// SwitchSchedule starts or stops a schedule. It is not an error if the schedule is already
// in that state.
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
	// Schedules are all schedules, switched or not. Frozen.
	Schedules []Schedule
	Failure   Failure
}

// ScheduleBook is the content of the schedule file.
type ScheduleBook struct {
	// Schedules have different IDs and are in the order of the file. Frozen.
	Schedules []Schedule
	// Refused describe the entries that cannot be used, with the reasons. Frozen.
	Refused []string
	// Revision changes with the content of the file.
	Revision string
}

// ScheduleChange is one change of the schedule file.
type ScheduleChange struct {
	// Add is appended to the list, unless its ID is "".
	Add Schedule
	// Delete is the ID of the schedule to remove, "" for none.
	Delete string
	// Switch are the IDs of schedules whose LastKnownState becomes To. Frozen.
	Switch []string
	To     ScheduleState
}
