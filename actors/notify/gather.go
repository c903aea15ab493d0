package notify

import (
	"slices"
	"strings"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"butler/internal/actorkit"
	"butler/messages"
)

// describeAfter is how long the states of the instances are waited for.
const describeAfter = time.Second

// gathering collects the states of all instances for one asker.
type gathering struct {
	askers  []messages.Ref
	missing map[string]bool
	states  []messages.DeliveryState
}

// add takes in one answer and reports whether it was the last.
func (g *gathering) add(states []messages.DeliveryState) bool {
	for _, s := range states {
		if g.missing[s.Instance] {
			delete(g.missing, s.Instance)
			g.states = append(g.states, s)
		}
	}
	return len(g.missing) == 0
}

// finish returns all states, those that did not answer included.
func (g *gathering) finish(describe func(instance string) messages.DeliveryState) []messages.DeliveryState {
	for instance := range g.missing {
		g.states = append(g.states, describe(instance))
	}
	slices.SortFunc(g.states, func(a, b messages.DeliveryState) int { return strings.Compare(a.Instance, b.Instance) })
	return g.states
}

// describe asks every delivery actor how it is. Askers that come while the
// answers are gathered share them.
func (a *notify) describe(ctx actor.Context, msg any) {
	switch msg := msg.(type) {
	case messages.DescribeDelivery:
		if a.gathering != nil {
			a.gathering.askers = append(a.gathering.askers, msg.ReplyTo)
			return
		}
		a.gathering = &gathering{askers: []messages.Ref{msg.ReplyTo}, missing: map[string]bool{}}
		for instance := range a.built {
			a.gathering.missing[instance] = true
		}
		for _, c := range a.children {
			ctx.Send(c.pid, messages.DescribeDelivery{ReplyTo: actorkit.RefOf(ctx.Self())})
		}
		actorkit.After(ctx, describeAfter, describeDue{a.gathering})
	case messages.DescribeDeliveryReply:
		if a.gathering != nil && a.gathering.add(msg.States) {
			a.described(ctx)
		}
	case describeDue:
		if a.gathering == msg.gathering {
			a.described(ctx)
		}
	}
}

func (a *notify) described(ctx actor.Context) {
	parked := map[string]int{}
	for place, n := range a.opts.Outbox.ParkedCounts() {
		parked[place.Instance] += n
	}
	states := a.gathering.finish(func(instance string) messages.DeliveryState {
		state := messages.DeliveryState{
			Instance: instance, Integration: a.built[instance].Instance.Integration, Condition: messages.DeliveryGaveUp,
		}
		if _, running := a.children[instance]; running {
			state.Condition = messages.DeliveryNotResponding
		}
		return state
	})
	for i := range states {
		states[i].Parked = parked[states[i].Instance]
	}
	for _, asker := range a.gathering.askers {
		tell(ctx, asker, messages.DescribeDeliveryReply{States: states, At: time.Now()})
	}
	a.gathering = nil
}
