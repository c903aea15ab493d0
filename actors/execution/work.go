package execution

import (
	"time"

	"butler/internal/destination"
	"butler/internal/qlik"
	"butler/internal/trail"
	"butler/messages"
)

// work is one event on its way to a decision.
type work struct {
	id     int
	at     messages.EventPosition
	phase  phase
	token  int
	bare   bool
	placed bool // the event's record waits for this work

	// alert is drafted from the event on, and frozen once it is decided. Its
	// kind comes with the task.
	alert *messages.Alert
	needs destination.Needs

	deadline time.Time
	waiting  []lookup       // outstanding look-ups
	failed   []request      // look-ups to repeat when RetryDue comes
	looked   []trail.Lookup // what was answered, for the trail

	finalLeft  int
	finalState bool
	attachment string
	missing    []string

	follow following
	poll   int // the newest look at a followed task
	// pollAt is when the task is looked at next, giveUpAt when it is not followed any longer.
	pollAt, giveUpAt time.Time
}

// following is what is remembered of a distribute task while it runs.
type following struct {
	Since    time.Time            `json:"since"`
	ResultID string               `json:"resultId,omitempty"`
	Status   qlik.ExecutionStatus `json:"status"`
}

type phase uint8

const (
	phaseTask phase = iota
	phaseFollow
	phaseEnrich
	phaseRecord
)

// lookup is one that an answer is waited for.
type lookup struct {
	attempt int
	what    request
	asked   time.Time
}

// request names a look-up.
type request uint8

const (
	askTask request = iota
	askApp
	askOwner
	askExecution
	askScriptLog
)

var requestNames = [...]string{"task", "app", "app owner", "execution result", "script log"}
