package schedule

import (
	"time"

	"butler/messages"
)

// The effects, in the order they are to be performed.
type (
	effect interface{ isEffect() }
	// load reads the file and what is remembered.
	load struct{}
	// save changes the file that has the revision.
	save struct {
		Change   messages.ScheduleChange
		Revision string
	}
	// reply answers a command.
	reply struct {
		To      messages.Ref
		Message any
	}
	// start starts a task; its outcome comes back with the same ID.
	start struct{ Run run }
	// remember keeps that the runs of a schedule up to a time are dealt with.
	remember struct{ Mark mark }
	// forget drops what is remembered of a schedule.
	forget struct{ ID string }

	// The rest is told to people.

	// booked tells of the schedules that were read.
	booked struct{ Count, Running int }
	// noFile tells that there is no file yet.
	noFile struct{}
	// refused tells of an entry of the file that is no schedule.
	refused struct{ Reason string }
	// unfit tells of a schedule that cannot run.
	unfit struct{ ID, Name, Problem string }
	// started tells of a task that was started, Late after its run was due; failed
	// of one that was not. After a failure that is not the last one, RetryAt is set.
	started struct {
		Run  run
		Late time.Duration
	}
	failed struct {
		Run     run
		Failure messages.Failure
		RetryAt time.Time
	}
	// missed tells of runs that are not made up for. Count is at least that many
	// when it is maxCounted.
	missed struct {
		ID, Name string
		Count    int
		First    time.Time
	}
	// tellHealth tells that the file can be used, or cannot.
	tellHealth struct {
		Up     bool
		Reason string
	}
)

func (load) isEffect()       {}
func (save) isEffect()       {}
func (reply) isEffect()      {}
func (start) isEffect()      {}
func (remember) isEffect()   {}
func (forget) isEffect()     {}
func (booked) isEffect()     {}
func (noFile) isEffect()     {}
func (refused) isEffect()    {}
func (unfit) isEffect()      {}
func (started) isEffect()    {}
func (failed) isEffect()     {}
func (missed) isEffect()     {}
func (tellHealth) isEffect() {}
