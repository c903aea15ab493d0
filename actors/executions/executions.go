// Package executions owns the way from the journal to the executions: one
// consumer of the events log, sixteen shards that know what was seen, and the
// execution actors below them.
//
// It guarantees that an event's record is acknowledged only when every event in
// it is handled, that events of one execution are handled in order by one actor,
// that a repetition of an event within its time is counted and not alerted, and
// that an execution which crashes is rebuilt from the journal: with less effort
// after the fifth time, and given up loudly after that. It must never decide
// what an event means, and never look anything up.
package executions

import (
	"cmp"
	"context"
	"fmt"
	"hash/maphash"
	"maps"
	"slices"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"go.uber.org/zap"

	"butler/internal/actorkit"
	"butler/internal/journal"
	"butler/internal/logx"
	"butler/messages"
)

// Queue is the durable queue of event batches; *journal.Queue is the one in use.
type Queue interface {
	Next(ctx context.Context) (journal.Record, error)
	Ack(seqs ...journal.Seq)
	Floor() journal.Seq
}

// Decode turns a journal entry back into an event.
type Decode func(entry []byte) (messages.TaskEvent, error)

// Options configure the actor and its shards.
type Options struct {
	Kit     *actorkit.Kit
	Queue   Queue
	Ledger  Ledger
	Decode  Decode
	Log     *zap.Logger
	Metrics *Metrics
	// Shards is the number of partitions.
	Shards int
	// Deduplicate makes the execution ID the identity of an execution; otherwise
	// every event is an execution of its own.
	Deduplicate bool
	// Execution describes the actor of an execution.
	Execution *actor.Props
	// Supervise is the strategy for the shards and for the executions below them.
	Supervise, SuperviseExecution actor.SupervisorStrategy
}

// Props describes the actor that owns the consumer.
func (o *Options) Props() *actor.Props {
	return o.Kit.Props("executions", func() actor.Actor { return &executions{opts: o, seed: maphash.MakeSeed()} },
		actor.WithSupervisor(o.Supervise))
}

type executions struct {
	opts   *Options
	seed   maphash.Seed
	shards []*actor.PID
	// lives are those the shards last announced, 0 for one that has not started:
	// what arrives for it is sent when it has.
	lives []int
	// open are the events that are not handled, by shard and place; left counts them by record.
	open   []map[messages.EventPosition]messages.PlacedEvent
	left   map[uint64]int
	cancel context.CancelFunc
}

// recordArrived brings one record of the queue.
type recordArrived struct{ record journal.Record }

// Receive implements actor.Actor.
func (x *executions) Receive(ctx actor.Context) {
	switch message := ctx.Message().(type) {
	case *actor.Started:
		x.begin(ctx)
	case *actor.Stopping, *actor.Restarting:
		if x.cancel != nil {
			x.cancel()
		}
	case messages.ShardStarted:
		x.lives[message.Shard] = message.Life
		x.resend(ctx, message.Shard)
	case recordArrived:
		x.arrived(ctx, message.record)
	case messages.EventHandled:
		x.handled(message)
	}
}

func (x *executions) begin(ctx actor.Context) {
	x.left = map[uint64]int{}
	x.open = make([]map[messages.EventPosition]messages.PlacedEvent, x.opts.Shards)
	x.shards = make([]*actor.PID, x.opts.Shards)
	x.lives = make([]int, x.opts.Shards)
	remembered, err := load(x.opts.Ledger, x.opts.Shards, x.shardOf)
	if err != nil {
		actorkit.Fail(err)
	}
	for i := range x.shards {
		x.open[i] = map[messages.EventPosition]messages.PlacedEvent{}
		pid, err := ctx.SpawnNamed(x.opts.shardProps(i, remembered[i], x.shardOf), fmt.Sprintf("shard-%02d", i))
		if err != nil {
			actorkit.Fail(fmt.Errorf("spawn shard %d: %w", i, err))
		}
		x.shards[i] = pid
	}
	pumping, cancel := context.WithCancel(context.Background())
	x.cancel = cancel
	go pump(pumping, x.opts.Queue, actorkit.Poster(ctx))
}

// pump is the one goroutine of the package: it moves records from the queue to
// the actor until the actor stops. The queue's own limit of unacknowledged
// records is the credit.
func pump(ctx context.Context, q Queue, post func(any)) {
	for {
		record, err := q.Next(ctx)
		if err != nil {
			return // stopping, or the journal is closed
		}
		post(recordArrived{record})
	}
}

// arrived sends every event of a record to its shard.
func (x *executions) arrived(ctx actor.Context, record journal.Record) {
	if record.Damage != nil {
		x.opts.Metrics.unreadable.Inc()
		x.opts.Log.Error("journal record is damaged, its events are lost", zap.Uint64("record", uint64(record.Seq)), logx.Err(record.Damage))
	}
	batches := map[int][]messages.PlacedEvent{}
	for i, entry := range record.Entries {
		at := messages.EventPosition{Seq: uint64(record.Seq), Index: uint32(i)}
		event, err := x.opts.Decode(entry)
		if err != nil {
			x.opts.Metrics.unreadable.Inc()
			x.opts.Log.Error("journalled event cannot be read, it is skipped",
				zap.Uint64("record", at.Seq), zap.Uint32("index", at.Index), logx.Err(err))
			continue
		}
		placed := messages.PlacedEvent{At: at, Key: x.keyOf(event, at), Event: event}
		shard := x.shardOf(placed.Key)
		batches[shard] = append(batches[shard], placed)
		x.open[shard][at] = placed
		x.left[at.Seq]++
	}
	if x.left[uint64(record.Seq)] == 0 {
		x.opts.Queue.Ack(record.Seq)
		return
	}
	for shard, events := range batches {
		x.send(ctx, shard, events)
	}
}

func (x *executions) send(ctx actor.Context, shard int, events []messages.PlacedEvent) {
	if life := x.lives[shard]; life > 0 && len(events) > 0 {
		ctx.Send(x.shards[shard], messages.EventsArrived{Life: life, Events: events})
	}
}

func (x *executions) handled(in messages.EventHandled) {
	shard := x.shardOf(in.Key)
	if _, ok := x.open[shard][in.At]; !ok {
		return
	}
	delete(x.open[shard], in.At)
	x.left[in.At.Seq]--
	if x.left[in.At.Seq] == 0 {
		delete(x.left, in.At.Seq)
		x.opts.Queue.Ack(journal.Seq(in.At.Seq))
	}
}

// resend gives a new shard everything of its partition that is not handled.
func (x *executions) resend(ctx actor.Context, shard int) {
	x.send(ctx, shard, slices.SortedFunc(maps.Values(x.open[shard]), func(a, b messages.PlacedEvent) int {
		return cmp.Or(cmp.Compare(a.At.Seq, b.At.Seq), cmp.Compare(a.At.Index, b.At.Index))
	}))
}

// keyOf names the execution an event belongs to. Without an execution ID, or
// with de-duplication off, every event is an execution of its own.
func (x *executions) keyOf(event messages.TaskEvent, at messages.EventPosition) messages.ExecutionKey {
	if x.opts.Deduplicate && event.ExecutionID != "" {
		return messages.ExecutionKey(event.ExecutionID)
	}
	return messages.ExecutionKey(fmt.Sprintf("event/%d/%d", at.Seq, at.Index))
}

func (x *executions) shardOf(key messages.ExecutionKey) int {
	return int(maphash.String(x.seed, string(key)) % uint64(x.opts.Shards))
}

// sweepEvery is how often a shard forgets what it may forget.
const sweepEvery = time.Minute
