package notify

import (
	"slices"
	"strings"
	"time"

	"butler/messages"
)

// describeAfter bounds the wait for the states of the delivery actors.
const describeAfter = time.Second

// describeDue: the wait is over.
type describeDue struct{ gathering *gathering }

// gathering collects the states of all instances for everybody who asks while it goes on.
type gathering struct {
	askers  []messages.Ref
	missing map[string]bool
	states  []messages.DeliveryState
}

// add adds one answer and reports whether it was the last.
func (g *gathering) add(states []messages.DeliveryState) bool {
	for _, s := range states {
		if g.missing[s.Instance] {
			delete(g.missing, s.Instance)
			g.states = append(g.states, s)
		}
	}
	return len(g.missing) == 0
}

// finish returns all states. describe makes those of instances that did not answer.
func (g *gathering) finish(describe func(instance string) messages.DeliveryState) []messages.DeliveryState {
	for instance := range g.missing {
		g.states = append(g.states, describe(instance))
	}
	slices.SortFunc(g.states, func(a, b messages.DeliveryState) int { return strings.Compare(a.Instance, b.Instance) })
	return g.states
}
