package winsvc

import (
	"slices"
	"time"

	"butler/messages"
)

// Watch is the memory of one service on one host. The zero value has seen nothing.
// A copy is a memory of its own.
//
// The changes it tells are between running and stopped. What is pending changes
// nothing. Paused is a state of its own: a service that pauses has not stopped,
// and one that goes on has not started; it is what the next change came from. As
// long as no state is known, the state before is called paused, too, which is
// what receivers of such alerts have always been told.
type Watch struct {
	// settled is the last settled state, told the last that a change was told to,
	// or that needed no telling: Running, Stopped or Unknown.
	settled, told State
	// from is the settled state before settled.
	from State
	// missed says that the host answered once without the service.
	missed bool
	// changes are the times of the latest changes.
	changes []time.Time
	// unsteady says that changes are held back, since is when settled was reached.
	unsteady bool
	since    time.Time
}

// Change is what an observation came to.
type Change struct {
	// Kind is ServiceStarted or ServiceStopped, "" when nobody is to be told.
	Kind messages.AlertKind
	// Previous is the state before, as alerts name it.
	Previous string
	// Settled says that the service came to rest at another state, told or not.
	Settled bool
	// Unsteady says that it starts and stops all the time, which is not told.
	Unsteady bool
}

// Missing notes that the host answered and does not have the service. A service
// that comes later is told of as started.
func (w *Watch) Missing() { w.missed = true }

// Observe takes in what a poll has found.
func (w *Watch) Observe(now time.Time, state State, d Damping) Change {
	if !state.Settled() {
		return Change{Unsteady: w.unsteady}
	}
	first := w.settled == Unknown
	settled := state != w.settled
	if settled {
		w.from, w.settled, w.since = w.settled, state, now
	}
	if first && state == Running && !w.missed {
		w.told = Running // how it should be is no news
		return Change{}
	}
	if settled && !first {
		w.count(now, d)
	}
	if w.unsteady && now.Sub(w.since) >= d.Quiet {
		w.unsteady, w.changes = false, nil
	}
	change := Change{Settled: settled && !first, Unsteady: w.unsteady}
	if w.unsteady || state == Paused || state == w.told {
		return change
	}
	change.Kind, change.Previous = messages.ServiceStopped, w.before()
	if state == Running {
		change.Kind = messages.ServiceStarted
	}
	w.told = state
	return change
}

// before is the state that the told change came from. A change that was held
// back came from the one that was told last.
func (w *Watch) before() string {
	if w.from == Paused || w.told == Unknown {
		return Paused.String()
	}
	return w.told.String()
}

// count notes a change, and that there were too many.
func (w *Watch) count(now time.Time, d Damping) {
	if d.Changes <= 0 {
		return
	}
	recent := slices.Clone(w.changes) // copies share the old ones
	w.changes = append(slices.DeleteFunc(recent, func(at time.Time) bool { return now.Sub(at) > d.Within }), now)
	if len(w.changes) > d.Changes {
		w.changes = slices.Delete(w.changes, 0, len(w.changes)-d.Changes)
		w.unsteady = true
	}
}
