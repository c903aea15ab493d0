package executions

import (
	"fmt"
	"slices"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"go.uber.org/zap"

	"butler/internal/actorkit"
	"butler/internal/journal"
	"butler/internal/logx"
	"butler/internal/outbox"
	"butler/messages"
)

// Ledger is the durable memory of the shards; *journal.Ledger is the one in use.
type Ledger interface {
	Commit(ops []journal.Op, done func(error))
	Range(b journal.Bucket, visit func(key string, value []byte) bool) error
	Get(b journal.Bucket, key string) ([]byte, bool, error)
}

// The crashes of one execution after which less is tried: first a decision from
// the event alone, then none.
const (
	bareAfter   = 5
	giveUpAfter = 6
)

type shard struct {
	opts    *Options
	index   int
	life    int
	shardOf func(messages.ExecutionKey) int
	// remembered is what the ledger held when the service started; a shard that
	// starts again reads it anew.
	remembered *memories
	known      map[messages.ExecutionKey]*entry
	children   map[string]messages.ExecutionKey
	sweep      actorkit.Timer
}

// entry is what a shard knows of one execution.
type entry struct {
	seen messages.Seen
	// reserved are the families of events on their way, as in Seen.Classes.
	reserved messages.Seen
	child    *actor.PID
	sent     int
	crashes  int
	pending  []messages.PlacedEvent
}

type sweepDue struct{}

func (o *Options) shardProps(index int, remembered *memories, shardOf func(messages.ExecutionKey) int) *actor.Props {
	life := 0
	return o.Kit.Props("shard", func() actor.Actor {
		life++
		return &shard{opts: o, index: index, life: life, shardOf: shardOf, remembered: remembered}
	}, actor.WithSupervisor(o.SuperviseExecution))
}

// Receive implements actor.Actor.
func (s *shard) Receive(ctx actor.Context) {
	switch message := ctx.Message().(type) {
	case *actor.Started:
		s.begin(ctx)
	case *actor.Stopping, *actor.Restarting:
		s.sweep.Stop()
		clear(s.children) // they end with the shard: that is no crash
	case messages.EventsArrived:
		if message.Life != s.life {
			return
		}
		for _, placed := range message.Events {
			s.arrived(ctx, placed)
		}
	case messages.EventHandled:
		s.handled(ctx, message)
	case messages.ExecutionFinished:
		s.finished(ctx, message)
	case *actor.Terminated:
		s.terminated(ctx, message.Who.GetId())
	case sweepDue:
		s.forget(ctx)
	}
}

func (s *shard) begin(ctx actor.Context) {
	if s.remembered.used {
		again, err := load(s.opts.Ledger, s.opts.Shards, s.shardOf)
		if err != nil {
			actorkit.Fail(err)
		}
		s.remembered = again[s.index]
	}
	s.known = make(map[messages.ExecutionKey]*entry, len(s.remembered.seen))
	s.children = map[string]messages.ExecutionKey{}
	for key, seen := range s.remembered.seen {
		s.known[key] = &entry{seen: seen}
	}
	for key, snapshot := range s.remembered.state {
		s.spawn(ctx, key, s.entry(key), snapshot)
	}
	s.remembered.use()
	s.count()
	s.sweep = actorkit.After(ctx, sweepEvery, sweepDue{})
	ctx.Send(ctx.Parent(), messages.ShardStarted{Shard: s.index, Life: s.life})
}

func (s *shard) entry(key messages.ExecutionKey) *entry {
	e, ok := s.known[key]
	if !ok {
		e = &entry{}
		s.known[key] = e
	}
	return e
}

// arrived takes up an event, unless it repeats one.
func (s *shard) arrived(ctx actor.Context, placed messages.PlacedEvent) {
	e := s.entry(placed.Key)
	if slices.ContainsFunc(e.pending, func(p messages.PlacedEvent) bool { return p.At == placed.At }) {
		return
	}
	family := placed.Event.Family
	replayed := placed.At.Seq <= e.seen.Seq
	current := replayed || time.Now().Before(e.seen.Until)
	if e.reserved.HasClass(family) || current && e.seen.HasClass(family) {
		s.repeated(ctx, placed, replayed)
		return
	}
	if !current {
		e.seen = messages.Seen{}
	}
	e.reserved = e.reserved.WithClass(family)
	e.pending = append(e.pending, placed)
	if e.child == nil {
		s.spawn(ctx, placed.Key, e, nil)
	}
	s.observe(ctx, e, placed)
}

// repeated ends an event that was handled before: after a crash its record
// comes again, otherwise its sender repeats itself.
func (s *shard) repeated(ctx actor.Context, placed messages.PlacedEvent, replayed bool) {
	if !replayed {
		s.opts.Metrics.duplicates.WithLabelValues(placed.Event.Family.String()).Inc()
		s.opts.Log.Debug("duplicate event dropped", logx.EventType(placed.Event.Family),
			logx.ExecutionID(placed.Event.ExecutionID), logx.TaskID(placed.Event.TaskID))
	}
	ctx.Send(ctx.Parent(), messages.EventHandled{Key: placed.Key, At: placed.At})
}

func (s *shard) observe(ctx actor.Context, e *entry, placed messages.PlacedEvent) {
	e.sent++
	ctx.Send(e.child, messages.TaskEventObserved{PlacedEvent: placed, Seen: e.seen, Bare: e.crashes >= bareAfter})
}

func (s *shard) spawn(ctx actor.Context, key messages.ExecutionKey, e *entry, snapshot []byte) {
	e.child = ctx.SpawnPrefix(s.opts.Execution, "x:")
	e.sent = 0
	s.children[e.child.GetId()] = key
	if snapshot != nil {
		ctx.Send(e.child, messages.ResumeExecution{Key: key, Seen: e.seen, Snapshot: snapshot})
	}
}

func (s *shard) handled(ctx actor.Context, in messages.EventHandled) {
	e := s.entry(in.Key)
	for i, placed := range e.pending {
		if placed.At != in.At {
			continue
		}
		e.pending = slices.Delete(e.pending, i, i+1)
		e.reserved.Classes &^= messages.Seen{}.WithClass(placed.Event.Family).Classes
		break
	}
	if !in.Released {
		e.seen = in.Seen
	}
	ctx.Send(ctx.Parent(), in)
}

// finished ends the actor of an execution, unless it has been sent more meanwhile.
func (s *shard) finished(ctx actor.Context, in messages.ExecutionFinished) {
	e := s.entry(in.Key)
	if e.child == nil || in.Observed != e.sent {
		return
	}
	delete(s.children, e.child.GetId())
	ctx.Stop(e.child)
	e.child, e.crashes = nil, 0
	if e.seen.Classes == 0 && len(e.pending) == 0 {
		delete(s.known, in.Key)
	}
}

// terminated rebuilds an execution that ended without having finished: it crashed.
func (s *shard) terminated(ctx actor.Context, id string) {
	key, crashed := s.children[id]
	if !crashed {
		return
	}
	delete(s.children, id)
	e := s.entry(key)
	e.child = nil
	e.crashes++
	s.opts.Metrics.crashes.Inc()
	if e.crashes >= giveUpAfter {
		s.giveUp(ctx, key, e)
		return
	}
	snapshot := s.recall(key, e)
	if len(e.pending) == 0 && snapshot == nil {
		return
	}
	s.spawn(ctx, key, e, snapshot)
	for _, placed := range slices.Clone(e.pending) {
		if e.seen.HasClass(placed.Event.Family) {
			s.handled(ctx, messages.EventHandled{Key: key, At: placed.At, Seen: e.seen})
			continue
		}
		s.observe(ctx, e, placed)
	}
}

// recall reads what the ledger knows of an execution: it may have crashed
// between its commit and its answer.
func (s *shard) recall(key messages.ExecutionKey, e *entry) (snapshot []byte) {
	raw, ok, err := s.opts.Ledger.Get(outbox.BucketSeen, string(key))
	if err == nil && ok {
		e.seen, err = outbox.DecodeSeen(raw)
	}
	if err == nil {
		snapshot, _, err = s.opts.Ledger.Get(outbox.BucketState, string(key))
	}
	if err != nil {
		s.opts.Log.Error("what was recorded of a crashed execution cannot be read", zap.String("execution_key", string(key)), logx.Err(err))
	}
	return snapshot
}

// giveUp is the end of an execution that crashes even without any look-up. It
// is loud: nothing else in the service ends an event without a decision.
func (s *shard) giveUp(ctx actor.Context, key messages.ExecutionKey, e *entry) {
	s.opts.Metrics.lost.Inc()
	s.opts.Log.Error("execution crashed too often, its events are given up",
		zap.String("execution_key", string(key)), logx.Count(len(e.pending)), logx.Attempt(e.crashes), zap.Any("events", e.pending))
	for _, placed := range slices.Clone(e.pending) {
		s.handled(ctx, messages.EventHandled{Key: key, At: placed.At, Released: true})
	}
	s.opts.Ledger.Commit([]journal.Op{{Bucket: outbox.BucketState, Key: string(key)}}, func(error) {})
	delete(s.known, key)
}

// forget drops what is remembered longer than needed: its time is over and its
// record cannot come again.
func (s *shard) forget(ctx actor.Context) {
	now, floor := time.Now(), uint64(s.opts.Queue.Floor())
	var ops []journal.Op
	for key, e := range s.known {
		if e.child != nil || len(e.pending) > 0 || now.Before(e.seen.Until) || e.seen.Seq >= floor {
			continue
		}
		delete(s.known, key)
		ops = append(ops, journal.Op{Bucket: outbox.BucketSeen, Key: string(key)})
	}
	for chunk := range slices.Chunk(ops, 1024) {
		s.opts.Ledger.Commit(chunk, func(error) {})
	}
	s.opts.Metrics.forgotten.Add(float64(len(ops)))
	s.count()
	s.sweep = actorkit.After(ctx, sweepEvery, sweepDue{})
}

// count shows how much is remembered; it is brought up to date with every sweep.
func (s *shard) count() {
	s.opts.Metrics.remembered.WithLabelValues(fmt.Sprintf("%02d", s.index)).Set(float64(len(s.known)))
}
