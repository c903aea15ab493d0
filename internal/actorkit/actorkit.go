// Package actorkit owns the interface between the actors and the actor runtime: the
// system and its log, props with a mailbox of our own and the counting of panics, timers,
// bounded calls to the outside, and addresses.
//
// It guarantees that an actor built with Kit.Props handles one message at a time, in
// the order of arrival; that a panic in it is logged with its stack and counted before
// supervision sees it; that a panic in an outside call of an actor counts as one of the
// actor; and that the result of a call or timer arrives as an ordinary message. It must
// never decide anything about the domain, and nothing in it blocks the caller.
package actorkit

import (
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"go.uber.org/zap"
	"go.uber.org/zap/exp/zapslog"

	"butler/internal/logx"
	"butler/messages"
)

// DeadLetterWindow is how long the runtime counts dead letters together. It keeps
// a timer for that long after the first one, whether or not the system is in use.
const DeadLetterWindow = time.Second

// Kit is the shared part of the actors of one system. Build it with New.
type Kit struct {
	System *actor.ActorSystem
	Log    *zap.Logger
	stats  *Stats
	// dispatch runs the mailboxes of all actors of the kit.
	dispatch *dispatcher
	replies  *replies
}

// New creates an actor system. The runtime logs to log, at Warn and above. A nil stats
// means statistics that are not exposed.
func New(log *zap.Logger, stats *Stats) *Kit {
	if stats == nil {
		stats = NewStats(nil)
	}
	bridged := warnings{log.Named("runtime").Core()}
	system := actor.NewActorSystem(
		actor.WithLoggerFactory(func(*actor.ActorSystem) *slog.Logger {
			return slog.New(zapslog.NewHandler(bridged))
		}),
		actor.WithDeadLetterThrottleInterval(DeadLetterWindow),
		actor.WithDeadLetterRequestLogging(false),
	)
	return &Kit{System: system, Log: log, stats: stats, dispatch: newDispatcher(), replies: newReplies(system)}
}

// Props describes an actor of one kind with the kit's mailbox and middleware.
// kind is a metric label from a small closed set, such as "execution".
// The producer must be free of side effects: it may run for a name already taken.
func (k *Kit) Props(kind string, producer actor.Producer, opts ...actor.PropsOption) *actor.Props {
	stat := k.stats.kind(kind)
	all := append([]actor.PropsOption{
		actor.WithMailbox(func() actor.Mailbox { return &mailbox{stat: stat} }),
		actor.WithDispatcher(k.dispatch),
	}, opts...)
	return actor.PropsFromProducer(func() actor.Actor {
		return &observed{Actor: producer(), kit: k, kind: kind, stat: stat}
	}, all...)
}

// Apart gives an actor its own dispatcher, so that it does not wait for the other actors
// of the kit. It is for the intake, which must not wait for decisions about events that
// it has already received.
func Apart() actor.PropsOption { return actor.WithDispatcher(&dispatcher{limit: 1}) }

// observed counts actors of a kind, and logs and counts panics before they reach
// supervision. It wraps the actor, because middleware of the runtime would allocate an
// envelope for every message.
type observed struct {
	actor.Actor
	kit  *Kit
	kind string
	stat *kindStat
	// process is that of the actor while it stops: afterwards it cannot be found any more.
	process actor.Process
}

// Receive implements actor.Actor.
func (o *observed) Receive(ctx actor.Context) {
	switch ctx.Message().(type) {
	case *actor.Started:
		o.stat.actors.Add(1)
	case *actor.Stopping:
		o.process, _ = ctx.ActorSystem().ProcessRegistry.Get(ctx.Self())
	case *actor.Stopped:
		o.stat.actors.Add(-1)
		// A panic has suspended the mailbox, and nobody else resumes it: the runtime
		// discards what is left in it, which then does not count as waiting any more.
		o.process.SendSystemMessage(ctx.Self(), &actor.ResumeMailbox{})
	case *actor.Restarting:
		o.stat.actors.Add(-1)
		o.stat.restarts.Add(1)
	}
	defer func() {
		if cause := recover(); cause != nil {
			o.kit.reportPanic(o.kind, o.stat, ctx.Self(), ctx.Message(), cause)
			panic(cause)
		}
	}()
	if call, ok := ctx.Message().(panicked); ok {
		o.crash(ctx, call)
		return
	}
	o.Actor.Receive(ctx)
}

// crash repeats the panic of an outside call in the actor. A panic in a call that the
// actor made before its last restart is only reported.
func (o *observed) crash(ctx actor.Context, call panicked) {
	if call.life.ctx.Err() == nil {
		panic(call)
	}
	o.kit.reportPanic(o.kind, o.stat, ctx.Self(), ctx.Message(), call)
}

func (k *Kit) reportPanic(kind string, stat *kindStat, self *actor.PID, message, cause any) {
	fields := []zap.Field{
		zap.String("kind", kind), logx.Actor(self.GetId()), zap.String("message", fmt.Sprintf("%T", message)),
	}
	var stack []byte
	if call, ok := cause.(panicked); ok {
		cause, stack = call.cause, call.stack
	}
	if fault, ok := cause.(fault); ok {
		stat.faults.Add(1)
		k.Log.Warn("actor gave up on a known fault", append(fields, logx.Err(fault.err))...)
		return
	}
	if stack == nil {
		stack = debug.Stack()
	}
	stat.bugs.Add(1)
	k.Log.Error("actor panicked", append(fields, zap.Any("panic", cause), zap.ByteString("stack", stack))...)
}

// fault is a panic for a known reason. Supervision restarts the actor, and it does not
// count as a bug.
type fault struct{ err error }

func (f fault) Error() string { return f.err.Error() }
func (f fault) Unwrap() error { return f.err }

// Fail panics for a known reason in the calling actor, so that supervision restarts it
// and it is rebuilt from durable state.
func Fail(err error) { panic(fault{err}) }

// RefOf turns a PID into an address that may travel in a message.
func RefOf(pid *actor.PID) messages.Ref {
	if pid == nil {
		return messages.Ref{}
	}
	return messages.Ref{Address: pid.GetAddress(), ID: pid.GetId(), Request: pid.GetRequestId()}
}

// PIDOf turns an address back into a PID.
func PIDOf(ref messages.Ref) *actor.PID {
	return &actor.PID{Address: ref.Address, Id: ref.ID, RequestId: ref.Request}
}

// Reply sends message to an address, unless it is zero, which means that no reply is wanted.
func Reply(ctx actor.Context, to messages.Ref, message any) {
	if !to.IsZero() {
		ctx.Send(PIDOf(to), message)
	}
}

// Poster returns a function that sends a message to the actor of ctx. Poster must be
// called while a message is handled; the function can be called at any time, from any
// goroutine.
func Poster(ctx actor.Context) func(message any) {
	self, root := ctx.Self(), ctx.ActorSystem().Root
	return func(message any) { root.Send(self, message) }
}
