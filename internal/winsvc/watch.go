package winsvc

import (
	"slices"
	"time"

	"butler/messages"
)

// Watch is the state machine of one service on one host. The zero value is its initial
// state. Copies are independent.
//
// It reports changes between running and stopped. Pending states are ignored. Paused is
// neither of the two: it is not reported that a service is paused or continues, but Paused
// can be the previous state of a reported change. If no state was known before, the
// previous state is also called paused, as receivers of these alerts expect.
type Watch struct {
	// settled is the last settled state. reported is the last reported one, or the first state
	// if that was not to be reported: Running, Stopped or Unknown.
	settled, reported State
	// from is the settled state before settled.
	from State
	// missed reports that the service did not exist at an earlier query.
	missed bool
	// changes are the times of the latest changes.
	changes []time.Time
	// unsteady reports that the service is flapping, since is when settled was reached.
	unsteady bool
	since    time.Time
}

// Change is the result of an observation.
type Change struct {
	// Kind is ServiceStarted or ServiceStopped, "" when nothing is to be alerted.
	Kind messages.AlertKind
	// Previous is the state before, as alerts name it.
	Previous string
	// Settled reports that the settled state has changed, alerted or not.
	Settled bool
	// Unsteady reports that the service is flapping, so its changes are not alerted.
	Unsteady bool
}

// Missing notes that the service does not exist on the host. If it runs later, it is
// reported as started.
func (w *Watch) Missing() { w.missed = true }

// Observe takes the state that a query has returned.
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
		w.reported = Running // running at the first query is not reported
		return Change{}
	}
	if settled && !first {
		w.count(now, d)
	}
	if w.unsteady && now.Sub(w.since) >= d.Quiet {
		w.unsteady, w.changes = false, nil
	}
	change := Change{Settled: settled && !first, Unsteady: w.unsteady}
	if w.unsteady || state == Paused || state == w.reported {
		return change
	}
	change.Kind, change.Previous = messages.ServiceStopped, w.previous()
	if state == Running {
		change.Kind = messages.ServiceStarted
	}
	w.reported = state
	return change
}

// previous returns the previous state of the change that is reported. After changes that
// were held back that is the one reported last.
func (w *Watch) previous() string {
	if w.from == Paused || w.reported == Unknown {
		return Paused.String()
	}
	return w.reported.String()
}

// count adds a change, and notes when there were too many.
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
