// Package starttask owns how tasks of Qlik Sense are started from outside: what a
// request says, which tasks it selects, who may start them, and the answer.
// REST, MQTT, schedules and the follow-up tasks of app reloads all come here.
//
// It guarantees that the allow-list and the tags that credentials are bound to
// hold for every way in; that a task is started at most once by a request,
// however many of its selectors find it, and a start is never repeated; that
// key-values are stored before anything is started, and nothing is started when
// they cannot be; that starts begin in the order by ID, by tag, by custom
// property; that every selector of a request is told of in its answer; and that
// Audit hears of everything that was done, and of everything that was denied.
// Requests are bounded in size and count, calls in time and number: all requests
// together never have more than Options.MaxConcurrent calls under way, and all
// that wait for executions share one look-up a second.
//
// Start blocks, for as long as the starts take and as long as the request waits:
// it is for goroutines that may wait, never for an actor. It must never start
// what nobody selected, and never show the caller what a port said: that is for Audit.
//
// Goroutines: one for each start under way, ended when Start returns.
package starttask

import (
	"context"
	"time"

	"butler/internal/apikey"
	"butler/messages"
)

// Repository is Qlik Sense as starting tasks needs it; *qrs.Client is the one in
// use. Its errors say what they mean, see messages.FailureOf; one that has a
// method Status tells with it whether there was an answer at all.
type Repository interface {
	// Tasks returns the tasks that exist. With an error, what it returns is
	// right, and nothing is known of the rest.
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
	// KeyValues is nil when the endpoints of the key-value store are not enabled:
	// pairs are passed over with a warning then.
	KeyValues KeyValues
	Filter    Filter
	// Audit is told what happens; it may be called from several goroutines at
	// once, and must not block. It may be nil.
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
	// Timeout bounds a request without its waiting: no call begins after it; 0 means 2 min.
	Timeout time.Duration
	// MaxTasks is how many tasks one request may start; 0 means 5,000. Nothing is
	// started by a request that selects more.
	MaxTasks int
	// MaxWait is how long a request may wait for executions; 0 means 10 min.
	MaxWait time.Duration
	// MaxWatched is how many executions may be waited for at once; 0 means 10,000.
	// A request that wants more does not wait.
	MaxWatched int
	// PollEvery is the pause between two look-ups of those that wait; 0 means 1 s.
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

// Way is a way in.
type Way string

// The ways in.
const (
	ByREST     Way = "rest"
	ByMQTT     Way = "mqtt"
	BySchedule Way = "schedule"
	ByReload   Way = "reload"
)

// Caller is on whose behalf tasks are started.
type Caller struct {
	// Principal says what it may do; the zero value may do nothing. Starting needs
	// apikey.Start, and storing key-values apikey.KV as well.
	apikey.Principal
	Way Way
	// From is where the request came from, such as an address, a topic or the ID
	// of a schedule. It is for the audit.
	From string
}
