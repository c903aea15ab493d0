package executions

import (
	"slices"
	"time"

	"butler/internal/journal"
	"butler/internal/outbox"
	"butler/messages"
)

// The beginning and the end of a life of a shard.

// newMachine returns the machine that goes on with what the ledger remembers,
// and what it wants done first.
func newMachine(now time.Time, m *memories, blame blame, limits limits) (*machine, []effect) {
	x := &machine{
		remembered: remembered{began: now},
		sleepers:   sleepers{began: now, room: max(limits.polls, 1), last: -wakeEvery},
	}
	for key, seen := range m.seen {
		x.remembered.keep(key, seen)
	}
	for key, trial := range m.trials {
		e := x.entry(key)
		e.onTrial, e.crashes = true, trial.Crashes
		if trial.Underway && blame == blameUnderway {
			e.crashes++
		}
	}
	for _, key := range m.followed {
		x.doze(x.entry(key), limits.spread())
	}
	x.rouse(now)
	x.flush()
	return x, x.out
}

// limits are what the machine is told of the world.
type limits struct {
	// polls is how many executions may look at their tasks at once.
	polls int
	// spread draws how long after the start of the shard a task is looked at that was
	// followed before.
	spread func() time.Duration
}

// blame says what to make of a try that was underway when the process before ended.
type blame bool

const (
	blameNobody   blame = false
	blameUnderway blame = true
)

// stop takes back the tries that the end of the shard cuts short, and counts a
// crash of the execution that is to blame for it.
func (m *machine) stop(guilty messages.ExecutionKey) {
	var ops []journal.Op
	for at := range m.known.All() {
		e, key := *at, (*at).key
		if key == guilty {
			e.onTrial = true
			e.crashes++
		}
		switch {
		case !e.onTrial || e.phase == idle:
		case e.crashes == 0:
			ops = append(ops, journal.Op{Bucket: outbox.BucketTrial, Key: string(key)})
		default:
			ops = append(ops, trialOp(key, outbox.Trial{Crashes: e.crashes}))
		}
	}
	for chunk := range slices.Chunk(ops, commitAtOnce) {
		m.do(commit{ops: chunk})
	}
}
