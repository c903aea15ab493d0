package app

import (
	"context"
	"fmt"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"butler/internal/actorkit"
	"butler/messages"
)

// askTimeout bounds a question whose context has no end.
const askTimeout = 10 * time.Second

// ask sends a question to an actor and waits for the reply of type R. It is the
// one place where a goroutine waits for an actor: an HTTP handler or the
// shutdown, never another actor. question gets the address to reply to.
func ask[R any](ctx context.Context, kit *actorkit.Kit, to *actor.PID, question func(replyTo messages.Ref) any) (R, error) {
	var none R
	if to == nil {
		return none, fmt.Errorf("ask: the actor does not run")
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	replies := make(chan R, 1)
	asker := kit.System.Root.Spawn(kit.Props("asker", func() actor.Actor {
		return actor.ReceiveFunc(func(c actor.Context) {
			if reply, ok := c.Message().(R); ok {
				select {
				case replies <- reply:
				default:
				}
			}
		})
	}))
	defer kit.System.Root.Stop(asker)
	kit.System.Root.Send(to, question(actorkit.RefOf(asker)))
	select {
	case reply := <-replies:
		return reply, nil
	case <-ctx.Done():
		return none, fmt.Errorf("ask %s: %w", to.GetId(), ctx.Err())
	}
}
