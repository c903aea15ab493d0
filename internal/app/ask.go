package app

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"butler/api"
	"butler/internal/actorkit"
	"butler/messages"
)

// askTimeout bounds ask when its context has no deadline.
const askTimeout = 10 * time.Second

// The errors of ask. Both are worth a retry.
var (
	errNoActor  = api.NewProblem(http.StatusServiceUnavailable, "the part of the service that would do it does not run; /health says why")
	errNoAnswer = api.NewProblem(http.StatusServiceUnavailable, "there was no answer in time; what was asked for may be done all the same, and /health says what is wrong")
)

// ask sends a question to an actor and waits for the reply of type R. It is the
// one place where a goroutine waits for the answer of an actor: one of an HTTP
// handler, a reload, the shutdown or an effect, never that of another actor. question
// gets the address to reply to.
func ask[R any](ctx context.Context, kit *actorkit.Kit, to *actor.PID, question func(replyTo messages.Ref) any) (R, error) {
	var none R
	if to == nil {
		return none, fmt.Errorf("ask: %w", errNoActor)
	}
	if _, bounded := ctx.Deadline(); !bounded {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, askTimeout)
		defer cancel()
	}
	replies := make(chan R, 1)
	replyTo := kit.Expect(func(message any) bool { // not called again once it has returned true
		reply, ok := message.(R)
		if ok {
			replies <- reply
		}
		return ok
	})
	kit.System.Root.Send(to, question(replyTo))
	select {
	case reply := <-replies: // the kit has forgotten the address by itself
		return reply, nil
	case <-ctx.Done():
		kit.Forget(replyTo)
		return none, fmt.Errorf("ask %s: %w: %w", to.GetId(), errNoAnswer, ctx.Err())
	}
}
