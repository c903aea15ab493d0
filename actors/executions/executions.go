// Package executions owns the way from the journal to the executions: one
// consumer of the events log, shards that know what was seen, and the execution
// actors below them. An execution that need not wait for anything is decided at a
// desk and gets no actor.
//
// It guarantees that
//   - an event's record is acknowledged only when every event in it is handled,
//     whatever crashes in between: an execution, a shard, the owner of the
//     consumer or the process;
//   - events of one execution are handled in order, by one actor where it takes one;
//   - an execution that only waits for its next look at a distribute task has no
//     actor until then, and that is all the difference;
//   - a repetition of an event within its time is counted, once, and not alerted;
//   - an execution which crashes is tried again from the journal, the fifth time
//     from the event alone, and no more after the sixth crash. Crashes are
//     counted on disk, and a crash of the process with them; a process that was
//     killed blames nobody;
//   - an event that is given up, or cannot be read back, is in the quarantine
//     before it is let go, and a snapshot of followed tasks that cannot be
//     resumed becomes an alert, or is in the quarantine as found. Both are errors
//     in the log and in a metric that must stay 0.
//
// One goroutine, the pump, waits for the records of the queue. It ends when the
// owner of the consumer stops, and that of its successor begins after that.
//
// It must never decide what an event means, and never look anything up. The
// machine of a shard and the book of its parent decide; actors carry out.
package executions

import (
	"context"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"go.uber.org/zap"

	"butler/internal/actorkit"
	"butler/internal/journal"
	"butler/internal/trail"
	"butler/messages"
)

// Queue is the durable queue of event batches; *journal.Queue is the one in use.
type Queue interface {
	Next(ctx context.Context) (journal.Record, error)
	Ack(seqs ...journal.Seq)
	Floor() journal.Seq
}

// Ledger is the durable memory of the shards; *journal.Ledger is the one in use.
type Ledger interface {
	Commit(ops []journal.Op, done func(error))
	Range(b journal.Bucket, visit func(key string, value []byte) bool) error
	Get(b journal.Bucket, key string) ([]byte, bool, error)
}

// Desk decides about executions of one event that wait for nothing but answers;
// *execution.Desk is the one in use. A shard has one of its own.
type Desk interface {
	// Decide takes up the first event of an execution. A decision is kept for Record,
	// a question for Ask.
	Decide(now time.Time, first *messages.TaskEventObserved) messages.Ruling
	// Record makes what was decided since the last time durable as one, and calls
	// done then, or with an error when it can never be. It does not block.
	Record(done func(error))
	WaitingRoom
}

// WaitingRoom holds the executions that wait at a desk.
type WaitingRoom interface {
	// Answer goes on with the execution that waits for a reply, if there is one.
	Answer(now time.Time, reply any) (messages.Ruling, bool)
	// Tick goes on with the executions whose time has come, and Next says when to call
	// it; the zero time is never.
	Tick(now time.Time, rule func(messages.Ruling))
	Next() time.Time
	// Withdraw forgets an execution that waits.
	Withdraw(messages.ExecutionKey)
	// Ask sends the questions that were kept. The replies come to the shard.
	Ask()
}

// Quarantine keeps for an operator what ended without a decision. Keep does not
// block and is safe for concurrent use. What it keeps is durable before anything
// that the ledger is given afterwards, such as the place of the consumer.
type Quarantine interface {
	Keep(messages.QuarantinedDatagram)
}

// Decode turns a journal entry back into an event, one at a time.
type Decode func(entry []byte) (messages.TaskEvent, error)

// Options configure the actor and its shards.
type Options struct {
	Kit        *actorkit.Kit
	Queue      Queue
	Ledger     Ledger
	Quarantine Quarantine
	Decode     Decode
	Log        *zap.Logger
	Metrics    *Metrics
	// Shards is the number of partitions.
	Shards int
	// Deduplicate makes the execution ID the identity of an execution; otherwise
	// every event is an execution of its own.
	Deduplicate bool
	// Crashed reports that the process before this one crashed by itself, perhaps
	// because of an execution that was on trial.
	Crashed bool
	// Rush reports that the intake needs the processor more than decisions do, which
	// can wait a moment on disk; nil means never. It is safe for concurrent use.
	Rush func() bool
	// Trail notes duplicates; nil notes nothing.
	Trail *trail.Trail
	// PollsAtOnce is how many executions a shard wakes at once to look at the
	// distribute tasks that they follow.
	PollsAtOnce int
	// Spread draws how long after a start a task is looked at that was followed before.
	Spread func() time.Duration
	// Asleep counts tasks that are followed by executions without an actor. It is
	// safe for concurrent use.
	Asleep func(more int)
	// Desk returns a desk, which saves most executions an actor, for a life of the
	// shard at self.
	Desk func(self messages.Ref, life int) Desk
	// Execution describes the actor of an execution.
	Execution *actor.Props
	// Supervise is the strategy for the shards and for the executions below them.
	Supervise, SuperviseExecution actor.SupervisorStrategy
}

// Props describes the actor that owns the consumer.
func (o *Options) Props() *actor.Props {
	common := newShared(o.Shards)
	return o.Kit.Props("executions", func() actor.Actor { return &executions{opts: o, shared: common} },
		actor.WithSupervisor(o.Supervise))
}
