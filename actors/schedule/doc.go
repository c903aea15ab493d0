// Package schedule owns the schedules that start tasks: their list, their state and
// their due times. They are stored in the schedule file, which only this actor and
// people with an editor write.
//
// It guarantees that a change is answered only after it is in the file, and that
// changes are made one after the other. When somebody has edited the file, it is read
// again and the change is made on top of that. A file that cannot be read at the start
// is read again until it can be. A schedule that cannot run is kept in the file, stopped
// and reported, and does not affect the others. After a restart a schedule has its last
// known state, or else its startup state. A scheduler that is switched off writes
// nothing and starts no task.
//
// When runs were missed because the process was down, the computer slept or the clock
// was set forward, the latest of them is run once if it is at most five minutes late;
// the others are skipped and logged. A schedule that was stopped or did not exist then
// has missed nothing. A start that fails temporarily is retried a few times. A run is
// recorded as done when its task was started or it was given up, so a crash in between
// repeats it: a task is rather started twice than not at all. Runs may overlap; the Qlik
// scheduler decides what that means for a task.
//
// It must never block, and never start a task except through Options.Start. Calls to
// the file and to the starter run on goroutines of actorkit.Effects, bounded by pools;
// their results are dropped when the actor stops.
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

// Store is the schedule file; *schedulefile.File implements it.
type Store interface {
	Load(ctx context.Context) (messages.ScheduleBook, error)
	// Save makes the change if the file still has the revision; otherwise it changes
	// nothing and saved is false. It returns the content of the file after that.
	Save(ctx context.Context, change messages.ScheduleChange, revision string) (book messages.ScheduleBook, saved bool, err error)
}

// Options configure the scheduler. Kit is required, and Start with a Store.
type Options struct {
	Kit *actorkit.Kit
	// Store holds the schedules. Nil switches the scheduler off: it has no schedules and
	// refuses changes.
	Store Store
	// Start starts the task of a schedule. Its error is classified by messages.FailureOf:
	// one that is not a messages.Failure and has none counts as temporary.
	Start func(ctx context.Context, scheduleID, taskID string) error
	// Ledger stores which runs are done. Without one, runs that were missed while the
	// process was down are not noticed.
	Ledger Ledger
	// Zone is the time zone of schedules that name none; nil means the local one.
	Zone *time.Location
	// Log may be nil.
	Log *zap.Logger
	// Metrics may be nil.
	Metrics *Metrics
	// OnHealth is called with whether the file can be read and written, and why not, when
	// that is first known and then on every change. It must not block. It may be nil.
	OnHealth func(up bool, reason string)
	// OnStarts is called with the schedules whose newest run could not start its task, and
	// why, or "" when there are none: at the start and on every change. It must not block.
	// It may be nil.
	OnStarts func(reason string)
	// NewID returns the ID of a new schedule; nil means random GUIDs.
	NewID func() string
	// Rand is the source of jitter; nil means a new one.
	Rand *rand.Rand
	Rules
}

// Rules are the limits of the scheduler. Zero fields mean the defaults.
type Rules struct {
	// Attempts is the number of attempts to start a task; 0 means 5.
	Attempts int
	// Retry is the back-off after a failed attempt; the zero value means 2 s to 1 min.
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
	// maxRaces is how often a change is tried again because the file was edited meanwhile.
	maxRaces = 5
)
