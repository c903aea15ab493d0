// Package executions owns the way from the journal to the executions: the
// consumer of the events log, the shards among which executions are divided by
// their key, and the execution actors below them. A shard decides most executions
// itself, on its fast path, without an actor.
//
// It guarantees that
//   - an event's record is acknowledged only when every event in it is handled,
//     whatever crashes in between: an execution, a shard, the owner of the
//     consumer or the process;
//   - events of one execution are handled in order, by at most one actor;
//   - an execution that only waits for its next poll of a distribute task has no
//     actor until then, and behaves as if it had one;
//   - an event that repeats another one within the time for which that is
//     remembered is counted once and alerts nobody;
//   - an execution that crashes is tried again from the journal: after five
//     crashes from the event alone, after six not at all. Crashes are counted on
//     disk. A crash of the process counts as one of the executions that were being
//     retried; a process that was killed does not;
//   - an event that is given up or cannot be decoded is in the quarantine before
//     it is acknowledged, and a snapshot that cannot be resumed becomes an alert or
//     goes to the quarantine as it is. Both are errors in the log and in a metric
//     that must stay 0.
//
// One goroutine, the pump, waits for the records of the queue. It ends when the
// owner of the consumer stops; the pump of its successor waits for that.
//
// The package must never decide what an event means, and never look anything up.
// The machine of a shard and the book of its parent decide; the actors carry out.
package executions

import (
	"context"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"go.uber.org/zap"

	"butler/internal/actorkit"
	"butler/internal/fastpath"
	"butler/internal/journal"
	"butler/internal/trail"
	"butler/messages"
)

// Queue is the durable queue of event batches; *journal.Queue is the one in use.
type Queue interface {
	Next(ctx context.Context) (journal.Record, error)
	Ack(seqs ...journal.Seq)
	Floor() journal.Seq
	Found() journal.Seq
}

// Ledger is the durable memory of the shards; *journal.Ledger is the one in use.
type Ledger interface {
	Commit(ops []journal.Op, done func(error))
	Range(b journal.Bucket, visit func(key string, value []byte) bool) error
	Get(b journal.Bucket, key string) ([]byte, bool, error)
}

// FastPath decides executions that have one event and need nothing but look-ups,
// without an actor; *execution.FastPath is the one in use. Every shard has its own.
type FastPath interface {
	// Decide begins with the first event of an execution. It collects a decision
	// for Record and look-ups for Ask.
	Decide(now time.Time, first *messages.TaskEventObserved) fastpath.Ruling
	// Record commits the decisions collected since the last call as one. It calls
	// done when they are durable, or with an error when they can never be. It does
	// not block.
	Record(done func(error))
	Pending
}

// Pending holds the executions that wait on a fast path for answers.
type Pending interface {
	// Answer continues the execution that waits for a reply, if there is one.
	Answer(now time.Time, reply any) (fastpath.Ruling, bool)
	// Tick continues the executions whose timers are due. Next returns when to call
	// it; the zero time is never.
	Tick(now time.Time, rule func(fastpath.Ruling))
	Next() time.Time
	// Withdraw removes an execution that waits.
	Withdraw(messages.ExecutionKey)
	// Ask sends the look-ups collected since the last call. The replies come to the shard.
	Ask()
}

// Quarantine keeps, for an operator, events that ended without a decision. Keep
// does not block and is safe for concurrent use. What it keeps is durable before
// anything committed to the ledger later, such as the position of the consumer.
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
	// Crashed reports that the previous process crashed and was not killed. An
	// execution that it was retrying may be the cause.
	Crashed bool
	// Burst reports that the intake needs the processor now, for a burst of datagrams:
	// events that are on disk can wait, datagrams in the kernel cannot. Nil means never.
	// It is safe for concurrent use.
	Burst func() bool
	// Trail notes duplicates; nil notes nothing.
	Trail *trail.Trail
	// PollsAtOnce bounds the executions of a shard that are awake at one time to
	// poll the distribute tasks that they follow.
	PollsAtOnce int
	// Spread returns a random delay, after a start, until the first poll of a task
	// that was already being followed.
	Spread func() time.Duration
	// Asleep adds to the number of tasks that are followed by executions without an
	// actor. It is safe for concurrent use.
	Asleep func(more int)
	// FastPath returns the fast path for a life of the shard at self.
	FastPath func(self messages.Ref, life int) FastPath
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
