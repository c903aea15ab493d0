// Package starttask owns how tasks of Qlik Sense are started from outside: what a
// request says, which tasks it selects, who may start them, and the answer.
// REST, MQTT, schedules and the follow-up tasks of app reloads all come here.
//
// It guarantees that the allow-list and the tags that credentials are bound to
// apply however a request comes in; that a request starts a task at most once,
// however many of its selectors find it, and never repeats a start; that key-values
// are stored before anything is started, and nothing is started if that fails; that
// starts begin in the order by ID, by tag, by custom property; that the answer
// accounts for every selector of the request; and that Audit gets everything that
// was done, and everything that was denied. Requests are bounded in size and count,
// calls in time and number: all requests together never have more than
// Options.MaxConcurrent calls under way, and all that wait for executions share one
// look-up a second.
//
// Start blocks for as long as the starts take and the request waits: it is for
// goroutines that may block, never for an actor. It must never start a task that no
// selector finds, and never show the caller the text of an error from a port: that is
// for Audit.
//
// Goroutines: one for each start under way, ended when Start returns.
package starttask

import (
	"context"
	"time"

	"butler/internal/apikey"
	"butler/messages"
)

// Repository is the part of Qlik Sense that starting tasks needs; *qrs.Client
// implements it. messages.FailureOf classifies its errors. An error with a method
// Status returns the HTTP status of the answer, 0 when there was none.
type Repository interface {
	// Tasks returns the tasks that exist. With an error, the result is correct but
	// may be incomplete.
	Tasks(ctx context.Context, ids ...string) ([]messages.Task, error)
	TasksByTag(ctx context.Context, tag string) ([]messages.Task, error)
	// TasksByCustomProperty returns the tasks on which that property has that value.
	TasksByCustomProperty(ctx context.Context, name, value string) ([]messages.Task, error)
	StartTask(ctx context.Context, taskID string) error
}

// KeyValues is the key-value store. An error is a failure of the store itself;
// what it refuses is in the reply.
type KeyValues interface {
	Put(ctx context.Context, command messages.PutValue) (messages.PutValueReply, error)
}

// Options configure a Starter. Repository is required.
type Options struct {
	Repository Repository
	// KeyValues is nil when the endpoints of the key-value store are not enabled;
	// pairs are skipped with a warning then.
	KeyValues KeyValues
	Filter    Filter
	// Audit is called for every Event, possibly from several goroutines at once. It
	// must not block, and may be nil.
	Audit func(Event)
	// Metrics may be nil.
	Metrics *Metrics
	Limits
}

// Limits are the numbers of a Starter. The zero value means the defaults.
type Limits struct {
	// MaxConcurrent is how many calls all requests together have under way; 0 means 4.
	MaxConcurrent int
	// CallTimeout bounds one call; 0 means 30 s.
	CallTimeout time.Duration
	// Timeout bounds a request, except for the wait for executions: no call begins
	// after it; 0 means 2 min.
	Timeout time.Duration
	// MaxTasks is how many tasks one request may start; 0 means 5,000. A request that
	// selects more starts nothing.
	MaxTasks int
	// MaxWait is how long a request may wait for executions; 0 means 10 min.
	MaxWait time.Duration
	// MaxWatched is how many executions all requests together may wait for; 0 means
	// 10,000. A request beyond that does not wait.
	MaxWatched int
	// PollEvery is the pause between two look-ups of executions; 0 means 1 s.
	PollEvery time.Duration
}

func (l Limits) withDefaults() Limits {
	return Limits{
		MaxConcurrent: orDefault(l.MaxConcurrent, 4),
		CallTimeout:   orDefault(l.CallTimeout, 30*time.Second),
		Timeout:       orDefault(l.Timeout, 2*time.Minute),
		MaxTasks:      orDefault(l.MaxTasks, 5000),
		MaxWait:       orDefault(l.MaxWait, 10*time.Minute),
		MaxWatched:    orDefault(l.MaxWatched, 10_000),
		PollEvery:     orDefault(l.PollEvery, time.Second),
	}
}

func orDefault[N int | time.Duration](n, instead N) N {
	if n <= 0 {
		return instead
	}
	return n
}

// Way is how a request came in.
type Way string

// The ways.
const (
	ByREST     Way = "rest"
	ByMQTT     Way = "mqtt"
	BySchedule Way = "schedule"
	ByReload   Way = "reload"
)

// Caller is the one on whose behalf tasks are started.
type Caller struct {
	// Principal says what the caller may do; the zero value may do nothing. Starting
	// needs apikey.Start, and storing key-values apikey.KV as well.
	apikey.Principal
	Way Way
	// From is where the request came from, such as an address, a topic or the ID
	// of a schedule. It is for the audit.
	From string
}
