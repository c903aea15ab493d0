package executions

import (
	"slices"
	"time"

	"butler/internal/journal"
	"butler/internal/outbox"
	"butler/messages"
)

// What a machine begins with, and what it leaves when the life of its shard ends.

// newMachine returns a machine with what the ledger remembers, and its first effects.
func newMachine(now time.Time, m *memories, blame blame, limits limits) (*machine, []effect) {
	x := &machine{
		found:      limits.found,
		remembered: remembered{began: now},
		sleepers:   sleepers{began: now, slots: max(limits.polls, 1), lastAlarm: -wakeEvery},
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
		x.sleepFollowed(x.entry(key), limits.spread())
	}
	x.wakeDueSleepers(now)
	x.flush()
	return x, x.out
}

// limits configure the machine.
type limits struct {
	// polls bounds the executions that poll at one time.
	polls int
	// spread is Options.Spread.
	spread func() time.Duration
	// found is the newest record of earlier processes.
	found uint64
}

// blame says whether a retry that was underway when the previous process ended
// counts as a crash.
type blame bool

const (
	blameNobody   blame = false
	blameUnderway blame = true
)

// stop marks the retries that the end of the shard cuts short as no longer
// underway, so that they do not count as crashes. crashed is the execution that
// made the shard crash, "" for none; that one is counted.
func (m *machine) stop(crashed messages.ExecutionKey) {
	var ops []journal.Op
	for at := range m.known.All() {
		e, key := *at, (*at).key
		if key == crashed {
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
