package schedule

import (
	"time"

	"butler/messages"
)

// The effects, in the order they are to be performed.
type (
	effect interface{ isEffect() }
	// load reads the file and the marks in the ledger.
	load struct{}
	// save changes the file if it still has the revision.
	save struct {
		Change   messages.ScheduleChange
		Revision string
	}
	// reply answers a command.
	reply struct {
		To      messages.Ref
		Message any
	}
	// start starts a task; its result comes back with the same ID.
	start struct{ Run run }
	// remember stores the mark of a schedule: its runs up to a time are done.
	remember struct{ Mark mark }
	// forget deletes the mark of a schedule.
	forget struct{ ID string }

	// The others are for log, metrics and health.

	// booked reports the schedules that were read.
	booked struct{ Count, Running int }
	// noFile reports that there is no file yet.
	noFile struct{}
	// refused reports an entry of the file that is not a schedule.
	refused struct{ Reason string }
	// unfit reports a schedule that cannot run.
	unfit struct{ ID, Name, Problem string }
	// started reports a task that was started, Late after its run was due; failed one that
	// was not. RetryAt is set when another attempt follows.
	started struct {
		Run  run
		Late time.Duration
	}
	failed struct {
		Run     run
		Failure messages.Failure
		RetryAt time.Time
	}
	// missed reports runs that are skipped. A Count of maxCounted means that many or more.
	missed struct {
		ID, Name string
		Count    int
		First    time.Time
	}
	// tellHealth reports whether the file can be used.
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
