package notify

import (
	"slices"
	"strings"
	"time"

	"butler/messages"
)

// describeAfter is how long the states of the instances are waited for.
const describeAfter = time.Second

// describeDue: the states of the instances were waited for long enough.
type describeDue struct{ gathering *gathering }

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
