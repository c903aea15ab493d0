package executions

import (
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"butler/internal/actorkit"
	"butler/messages"
)

// The beginning and the end of a life of a shard: from the start of its actor to
// the next restart.

// begin reads the ledger. A later life first waits until everything that the
// executions of the previous one committed is visible.
func (s *shard) begin(ctx actor.Context) {
	mine := &s.shared.partitions[s.index]
	mine.life++
	s.life = mine.life
	if remembered := mine.remembered; remembered != nil {
		mine.remembered = nil
		s.live(ctx, remembered, blame(s.opts.Crashed))
		return
	}
	post, life := actorkit.Poster(ctx), s.life
	s.opts.Ledger.Commit(nil, committed(func() { post(barrierPassed{life}) }))
}

func (s *shard) barrierPassed(ctx actor.Context, in barrierPassed) {
	if in.life != s.life || s.machine != nil {
		return
	}
	mine := newMemories()
	err := s.opts.load(func(key messages.ExecutionKey) *memories {
		if s.shared.shardOf(key) != s.index {
			return nil
		}
		return mine
	})
	if err != nil {
		actorkit.Fail(err)
	}
	s.live(ctx, mine, blameNobody)
}

func (s *shard) live(ctx actor.Context, remembered *memories, blame blame) {
	s.children = map[messages.ExecutionKey]*actor.PID{}
	s.keys = map[string]messages.ExecutionKey{}
	s.showRemembered = s.opts.Metrics.rememberedBy(s.index)
	s.fast = s.opts.FastPath(actorkit.RefOf(ctx.Self()), s.life)
	var first []effect
	now := time.Now()
	s.machine, first = newMachine(now, remembered, blame, limits{s.opts.PollsAtOnce, s.opts.Spread, uint64(s.opts.Queue.Found())})
	s.perform(ctx, now, first)
	s.showCounts()
	s.setAlarm(ctx)
	s.scheduleSweep(ctx)
	ctx.Send(ctx.Parent(), messages.ShardStarted{Shard: s.index, Life: s.life})
}

// end ends a life. Its executions end with it, which does not count as a crash.
func (s *shard) end(ctx actor.Context) {
	s.nextSweep.Stop()
	clear(s.keys)
	s.step(ctx, stopping{crashed: s.starting})
	s.alarm.Stop()
	s.opts.Asleep(-s.reportedAsleep)
	s.reportedAsleep = 0
}
