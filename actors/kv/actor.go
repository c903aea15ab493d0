package kv

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"go.uber.org/zap"

	"butler/internal/actorkit"
	"butler/internal/logx"
	"butler/messages"
)

// loadTimeout bounds reading the ledger.
const loadTimeout = 5 * time.Minute

// Props describes the actor that owns the namespaces and receives every command of
// the store.
func (o Options) Props() *actor.Props {
	if o.Kit == nil || o.Supervise == nil {
		panic("BUG: kv needs a kit and a strategy")
	}
	o.Limits = o.Limits.withDefaults(o.MaxRecord)
	if o.Ledger == nil {
		o.Ledger = volatile{}
	}
	if o.Log == nil {
		o.Log = zap.NewNop()
	}
	if o.Metrics == nil {
		o.Metrics = NewMetrics(nil)
	}
	if o.ReadCache == nil {
		o.ReadCache = NewReadCache(o.Metrics)
	}
	return o.Kit.Props("kv", func() actor.Actor { return &front{opts: &o} }, actor.WithSupervisor(o.Supervise))
}

// front is the actor that carries out the decisions of the directory.
type front struct {
	opts *Options
	// directory is nil until the ledger has been read; early holds the messages that
	// arrive before that.
	directory          *directory
	early              []any
	room, pendingBytes *budget
	children           map[uint64]*actor.PID
	loads              *actorkit.Effects
}

// Messages of an actor to itself. of is the instance that sent it; a message of an
// instance from before a restart is dropped.
type (
	// settled: everything committed before this life is durable and visible.
	settled struct{ of actor.Actor }
	// loaded is the content of the ledger, or the error of reading it.
	loaded struct {
		of       actor.Actor
		all      []*contents
		leftOver []string
		err      error
	}
)

// Receive implements actor.Actor.
func (f *front) Receive(ctx actor.Context) {
	switch message := ctx.Message().(type) {
	case *actor.Started:
		f.begin(ctx)
	case *actor.Stopping, *actor.Restarting:
		f.loads.Close()
	case *actor.Stopped, *actor.Terminated: // Terminated: a namespace was stopped
	case settled:
		if message.of == f {
			f.loads.Run(ctx, loadTimeout, f.load)
		}
	case loaded:
		if message.of == f {
			f.live(ctx, message)
		}
	default:
		if f.directory == nil {
			f.early = append(f.early, message)
			return
		}
		f.step(ctx, message)
	}
}

// begin waits until the commits of an earlier life are visible, and then reads the
// ledger.
func (f *front) begin(ctx actor.Context) {
	f.room, f.pendingBytes = &budget{limit: f.opts.Limits.TotalBytes}, &budget{limit: maxPendingBytes}
	f.children = map[uint64]*actor.PID{}
	f.loads = actorkit.NewEffects(actorkit.NewPool(1))
	f.opts.Metrics.namespaces.Set(0)
	post := actorkit.Poster(ctx)
	f.opts.Ledger.Commit(nil, func(err error) {
		if err == nil { // otherwise the journal is closed, and the process ends
			post(settled{f})
		}
	})
}

func (f *front) load(context.Context) any {
	all, leftOver, err := loadAll(f.opts.Ledger)
	return loaded{of: f, all: all, leftOver: leftOver, err: err}
}

// live starts serving with the content of the ledger. If it could not be read, the actor
// fails, so that no command is answered.
func (f *front) live(ctx actor.Context, in loaded) {
	if in.err != nil {
		actorkit.Fail(fmt.Errorf("load the key-value store: %w", in.err))
	}
	for _, some := range removals(in.leftOver) {
		f.opts.Ledger.Commit(some.ops, func(error) {}) // if this fails, the next start repeats it
	}
	f.directory = newDirectory(f.opts.Limits, f.room, f.pendingBytes)
	values := 0
	for _, held := range in.all {
		f.directory.enter(held.id, held.name)
		f.spawn(ctx, &namespaceState{id: held.id, name: held.name, initial: held})
		values += len(held.pairs)
	}
	if len(in.all) > 0 {
		f.opts.Log.Info("key-value store is loaded", zap.Int("namespaces", len(in.all)), logx.Count(values))
	}
	early := f.early
	f.early = nil
	for _, message := range early {
		f.step(ctx, message)
	}
}

func (f *front) step(ctx actor.Context, input any) {
	for _, one := range f.directory.handle(time.Now(), input) {
		switch do := one.(type) {
		case reply:
			f.opts.answer(do)
		case forward:
			ctx.Send(f.children[do.id], do.command)
		case spawn:
			f.spawn(ctx, &namespaceState{id: do.id, name: do.name, room: account{used: do.reserved}})
		case stop:
			ctx.Stop(f.children[do.id])
			delete(f.children, do.id)
		}
	}
	f.opts.Metrics.namespaces.Set(float64(len(f.directory.byID)))
}

func (f *front) spawn(ctx actor.Context, s *namespaceState) {
	s.room.budget, s.pendingBytes.budget = f.room, f.pendingBytes
	props := f.opts.Kit.Props("kv_namespace", func() actor.Actor { return &namespace{opts: f.opts, state: s} })
	pid, err := ctx.SpawnNamed(props, "ns-"+strconv.FormatUint(s.id, 10))
	if err != nil {
		actorkit.Fail(fmt.Errorf("spawn namespace %d: %w", s.id, err))
	}
	f.children[s.id] = pid
}

// answer counts a reply and sends it.
func (o *Options) answer(r reply) {
	o.Metrics.answered(r.op, r.failed)
	o.send(r.to, r.message)
}

func (o *Options) send(to messages.Ref, message any) {
	if !to.IsZero() {
		o.Kit.Answer(to, message)
	}
}
