package bench

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"butler/bench/bare"
	"butler/bench/load"
	"butler/bench/target"
)

// intakeSearch is how the highest rates are searched for. Its bound keeps the standard
// set under ten minutes even on a slow machine.
var intakeSearch = bare.Search{From: 20_000, Limit: 4_000_000, Rounds: 3, Most: time.Minute}

// measureIntake searches for the highest rates without loss of a bare receiver and of the
// target's path to its journal, in turns and with the same datagrams.
func measureIntake(ctx context.Context, r *Runner, v Variant) (Result, error) {
	var out Result
	if len(r.Spec.Series.Durable) == 0 || r.Spec.Command == "" {
		return out, fmt.Errorf("a count of durable events, and a command to start it: %w", errCannot)
	}
	s, err := r.open(ctx, v, nil)
	if err != nil {
		return out, err
	}
	defer s.close()
	receiver, err := bare.NewReceiver()
	if err != nil {
		return out, err
	}
	defer receiver.Close()
	search := intakeSearch
	search.Most = v.shortened(search.Most)
	best, err := search.Highest(ctx,
		func(ctx context.Context, rate int) (int, error) {
			turn, err := s.turn(rate)
			if err != nil {
				return 0, err
			}
			return receiver.Try(ctx, turn)
		}, s.take)
	if err != nil {
		return out, err
	}
	out.add("bare receiver, no loss", float64(best[0]))
	out.add("socket to durable journal, no loss", float64(best[1]))
	if best[0] > 0 {
		out.add("socket to durable journal / bare receiver", float64(best[1])/float64(best[0]))
	}
	return out, nil
}

// turn is a load of events at a rate for one turn of a comparison.
func (s *session) turn(rate int) (load.Load, error) {
	return s.unfollowed(float64(rate), max(1, int(float64(rate)*s.variant.Duration.Seconds())))
}

// unfollowed is a load of events of the site that the ledger does not track one by one.
func (s *session) unfollowed(rate float64, count int) (load.Load, error) {
	events, err := newStream(s.site, s.variant.Scenario, s.sent)
	if err != nil {
		return load.Load{}, err
	}
	s.sent += count
	return load.Load{Rate: rate, Count: count, Size: events.size, Append: events.append, Prepared: true}, nil
}

// take restarts the target with an empty journal, so that a trial does not inherit work
// of the one before, warms it up with some events, sends it a load, and returns how many
// events did not become durable.
func (s *session) take(ctx context.Context, rate int) (lost int, err error) {
	if err := s.again(ctx); err != nil {
		return 0, err
	}
	warm, err := s.unfollowed(s.variant.WarmRate, s.variant.Warm)
	if err != nil {
		return 0, err
	}
	warmed, err := s.endure(ctx, warm, 0)
	if err != nil {
		return 0, err
	}
	s.reach(ctx, 0, s.variant.Drain, func(r target.Readings) float64 { return -r.Pending })
	turn, err := s.turn(rate)
	if err != nil {
		return 0, err
	}
	durable, err := s.endure(ctx, turn, warmed)
	return turn.Count - (durable - warmed), err
}

// endure sends a load to a target with before durable events, and returns the number of
// durable events afterwards.
func (s *session) endure(ctx context.Context, l load.Load, before int) (int, error) {
	if _, err := l.Send(ctx, s.target.Addr()); err != nil {
		return 0, err
	}
	durable := s.reach(ctx, before+l.Count, s.variant.Drain, func(r target.Readings) float64 { return r.Durable })
	return int(max(0, durable)), nil
}

// again kills the target and restarts it with an empty journal.
func (s *session) again(ctx context.Context) error {
	if err := s.target.Kill(); err != nil {
		return err
	}
	if journal := s.runner.Spec.Journal; journal != "" {
		if err := os.RemoveAll(filepath.Join(s.directory, journal)); err != nil {
			return err
		}
	}
	_, err := s.target.Launch(ctx)
	return err
}
