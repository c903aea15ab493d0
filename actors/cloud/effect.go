package cloud

import (
	"time"

	"butler/internal/destination"
	"butler/messages"
)

// effect is what the machine wants done.
type effect interface{ effect() }

// store makes an event durable, and answers stored.
type store struct {
	key   string
	event messages.CloudEvent
}

// reply answers the sender of an event.
type reply struct {
	to messages.Ref
	messages.AcceptCloudEventReply
}

// ask makes a look-up, which may take timeout, and answers answered.
type ask struct {
	key     string
	what    question
	event   messages.CloudEvent
	timeout time.Duration
}

// record makes a decision durable together with the mark that it was made, and
// answers recorded, or tooLarge.
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
	// reason is that of the quarantine, detail says it in words.
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
	without []destination.Verdict
}

// called counts a look-up.
type called struct {
	what    question
	failure messages.Failure
}

// health is the state of the tenant, when it changes.
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

// The outcomes of a decision, labels from a closed set.
const (
	outcomeAlerted    = "alerted"
	outcomeNobodyTold = "nobody_told"
	outcomeNoRoute    = "no_route"
	outcomeAbandoned  = "abandoned"
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

// questions is the one table of look-ups: a label, and what it is for people.
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
	// stored: the event is durable.
	stored struct{ key string }
	// answered brings what a look-up found, or why it did not.
	answered struct {
		key     string
		what    question
		answer  any
		failure messages.Failure
		after   time.Duration // what the tenant wants to be left alone for
	}
	// recorded: the decision is durable.
	recorded struct{ key string }
	// tooLarge: the journal will never take the decision as it is.
	tooLarge struct{ key string }
	// tick: time has passed.
	tick struct{}
)
