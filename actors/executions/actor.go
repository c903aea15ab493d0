package executions

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"go.uber.org/zap"

	"butler/internal/actorkit"
	"butler/internal/journal"
	"butler/internal/logx"
	"butler/internal/qlik"
	"butler/messages"
)

// executions owns the consumer and the shards.
type executions struct {
	opts   *Options
	shared *shared
	shards []*actor.PID
	cancel context.CancelFunc
	// decoded holds the events of the current record and shardsOf their shards; both are reused.
	decoded  []messages.PlacedEvent
	shardsOf []int
}

// shared outlives a crash of the actor: the queue hands out every record only
// once, so what is open must not be lost with the actor.
type shared struct {
	book *book
	seed maphash.Seed
	// loaded reports that partitions got what the ledger held.
	loaded bool
	// partitions belong to the live shard of their index.
	partitions []partition
	// pumped is closed when the last pump has ended; nil before the first.
	pumped chan struct{}
	// inHand is the record that the actor works on, nil between two. retried reports
	// that it had crashed the actor before.
	inHand  *journal.Record
	retried bool
	ahead   ahead
}

// ahead counts the events that were pumped and that no shard has received yet.
type ahead struct {
	// pumped are on their way to the actor, sent on their way from it to live shards.
	pumped, sent atomic.Int64
}

func (a *ahead) load() int64 { return a.pumped.Load() + a.sent.Load() }

// partition is what outlives a shard.
type partition struct {
	life int
	// remembered is what the ledger held when the process started, until the first life has taken it.
	remembered *memories
}

func newShared(shards int) *shared {
	return &shared{book: newBook(shards), seed: maphash.MakeSeed(), partitions: make([]partition, shards)}
}

// shardOf names the partition of an execution.
func (s *shared) shardOf(key messages.ExecutionKey) int {
	return int(maphash.String(s.seed, string(key)) % uint64(len(s.partitions)))
}

// recordArrived carries one record of the queue.
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
		for _, again := range x.shared.book.started(message.Shard, message.Life) {
			x.send(ctx, message.Shard, again)
		}
	case recordArrived:
		x.take(ctx, message.record)
	case messages.EventsHandled:
		for _, at := range message.At {
			if x.shared.book.handled(at) {
				x.opts.Queue.Ack(journal.Seq(at.Seq))
			}
		}
	}
}

func (x *executions) begin(ctx actor.Context) {
	x.shared.book.restart()
	x.shared.ahead.sent.Store(0) // what the shards had before them ended with them
	if !x.shared.loaded {
		if err := x.remember(); err != nil {
			actorkit.Fail(err)
		}
		x.shared.loaded = true
	}
	x.shards = make([]*actor.PID, x.opts.Shards)
	for i := range x.shards {
		pid, err := ctx.SpawnNamed(x.opts.shardProps(i, x.shared), fmt.Sprintf("shard-%02d", i))
		if err != nil {
			actorkit.Fail(fmt.Errorf("spawn shard %d: %w", i, err))
		}
		x.shards[i] = pid
	}
	x.takeAgain(ctx)
	pumping, cancel := context.WithCancel(context.Background())
	x.cancel = cancel
	before, ended, post := x.shared.pumped, make(chan struct{}), actorkit.Poster(ctx)
	x.shared.pumped = ended
	go func() {
		defer close(ended)
		if before != nil {
			<-before
		}
		x.opts.pump(pumping, &x.shared.ahead, post)
	}()
}

// remember reads the ledger once for the first lives of all shards.
func (x *executions) remember() error {
	for i := range x.shared.partitions {
		x.shared.partitions[i].remembered = newMemories()
	}
	return x.opts.load(func(key messages.ExecutionKey) *memories {
		return x.shared.partitions[x.shared.shardOf(key)].remembered
	})
}

// pump moves records from the queue to the actor until the actor stops. The
// queue's own limit of unacknowledged records is the credit.
func (o *Options) pump(ctx context.Context, ahead *ahead, post func(any)) {
	for {
		record, err := o.Queue.Next(ctx)
		if err != nil {
			return // stopping, or the journal is closed
		}
		o.giveWay(ctx, ahead)
		ahead.pumped.Add(int64(len(record.Entries)))
		post(recordArrived{record})
	}
}

const (
	// maxAhead bounds the events that shards have yet to receive: at the start of
	// a burst they are worked off before the intake gets the processor.
	maxAhead = 1024
	// maxGiveWay bounds how long one record waits for the intake, so that
	// decisions go on, slowly, during a burst that does not end.
	maxGiveWay = 40 * time.Millisecond
	// giveWayEvery is the interval at which giveWay checks whether to go on.
	giveWayEvery = time.Millisecond
)

// giveWay delays the next record while maxAhead events are on their way to the
// shards, and for a bounded time during a burst of datagrams.
func (o *Options) giveWay(ctx context.Context, ahead *ahead) {
	begun := time.Now()
	wait := func() bool {
		return ahead.load() >= maxAhead || o.Burst != nil && o.Burst() && time.Since(begun) < maxGiveWay
	}
	if !wait() {
		return
	}
	look := time.NewTicker(giveWayEvery)
	defer look.Stop()
	for wait() {
		select {
		case <-look.C:
		case <-ctx.Done():
			return
		}
	}
}

// send gives events to a shard.
func (x *executions) send(ctx actor.Context, shard int, events messages.EventsArrived) {
	x.shared.ahead.sent.Add(int64(len(events.Events)))
	ctx.Send(x.shards[shard], events)
}

// take handles a record of the queue, which hands it out only once.
func (x *executions) take(ctx actor.Context, record journal.Record) {
	x.shared.ahead.pumped.Add(-int64(len(record.Entries))) // send counts them again, for their shards
	x.shared.inHand, x.shared.retried = &record, false
	x.arrived(ctx, record)
	x.shared.inHand = nil
}

// takeAgain handles the record that the last instance crashed over. If that crashes, too,
// the record is left to the next process. No shard has started yet, so nothing is
// sent twice.
func (x *executions) takeAgain(ctx actor.Context) {
	record := x.shared.inHand
	switch {
	case record == nil:
		return
	case x.shared.retried:
		x.opts.Log.Error("BUG: a record of the journal cannot be handled; its events are decided after the next start", zap.Uint64("record", uint64(record.Seq)))
	default:
		x.shared.retried = true
		x.arrived(ctx, *record)
	}
	x.shared.inHand = nil
}

// arrived sends every event of a record to its shard.
func (x *executions) arrived(ctx actor.Context, record journal.Record) {
	if record.Damage != nil {
		x.opts.Metrics.unreadable.Inc()
		x.opts.Log.Error("journal record is damaged, its events are lost", zap.Uint64("record", uint64(record.Seq)), logx.Err(record.Damage))
	}
	x.decoded, x.shardsOf = x.decoded[:0], x.shardsOf[:0]
	for i, entry := range record.Entries {
		at := messages.EventPosition{Seq: uint64(record.Seq), Index: uint32(i)}
		event, err := decode(x.opts.Decode, entry)
		if err != nil {
			x.unreadable(at, record.At, entry, err)
			continue
		}
		placed := messages.PlacedEvent{At: at, Key: x.keyOf(event, at), Event: event}
		x.decoded, x.shardsOf = append(x.decoded, placed), append(x.shardsOf, x.shared.shardOf(placed.Key))
	}
	if len(x.decoded) == 0 {
		x.opts.Queue.Ack(record.Seq)
		return
	}
	for _, out := range x.shared.book.arrived(uint64(record.Seq), record.Again, x.decoded, x.shardsOf) {
		x.send(ctx, out.shard, out.EventsArrived)
	}
	clear(x.decoded)
}

// decode turns a panic into an error: one bad entry must not stop the others.
func decode(read Decode, entry []byte) (event messages.TaskEvent, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("BUG: decoding panicked: %v", cause)
		}
	}()
	return read(entry)
}

// unreadable moves an entry that cannot be decoded to the quarantine.
func (x *executions) unreadable(at messages.EventPosition, received time.Time, entry []byte, err error) {
	x.opts.Metrics.unreadable.Inc()
	x.opts.Log.Error("journalled event cannot be read, it is in the quarantine",
		zap.Uint64("record", at.Seq), zap.Uint32("index", at.Index), logx.Err(err))
	x.opts.Quarantine.Keep(quarantined("unreadable", received, err.Error(), entry))
}

// keyOf returns the key of the execution that an event belongs to. Without an
// execution ID (a task that could not start may have none), or with
// de-duplication off, every event is an execution of its own.
func (x *executions) keyOf(event messages.TaskEvent, at messages.EventPosition) messages.ExecutionKey {
	if id := strings.TrimSpace(event.ExecutionID); x.opts.Deduplicate && id != "" && id != qlik.ZeroGUID {
		return messages.ExecutionKey(event.ExecutionID)
	}
	return EventKey(at)
}

// EventKey returns the key of an event that is an execution of its own.
func EventKey(at messages.EventPosition) messages.ExecutionKey {
	name := strconv.AppendUint([]byte("event/"), at.Seq, 10)
	return messages.ExecutionKey(strconv.AppendUint(append(name, '/'), uint64(at.Index), 10))
}

// committed returns the callback of a commit. It calls post unless the ledger is
// closed; then the next process gets the events again.
func committed(post func()) func(error) {
	return func(err error) {
		if !errors.Is(err, journal.ErrClosed) {
			post()
		}
	}
}
