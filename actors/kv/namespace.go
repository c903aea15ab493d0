package kv

import (
	"context"
	"fmt"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"butler/internal/actorkit"
	"butler/messages"
)

// namespaceState is the state of a namespace that survives a restart of its actor.
type namespaceState struct {
	id   uint64
	name string
	life int
	// initial is the content when the store was loaded, until the first life has
	// taken it; nil for a new namespace.
	initial            *contents
	room, pendingBytes account
}

// namespace is the actor that carries out the decisions of a machine.
type namespace struct {
	opts  *Options
	state *namespaceState
	// machine is nil until a restarted actor has read the ledger; early holds the
	// messages that arrive before that.
	machine    *machine
	early      []any
	durability *durability
	loads      *actorkit.Effects
	timer      actorkit.Timer
	// keys and bytes are this namespace's share in the metrics.
	keys  int
	bytes int64
}

// persisted says that batches of a life are durable, or with which error one failed.
type persisted struct {
	of  *durability
	err error
}

// restored is the content of the namespace in the ledger, for a restarted actor.
type restored struct {
	of   *namespace
	held *contents
	err  error
}

// Receive implements actor.Actor.
func (n *namespace) Receive(ctx actor.Context) {
	switch message := ctx.Message().(type) {
	case *actor.Started:
		n.begin(ctx)
	case *actor.Stopping, *actor.Restarting:
		n.leave()
	case *actor.Stopped: // it has left
	case settled:
		if message.of == n {
			n.loads.Run(ctx, loadTimeout, n.load)
		}
	case restored:
		if message.of == n {
			n.restored(ctx, message)
		}
	case persisted:
		if message.of == n.durability {
			n.persisted(ctx, message)
		}
	default:
		n.take(ctx, message)
	}
}

// begin starts the first life with the loaded content, and a later one with the content
// of the ledger after all commits of the life before.
func (n *namespace) begin(ctx actor.Context) {
	s := n.state
	s.life++
	n.loads = actorkit.NewEffects(actorkit.NewPool(1))
	n.durability = &durability{post: actorkit.Poster(ctx)}
	switch held := s.initial; {
	case s.life > 1:
		post := actorkit.Poster(ctx)
		n.opts.Ledger.Commit(nil, func(err error) {
			if err == nil {
				post(settled{n})
			}
		})
	case held != nil:
		s.initial = nil
		n.live(ctx, held)
	default:
		n.machine = n.newMachine()
	}
}

func (n *namespace) load(context.Context) any {
	held, err := loadOne(n.opts.Ledger, n.state.id)
	return restored{of: n, held: held, err: err}
}

// restored continues after a crash. A namespace that is not on disk does not exist any
// more: its first put was not acknowledged, or it was deleted.
func (n *namespace) restored(ctx actor.Context, in restored) {
	if in.err != nil {
		actorkit.Fail(fmt.Errorf("load a namespace of the key-value store: %w", in.err))
	}
	if in.held != nil {
		n.live(ctx, in.held)
		return
	}
	n.state.room.set(0)
	n.state.pendingBytes.set(0)
	n.machine = n.newMachine()
	n.machine.deleting = true
	ctx.Send(ctx.Parent(), messages.NamespaceEnded{ID: n.state.id})
	n.catchUp(ctx)
}

func (n *namespace) live(ctx actor.Context, held *contents) {
	n.machine = n.newMachine()
	n.perform(ctx, n.machine.restore(time.Now(), held, n.state.life))
	n.catchUp(ctx)
}

func (n *namespace) newMachine() *machine {
	return newMachine(n.state.id, n.state.name, n.opts.Limits, &n.state.room, &n.state.pendingBytes)
}

// catchUp handles the messages that arrived while the ledger was read.
func (n *namespace) catchUp(ctx actor.Context) {
	early := n.early
	n.early = nil
	for _, message := range early {
		n.take(ctx, message)
	}
}

func (n *namespace) take(ctx actor.Context, input any) {
	if n.machine == nil {
		n.early = append(n.early, input)
		return
	}
	n.perform(ctx, n.machine.handle(time.Now(), input))
}

// persisted handles durable batches. A change that cannot be made durable must not be visible
// either, so on an error the actor fails and restarts from the ledger, without the change.
func (n *namespace) persisted(ctx actor.Context, in persisted) {
	if in.err != nil {
		actorkit.Fail(fmt.Errorf("store a change of a namespace: %w", in.err))
	}
	n.take(ctx, committed{n.durability.read()})
}

func (n *namespace) perform(ctx actor.Context, effects []effect) {
	for _, one := range effects {
		switch do := one.(type) {
		case reply:
			n.opts.answer(do)
		case send:
			n.opts.send(do.to, do.message)
		case cachePut:
			n.opts.ReadCache.put(n.state.name, do.key, do.value)
		case cacheRemove:
			n.opts.ReadCache.remove(n.state.name, do.key)
		case cacheRemoveAll:
			n.opts.ReadCache.removeAll(n.state.name)
		case commit:
			n.commit(do)
		case arm:
			n.timer.Stop()
			n.timer = actorkit.After(ctx, time.Until(do.at), messages.ExpiryDue{At: do.at})
		case tell:
			ctx.Send(ctx.Parent(), do.message)
		case expired:
			n.opts.Metrics.expired.Add(float64(do.count))
		}
	}
	n.show(len(n.machine.pairs), n.state.room.used)
}

func (n *namespace) commit(do commit) {
	if do.n == 0 {
		n.opts.Ledger.Commit(do.ops, func(error) {})
		return
	}
	durability, number := n.durability, do.n
	n.opts.Ledger.Commit(do.ops, func(err error) { durability.report(number, err) })
}

// show updates the metrics.
func (n *namespace) show(keys int, bytes int64) {
	if keys != n.keys || bytes != n.bytes {
		n.opts.Metrics.holds(keys-n.keys, bytes-n.bytes)
		n.keys, n.bytes = keys, bytes
	}
}

// leave ends a life: it removes its share from the metrics and its values from the read
// cache, and ends the watches.
func (n *namespace) leave() {
	n.loads.Close()
	n.timer.Stop()
	n.opts.ReadCache.removeAll(n.state.name)
	n.show(0, 0)
	if n.machine == nil {
		return
	}
	n.machine.out = nil
	n.machine.endWatches(messages.WatchInterrupted)
	for _, one := range n.machine.out {
		if do, ok := one.(send); ok {
			n.opts.send(do.to, do.message)
		}
	}
}
