// Package schedule owns the schedules that start tasks by the clock: which
// there are, which of them run, and when each is due. The schedule file is the
// truth; the actor is its only writer beside the people who edit it.
//
// It guarantees that a change is answered when it is in the file and not before,
// and that changes happen one after the other; that a file which somebody has
// edited is read again, and the change made on top of it; that one which cannot
// be read at the start is read again until it can be; that a schedule which
// cannot run is kept, stopped and told of, and stops no other; that the state a
// schedule had last counts after a restart, or else its startup state; and that
// nothing is written, and no task started, when the scheduler is switched off.
//
// Of the runs that were missed because the process was down, the machine slept
// or the clock was set forward, the latest is made up for once when it is no
// older than five minutes; the others are skipped and logged. A schedule that was
// stopped or did not exist then has missed nothing. A run whose start fails in a
// way that may pass is tried again a few times. It counts as done when it is
// started or given up, so a crash in between repeats it: a task is rather
// started twice than not at all. Runs may overlap; the Qlik scheduler decides
// what that means for a task.
//
// It must never block, and never start a task outside of Options.Start. Calls to
// the file and to the starter run on goroutines of actorkit.Effects, bounded by
// pools, and their answers are dropped when the actor ends.
package schedule

import (
	"context"
	"math/rand/v2"
	"time"

	"go.uber.org/zap"

	"butler/internal/actorkit"
	"butler/internal/backoff"
	"butler/messages"
)

// Store is the schedule file; *schedulefile.File is the one in use.
type Store interface {
	Load(ctx context.Context) (messages.ScheduleBook, error)
	// Save makes the change if the file has the revision. Otherwise it changes
	// nothing and saved is false. It returns what the file holds then.
	Save(ctx context.Context, change messages.ScheduleChange, revision string) (book messages.ScheduleBook, saved bool, err error)
}

// Options configure the scheduler. Kit is required, and Start with a Store.
type Options struct {
	Kit *actorkit.Kit
	// Store holds the schedules; nil switches the scheduler off: there are no
	// schedules then, and changes are refused.
	Store Store
	// Start starts the task of a schedule. Its errors say what they mean: they are a
	// messages.Failure, or have a method that returns one; any other error means
	// that Qlik Sense is out of reach.
	Start func(ctx context.Context, scheduleID, taskID string) error
	// Ledger remembers which runs are done; without it, none are made up for
	// after a restart. *journal.Ledger is the one in use.
	Ledger Ledger
	// Zone is that of schedules in the file that name none; nil means that of the machine.
	Zone *time.Location
	// Log may be nil.
	Log *zap.Logger
	// Metrics may be nil.
	Metrics *Metrics
	// OnHealth is told whether the file can be read and written, and why not:
	// first when that is known, then on every change. It must not block. It may be nil.
	OnHealth func(up bool, reason string)
	// OnStarts is told which schedules could not start their tasks at their newest run,
	// and why, "" when all could: at the start and on every change. It must not block.
	// It may be nil.
	OnStarts func(reason string)
	// NewID makes the IDs of new schedules; nil means random GUIDs.
	NewID func() string
	// Rand is where jitter comes from; nil means a source of its own.
	Rand *rand.Rand
	Rules
}

// Rules are the numbers of the scheduler. The zero value means the defaults.
type Rules struct {
	// Attempts is how often a task is tried to be started; 0 means 5.
	Attempts int
	// Retry is the pause after a failed attempt; the zero value means 2 s to 1 min, growing.
	Retry backoff.Policy
	// Timeout bounds one attempt; 0 means 30 s.
	Timeout time.Duration
	// MaxConcurrent is how many attempts run at once; 0 means 8.
	MaxConcurrent int
}

func (r Rules) withDefaults() Rules {
	if r.Attempts <= 0 {
		r.Attempts = 5
	}
	if r.Retry == (backoff.Policy{}) {
		r.Retry = backoff.Policy{Base: 8 * time.Second, Max: time.Minute, Min: 2 * time.Second}
	}
	if r.Timeout <= 0 {
		r.Timeout = 30 * time.Second
	}
	if r.MaxConcurrent <= 0 {
		r.MaxConcurrent = 8
	}
	return r
}

const (
	// maxSchedules is how many schedules may be created.
	maxSchedules = 10_000
	// maxWaiting is how many changes may wait for the file.
	maxWaiting = 1000
	// maxRaces is how often a change meets a file that was changed once more before it is refused.
	maxRaces = 5
)
