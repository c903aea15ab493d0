package executions

import (
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"butler/internal/actorkit"
	"butler/internal/fastpath"
	"butler/internal/logx"
	"butler/messages"
)

// A step of a shard collects what the fast path says of its executions. At its end
// (finish) the machine gets the rulings, and the decisions become one commit.

// fastDecisions are what a step has collected.
type fastDecisions struct {
	// first is the argument for the fast path; reused.
	first messages.TaskEventObserved
	// decisions are to be recorded, rulings are for the machine.
	decisions []decision
	rulings   []fastpath.Ruling
	// spare holds slices of finished commits for reuse; several may be under way.
	spare [][]decision
}

// rule collects a ruling about the execution of an entry.
func (s *shard) rule(ctx actor.Context, e *entry, r fastpath.Ruling) {
	if r.Progress != fastpath.Decided || e.phase == asking {
		s.rulings = append(s.rulings, r)
	}
	if r.Progress != fastpath.Decided {
		return
	}
	s.decisions = append(s.decisions, decision{e.pending[0], e, r.Seen})
	if len(s.decisions) >= decideAtOnce {
		s.record(ctx)
	}
}

// answered passes replies on to the fast path.
func (s *shard) answered(ctx actor.Context, replies []any) {
	now := time.Now()
	for _, reply := range replies {
		if r, ok := s.fast.Answer(now, reply); ok {
			s.rule(ctx, s.machine.entry(r.Key), r)
		}
	}
	s.finish(ctx, now)
}

// record commits the decisions that the fast path has made since the last time.
func (s *shard) record(ctx actor.Context) {
	if len(s.decisions) == 0 {
		return
	}
	post, life, decisions := actorkit.Poster(ctx), s.life, s.decisions
	s.fast.Record(func(err error) { post(decisionsRecorded{life, decisions, err}) })
	s.decisions = nil
	if last := len(s.spare) - 1; last >= 0 {
		s.decisions, s.spare = s.spare[last], s.spare[:last]
	}
}

func (s *shard) recorded(ctx actor.Context, in decisionsRecorded) {
	switch {
	case in.life != s.life: // its events come again
	case in.err != nil:
		s.opts.Log.Warn("decisions cannot be recorded, the actors of the executions retry", logx.Err(in.err))
		s.step(ctx, refused{in.decisions})
	default:
		s.step(ctx, recorded{in.decisions})
		clear(in.decisions)
		s.spare = append(s.spare, in.decisions[:0])
	}
}
