package execution

import (
	"time"

	"butler/internal/destination"
	"butler/internal/qlik"
	"butler/internal/trail"
	"butler/messages"
)

// work is one event on its way to a decision. Effects and messages name it by its
// id, as Work.
//
// Messages come late. These numbers tell which of them still count:
//
//	id       of the work; once it is removed, whatever names it is ignored
//	token    of the step that it is in; a new one invalidates the timers and the
//	         record of the step before
//	poll     of the newest poll that was planned; invalidates the earlier ones only
//	attempt  of a look-up, counted by the machine; an answer that nobody waits for
//	         is ignored
type work struct {
	id     int
	at     messages.EventPosition
	phase  phase
	token  int
	bare   bool
	placed bool // the event has to be reported as handled

	// alert is filled in while the work goes on, and frozen once it is decided. Its
	// kind is set when the task is known.
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
	poll   int // number of the newest poll
	// pollAt is when the task is polled next, giveUpAt when it is given up.
	pollAt, giveUpAt time.Time
}

// following is the state of a distribute task that is followed.
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

// lookup is a look-up that has no answer yet.
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
