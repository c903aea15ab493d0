package executions

import (
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"butler/internal/actorkit"
	"butler/internal/logx"
	"butler/messages"
)

// A step of a shard collects what the fast path says of its executions. At its end
// (finish) the machine gets the answers, and the decisions become one commit.

// fastDecisions are what a step has collected.
type fastDecisions struct {
	// first is the argument for the fast path; reused.
	first messages.TaskEventObserved
	// rulings are the decisions to record, forMachine the answers for the machine.
	rulings    []ruling
	forMachine []messages.Ruling
	// spare holds slices of finished commits for reuse; several may be under way.
	spare [][]ruling
}

// rule collects an answer of the fast path about the execution of an entry.
func (s *shard) rule(ctx actor.Context, e *entry, r messages.Ruling) {
	if r.Verdict != messages.VerdictDecided || e.phase == asking {
		s.forMachine = append(s.forMachine, r)
	}
	if r.Verdict != messages.VerdictDecided {
		return
	}
	s.rulings = append(s.rulings, ruling{e.pending[0], e, r.Seen})
	if len(s.rulings) >= decideAtOnce {
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
	if len(s.rulings) == 0 {
		return
	}
	post, life, rulings := actorkit.Poster(ctx), s.life, s.rulings
	s.fast.Record(func(err error) { post(decisionsRecorded{life, rulings, err}) })
	s.rulings = nil
	if last := len(s.spare) - 1; last >= 0 {
		s.rulings, s.spare = s.spare[last], s.spare[:last]
	}
}

func (s *shard) recorded(ctx actor.Context, in decisionsRecorded) {
	switch {
	case in.life != s.life: // its events come again
	case in.err != nil:
		s.opts.Log.Warn("decisions cannot be recorded, the actors of the executions retry", logx.Err(in.err))
		s.step(ctx, refused{in.rulings})
	default:
		s.step(ctx, recorded{in.rulings})
		clear(in.rulings)
		s.spare = append(s.spare, in.rulings[:0])
	}
}
