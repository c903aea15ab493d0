package notify

import (
	"github.com/asynkron/protoactor-go/actor"

	"butler/internal/actorkit"
	"butler/messages"
)

// The end of the service: delivery actors end their attempts.

// drain is the request to start no more attempts.
type drain struct {
	wanted bool
	askers []messages.Ref
	done   map[string]bool // instances that have drained
}

// drainAll passes the request on to all delivery actors, and answers when they all have.
func (a *notify) drainAll(ctx actor.Context, msg messages.DrainDelivery) {
	a.drain.askers = append(a.drain.askers, msg.ReplyTo)
	if !a.drain.wanted {
		a.drain.wanted = true
		for _, c := range a.children {
			ctx.Send(c.pid, messages.DrainDelivery{ReplyTo: actorkit.RefOf(ctx.Self())})
		}
	}
	a.answerDrain(ctx)
}

func (a *notify) childDrained(ctx actor.Context, msg messages.DrainDeliveryReply) {
	if a.drain.wanted {
		a.drain.done[msg.Instance] = true
		a.answerDrain(ctx)
		return
	}
	if c, ok := a.children[msg.Instance]; ok && c.retiring {
		ctx.Stop(c.pid)
	}
}

func (a *notify) answerDrain(ctx actor.Context) {
	for instance := range a.children {
		if !a.drain.done[instance] {
			return
		}
	}
	for _, asker := range a.drain.askers {
		actorkit.Reply(ctx, asker, messages.DrainDeliveryReply{Left: a.opts.Outbox.Waiting()})
	}
	a.drain.askers = nil
}
