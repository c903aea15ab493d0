package schedule

import (
	"slices"
	"time"
)

type runID uint64

// run is one due time of a schedule.
type run struct {
	ID             runID
	Schedule, Name string
	TaskID         string
	Due            time.Time
	// Attempt is the number of the current attempt, from 1.
	Attempt int
}

// runs are the runs that are not done: they wait for a free slot or a retry, or an
// attempt is under way.
type runs struct {
	last    runID
	ready   []run
	retries []retry
	active  map[runID]run // with an attempt under way
}

// retry is a run that failed and waits.
type retry struct {
	run
	at time.Time
}

func newRuns() runs { return runs{active: map[runID]run{}} }

// add queues a run. It replaces a waiting run of the same schedule, which it returns,
// so that runs do not pile up while Qlik Sense cannot be reached.
func (r *runs) add(x run) (replaced run, ok bool) {
	r.drop(func(old run) bool {
		if old.Schedule == x.Schedule {
			replaced, ok = old, true
		}
		return old.Schedule == x.Schedule
	})
	r.last++
	x.ID = r.last
	r.ready = append(r.ready, x)
	return replaced, ok
}

// again queues a retry.
func (r *runs) again(x run, at time.Time) { r.retries = append(r.retries, retry{x, at}) }

// end removes and returns the run whose attempt has ended; false for an unknown one.
func (r *runs) end(id runID) (run, bool) {
	x, ok := r.active[id]
	delete(r.active, id)
	return x, ok
}

// pump begins the attempts that are due, at most limit concurrently.
func (r *runs) pump(now time.Time, limit int) []effect {
	r.retries = slices.DeleteFunc(r.retries, func(x retry) bool {
		if x.at.After(now) {
			return false
		}
		r.ready = append(r.ready, x.run)
		return true
	})
	var effects []effect
	for len(r.ready) > 0 && len(r.active) < limit {
		x := r.ready[0]
		r.ready = r.ready[1:]
		x.Attempt++
		r.active[x.ID] = x
		effects = append(effects, start{x})
	}
	return effects
}

// drop removes unwanted runs, except for those with an attempt under way.
func (r *runs) drop(unwanted func(run) bool) {
	r.ready = slices.DeleteFunc(r.ready, unwanted)
	r.retries = slices.DeleteFunc(r.retries, func(x retry) bool { return unwanted(x.run) })
}

// next returns when the first retry is due; zero when none is.
func (r *runs) next() time.Time {
	if len(r.retries) == 0 {
		return time.Time{}
	}
	return slices.MinFunc(r.retries, func(a, b retry) int { return a.at.Compare(b.at) }).at
}
