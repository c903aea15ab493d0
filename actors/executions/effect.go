package executions

import (
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
	}
)

// tell passes on that an event needs no more attention.
type tell struct{ messages.EventHandled }

// commit changes the ledger. When it is durable, the machine gets a recalled for
// every execution in then.
type commit struct {
	ops  []journal.Op
	then []messages.ExecutionKey
}

// commitAtOnce bounds the executions in one commit.
const commitAtOnce = 1024

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

func (spawn) effect()   {}
func (end) effect()     {}
func (resume) effect()  {}
func (observe) effect() {}
func (tell) effect()    {}
func (commit) effect()  {}
func (giveUp) effect()  {}
func (count) effect()   {}
func (forgot) effect()  {}
