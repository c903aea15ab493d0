package executions

import (
	"time"

	"butler/internal/journal"
	"butler/messages"
)

// effect is what the machine of a shard wants done.
type effect interface{ effect() }

// spawn starts the actor of an execution, end ends it.
type (
	spawn struct{ key messages.ExecutionKey }
	end   struct{ key messages.ExecutionKey }
)

// resume and observe are sent to the actor of an execution.
type (
	resume  struct{ messages.ResumeExecution }
	observe struct {
		event *messages.PlacedEvent
		seen  messages.Seen
		bare  bool
		since time.Time
	}
)

// decide offers the desk the first event of an execution.
type decide struct {
	event *messages.PlacedEvent
	entry *entry
}

// withdraw lets the desk forget an execution that waits there.
type withdraw struct{ key messages.ExecutionKey }

// ruling is what the desk has decided about the event of an execution. Its entry
// stays that of the execution until the ruling is on disk.
type ruling struct {
	event *messages.PlacedEvent
	entry *entry
	seen  messages.Seen
}

// tell passes on that an event needs no more attention.
type tell struct{ at messages.EventPosition }

// commit changes the ledger. When it is durable, the machine gets a recalled for
// every execution in then.
type commit struct {
	ops  []journal.Op
	then []messages.ExecutionKey
}

// commitAtOnce bounds the executions in one commit, decideAtOnce the decisions:
// as many as fit a journal record even when all of them are as large as can be.
const (
	commitAtOnce = 1024
	decideAtOnce = 32
)

// giveUp keeps for an operator what an execution was about that is not tried any more.
type giveUp struct {
	key      messages.ExecutionKey
	crashes  int
	events   []*messages.PlacedEvent
	snapshot []byte // nil when nothing was followed
}

// count counts a repetition, forgot what is not remembered any more.
type (
	count  struct{ event *messages.PlacedEvent }
	forgot struct{ executions int }
)

func (spawn) effect()    {}
func (end) effect()      {}
func (resume) effect()   {}
func (observe) effect()  {}
func (decide) effect()   {}
func (withdraw) effect() {}
func (tell) effect()     {}
func (commit) effect()   {}
func (giveUp) effect()   {}
func (count) effect()    {}
func (forgot) effect()   {}
