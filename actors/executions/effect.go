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

// decide hands the first event of an execution to the fast path.
type decide struct {
	event *messages.PlacedEvent
	entry *entry
}

// withdraw removes an execution that waits on the fast path.
type withdraw struct{ key messages.ExecutionKey }

// decision is one of the fast path about the event of an execution, on its way to
// disk. The entry stays in the machine until it is there.
type decision struct {
	event *messages.PlacedEvent
	entry *entry
	seen  messages.Seen
}

// acknowledge reports an event as handled to the owner of the consumer.
type acknowledge struct{ at messages.EventPosition }

// commit changes the ledger. When it is durable, the machine gets a recalled for
// every execution in then.
type commit struct {
	ops  []journal.Op
	then []messages.ExecutionKey
}

// commitAtOnce bounds the executions in one commit, decideAtOnce the decisions:
// even the largest possible ones fit into one journal record.
const (
	commitAtOnce = 1024
	decideAtOnce = 32
)

// giveUp moves the events and the snapshot of an execution that crashed too often
// to the quarantine.
type giveUp struct {
	key      messages.ExecutionKey
	crashes  int
	events   []*messages.PlacedEvent
	snapshot []byte // nil when nothing was followed
}

// countDuplicate counts a repeated event, countForgotten executions that need not
// be remembered any longer.
type (
	countDuplicate struct{ event *messages.PlacedEvent }
	countForgotten struct{ executions int }
)

func (spawn) effect()          {}
func (end) effect()            {}
func (resume) effect()         {}
func (observe) effect()        {}
func (decide) effect()         {}
func (withdraw) effect()       {}
func (acknowledge) effect()    {}
func (commit) effect()         {}
func (giveUp) effect()         {}
func (countDuplicate) effect() {}
func (countForgotten) effect() {}
