package supervisors

import (
	"maps"
	"slices"
	"sync"
	"time"
)

// State is the state of a component.
type State string

// The states of a component, from good to bad.
const (
	Up       State = "up"
	Degraded State = "degraded"
	Down     State = "down"
)

// Component is one line of the health report.
type Component struct {
	Name   string
	State  State
	Reason string
	Since  time.Time
}

// Board holds the health of every component. It is safe for concurrent use.
type Board struct {
	mu         sync.Mutex
	components map[string]Component
	stopping   bool
}

// NewBoard returns an empty board.
func NewBoard() *Board { return &Board{components: map[string]Component{}} }

// Set sets the state of a component. The reason is for the operator; it must be short and without secrets.
func (b *Board) Set(name string, state State, reason string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	was, known := b.components[name]
	if known && was.State == state && was.Reason == reason {
		return
	}
	since := time.Now().UTC()
	if known && was.State == state {
		since = was.Since
	}
	b.components[name] = Component{Name: name, State: state, Reason: reason, Since: since}
}

// Remove removes a component that does not exist any more.
func (b *Board) Remove(name string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.components, name)
}

// Stopping marks the service as stopping: it is no longer ready.
func (b *Board) Stopping() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.stopping = true
}

// Report returns the components, sorted by name, and the overall state, which is the
// worst of theirs.
func (b *Board) Report() (State, []Component) {
	b.mu.Lock()
	defer b.mu.Unlock()
	whole := Up
	out := make([]Component, 0, len(b.components))
	for _, name := range slices.Sorted(maps.Keys(b.components)) {
		c := b.components[name]
		out = append(out, c)
		switch {
		case c.State == Down:
			whole = Down
		case c.State == Degraded && whole == Up:
			whole = Degraded
		}
	}
	return whole, out
}

// Ready reports whether the service is ready: it is not stopping, and all named components
// have started and are not down. Otherwise it also returns the reason.
func (b *Board) Ready(names ...string) (bool, string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.stopping {
		return false, "the service is stopping"
	}
	for _, name := range names {
		c, known := b.components[name]
		if !known {
			return false, name + " has not started"
		}
		if c.State == Down {
			return false, name + ": " + c.Reason
		}
	}
	return true, ""
}
