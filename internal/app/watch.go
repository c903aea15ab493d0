package app

import (
	"context"
	"fmt"

	"github.com/asynkron/protoactor-go/actor"

	"butler/actors/kv"
	"butler/api"
	"butler/internal/actorkit"
	"butler/messages"
)

// Watch implements api.KeyValues. It spawns an actor that copies the changes of a
// namespace to a channel. The channel has room for all changes that the namespace may
// send without a confirmation.
func (s keyValues) Watch(ctx context.Context, command messages.WatchNamespace) (api.Watch, error) {
	root := s.gen.kit.System.Root
	events, replies := make(chan any, kv.MaxWindow+1), make(chan messages.WatchNamespaceReply, 1)
	pid := root.Spawn(s.gen.kit.Props("watcher", func() actor.Actor {
		return actor.ReceiveFunc(func(c actor.Context) {
			switch message := c.Message().(type) {
			case messages.WatchNamespaceReply:
				offer(replies, message)
			case messages.ValueChanged, messages.WatchEnded:
				offer(events, message)
			}
		})
	}))
	self := actorkit.RefOf(pid)
	end := func() {
		root.Send(s.gen.pids.values, messages.EndWatch{Namespace: command.Namespace, Watcher: self})
		root.Stop(pid)
	}
	command.ReplyTo, command.Window = self, kv.MaxWindow
	root.Send(s.gen.pids.values, command)
	select {
	case reply := <-replies:
		if reply.Failure.Failed() {
			root.Stop(pid)
		}
		confirm := func(through uint64) {
			root.Send(s.gen.pids.values, messages.ConfirmChanges{Namespace: command.Namespace, Watcher: self, Through: through})
		}
		return api.Watch{Reply: reply, Events: events, Confirm: confirm, End: end}, nil
	case <-ctx.Done():
		end()
		return api.Watch{}, s.unanswered(fmt.Errorf("watch: %w: %w", errNoAnswer, ctx.Err()))
	}
}

// offer sends a value to a channel, or drops it when the channel is full.
func offer[T any](into chan<- T, value T) {
	select {
	case into <- value:
	default:
	}
}
