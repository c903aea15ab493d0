package cloud

import (
	"time"

	"butler/internal/destination"
	"butler/messages"
)

// effect is an action that the machine requests.
type effect interface{ effect() }

// store makes an event durable, which results in stored.
type store struct {
	key   string
	event messages.CloudEvent
}

// reply answers the sender of an event.
type reply struct {
	to messages.Ref
	messages.AcceptCloudEventReply
}

// ask makes a look-up of at most timeout, which results in answered.
type ask struct {
	key     string
	what    question
	event   messages.CloudEvent
	timeout time.Duration
}

// record makes a decision durable together with the mark that the reload is decided,
// which results in recorded or tooLarge.
type record struct {
	key        string
	alert      *messages.Alert
	attachment string
	notices    []messages.NoticeHead
	until      time.Time
}

// abandon moves an event that cannot be handled to the quarantine, and marks its
// reload as decided.
type abandon struct {
	key   string
	event messages.CloudEvent
	until time.Time
	// reason is the code for the quarantine, detail the explanation.
	reason, detail string
}

// forget removes expired marks.
type forget struct{ keys []string }

// told is a decision, for the log, the metrics and the trail.
type told struct {
	at      time.Time
	alert   *messages.Alert
	outcome string
	notices []messages.NoticeHead
	without []destination.Omission
}

// called counts a look-up.
type called struct {
	what    question
	failure messages.Failure
}

// health reports a change of the state of the tenant.
type health struct {
	up     bool
	reason string
}

func (store) effect()   {}
func (reply) effect()   {}
func (ask) effect()     {}
func (record) effect()  {}
func (abandon) effect() {}
func (forget) effect()  {}
func (told) effect()    {}
func (called) effect()  {}
func (health) effect()  {}

// The outcomes of a decision, label values from a closed set.
const (
	outcomeAlerted        = "alerted"
	outcomeNobodyNotified = "nobody_notified"
	outcomeNoRoute        = "no_route"
	outcomeAbandoned      = "abandoned"
)

// question is one look-up.
type question uint8

const (
	askScriptLog question = iota
	askRecord
	askApp
	askItem
	askOwner
	askUser
)

// questions holds the metrics label and the description of every look-up.
var questions = [...]struct{ label, text string }{
	askScriptLog: {"script_log", "the script log"},
	askRecord:    {"reload", "the details of the reload"},
	askApp:       {"app", "the details of the app"},
	askItem:      {"item", "tags and size of the app"},
	askOwner:     {"owner", "the app owner"},
	askUser:      {"user", "the user who reloaded"},
}

// Inputs of the machine from the actor.
type (
	// stored says that the event is durable.
	stored struct{ key string }
	// answered is the result of a look-up, or its failure.
	answered struct {
		key     string
		what    question
		answer  any
		failure messages.Failure
		after   time.Duration // the pause that the tenant requests
	}
	// recorded says that the decision is durable.
	recorded struct{ key string }
	// tooLarge says that the decision is too large for the journal.
	tooLarge struct{ key string }
	// tick says that time has passed.
	tick struct{}
)
