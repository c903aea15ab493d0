package execution

import (
	"fmt"
	"time"

	"go.uber.org/zap/zapcore"

	"butler/internal/destination"
	"butler/internal/outbox"
	"butler/internal/qlik"
	"butler/internal/trail"
	"butler/messages"
)

// Effect is what a machine wants done.
type Effect interface{ effect() }

// Ask sends a look-up to qrsgate.
type Ask struct{ Command any }

// Arm sends Message to the machine at At. It replaces the same timer of the same work.
type Arm struct {
	Work    int
	Timer   timer
	At      time.Time
	Message any
}

// timer names one of the timers of a work.
type timer uint8

const (
	timerDegrade timer = iota
	timerRetry
	timerPoll
	timerGiveUp
)

// Record commits a decision, and is answered with DecisionRecorded{Work, Token}
// unless Work is 0. A nil State means that there is nothing to resume; with
// HadState an earlier state has to be deleted then.
type Record struct {
	Work     int
	Token    int
	Key      messages.ExecutionKey
	Decision outbox.Decision
	Seen     messages.Seen
	State    []byte
	HadState bool
}

// Handled tells the shard that an event is handled.
type Handled struct{ messages.EventHandled }

// Finish tells the shard that this actor has nothing more to do.
type Finish struct{ messages.ExecutionFinished }

// Sleep tells the shard that this actor has nothing to do until its next poll.
type Sleep struct{ messages.ExecutionAsleep }

// Report is the outcome of an event, for the log, the metrics and the trail.
type Report struct {
	At time.Time
	// Alert holds the event and what is known of the task; it has a kind only
	// where the event led to one.
	Alert   *messages.Alert
	Outcome Outcome
	// Notices go to those who are told. Without says why others are not.
	Notices []messages.NoticeHead
	Without []destination.Omission
	// Place is the position of the event, Lookups what was looked up for it.
	Place   messages.EventPosition
	Lookups []trail.Lookup
}

func (Ask) effect()     {}
func (Arm) effect()     {}
func (*Record) effect() {}
func (Handled) effect() {}
func (Finish) effect()  {}
func (Sleep) effect()   {}
func (*Report) effect() {}

// Outcome says what became of an event.
type Outcome uint8

// The outcomes of an event, the labels of butler_events_processed_total.
const (
	// OutcomeAlerted: at least one notice was recorded.
	OutcomeAlerted Outcome = iota
	// OutcomeNobodyNotified: destinations carry the alert, but each has a reason not to send it.
	OutcomeNobodyNotified
	// OutcomeNoRoute: no destination carries the alert.
	OutcomeNoRoute
	// OutcomeLogOnly: the event alerts nobody by definition (an aborted task that is no reload).
	OutcomeLogOnly
	// OutcomeAlreadyAlerted: another event of the execution has led to the same alert, or told how the execution ended.
	OutcomeAlreadyAlerted
	// OutcomeFollowing: the distribute task runs on and is followed.
	OutcomeFollowing
	// OutcomeTaskNotFound: the QRS says that the task does not exist.
	OutcomeTaskNotFound
	// OutcomeUnknownType: the task is of a type that we do not know.
	OutcomeUnknownType
	// OutcomeNotDistribute: a distribute message names a task of another type.
	OutcomeNotDistribute
	// OutcomeUnexpectedStatus: a distribute task is in a state that is neither running nor an outcome.
	OutcomeUnexpectedStatus
	// OutcomeAbandoned: a distribute task was followed for too long; an alert follows.
	OutcomeAbandoned
)

// outcomes is the one table of outcomes: label, log sentence and log level.
var outcomes = [...]struct {
	label, text string
	level       zapcore.Level
}{
	OutcomeAlerted:          {"alerted", "alert decided", zapcore.InfoLevel},
	OutcomeNobodyNotified:   {"nobody_notified", "alert decided, nobody is notified", zapcore.InfoLevel},
	OutcomeNoRoute:          {trail.NoRoute, "event handled, no destination carries it", zapcore.InfoLevel},
	OutcomeLogOnly:          {"log_only", "event handled, no alert exists for this kind of task", zapcore.InfoLevel},
	OutcomeAlreadyAlerted:   {string(trail.AlreadyAlerted), "event handled, the execution was alerted before", zapcore.DebugLevel},
	OutcomeFollowing:        {string(trail.Following), "distribute task is followed until it ends", zapcore.InfoLevel},
	OutcomeTaskNotFound:     {"task_not_found", "event dropped, the task does not exist", zapcore.WarnLevel},
	OutcomeUnknownType:      {"unknown_task_type", "event dropped, the task type is not known", zapcore.WarnLevel},
	OutcomeNotDistribute:    {"not_distribute", "event dropped, the task is not a distribute task", zapcore.WarnLevel},
	OutcomeUnexpectedStatus: {"unexpected_status", "event dropped, the distribute task is in an unexpected state", zapcore.WarnLevel},
	OutcomeAbandoned:        {"abandoned", "distribute task never ended, following stops", zapcore.WarnLevel},
}

// String returns the label form.
func (o Outcome) String() string { return outcomes[o].label }

// level is the log level of the line about t. A success for which there is no route,
// which is the ordinary case, is logged at debug level only.
func (t *Report) level() zapcore.Level {
	succeeded := t.Alert.Event.Family == messages.FamilySucceeded ||
		t.Alert.Event.Family == messages.FamilyDistribute && t.Alert.Task.LastStatus.Phase() == qlik.PhaseSucceeded
	if t.Outcome == OutcomeNoRoute && succeeded {
		return zapcore.DebugLevel
	}
	return outcomes[t.Outcome].level
}

// failures are the look-ups that failed, and why.
func (t *Report) failures() []string {
	var out []string
	for _, l := range t.Lookups {
		if l.Failure != "" {
			out = append(out, l.What+": "+l.Failure)
		}
	}
	return out
}

// found says, for an unexpected outcome, what the QRS said of the task; "" otherwise.
func (t *Report) found() string {
	task := &t.Alert.Task
	switch t.Outcome {
	case OutcomeUnknownType:
		if task.Type == qlik.TaskTypeUnknown {
			return "its type cannot be read"
		}
		return fmt.Sprintf("its type is %d", int(task.Type))
	case OutcomeNotDistribute:
		if task.TypeMissing {
			return "it has no type"
		}
		return "it is of type " + task.Type.String()
	case OutcomeUnexpectedStatus:
		if task.LastStatus == qlik.StatusUnknown {
			return "it has no execution result that can be read"
		}
		return "its state is " + task.LastStatus.String()
	default:
		return ""
	}
}
