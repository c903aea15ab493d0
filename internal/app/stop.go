package app

import (
	"context"
	"errors"
	"time"

	"go.uber.org/zap"

	"butler/internal/logx"
	"butler/messages"
)

// The shutdown: the intake closes first, then what is under way is finished, then
// everything is closed in reverse order of opening.

// closeTime is the least time for stopping the actors and closing the rest, even
// when draining has used up the deadline: a clean close saves a recovery.
const closeTime = 3 * time.Second

// Stop shuts the service down in order. Notices that are not delivered when ctx ends
// are delivered after the next start; that is no error.
func (a *App) Stop(ctx context.Context) error {
	a.health.Stopping()
	a.endLifetime()
	defer a.reloads.stop()() // a reload under way ends first
	a.log.Info("stopping: no new events are accepted, those in progress are finished")
	g := a.current.Load()
	for _, step := range []func(context.Context){g.closeREST, g.closeApps, a.closeIntake, a.drainQueue, a.drainDelivery} {
		withHalfTheTime(ctx, step)
	}
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), max(remaining(ctx), closeTime))
	defer cancel()
	if a.tree != nil {
		withHalfTheTime(closing, a.tree.Stop)
	}
	stats, waiting := a.queue.Stats(), a.outbox.Waiting()
	err := g.close(closing)
	a.background.Wait()
	state := a.foundation.cut(min(a.logged, len(a.foundation)))
	err = errors.Join(err, state.close(closing, a.log))
	a.log.Info("stopped", zap.Int("events_left", stats.Entries), zap.Int("notices_left", waiting), logx.Err(err))
	return errors.Join(err, a.foundation.close(closing, a.log))
}

// close closes what the last generation opened, and waits for its goroutines.
func (g *generation) close(ctx context.Context) error {
	err := errors.Join(closeParts(ctx, g.parts, g.log), g.closer.close(ctx, g.log))
	if g.stopWatching != nil {
		g.stopWatching()
	}
	g.watching.Wait()
	g.serve.Wait()
	return err
}

// withHalfTheTime gives a step of the shutdown half of the remaining time, so that no step
// uses up the time of those that follow.
func withHalfTheTime(ctx context.Context, step func(context.Context)) {
	bounded, cancel := context.WithTimeout(ctx, remaining(ctx)/2)
	defer cancel()
	step(bounded)
}

// remaining returns the time until the deadline of ctx; a minute where it has none.
func remaining(ctx context.Context) time.Duration {
	if deadline, ok := ctx.Deadline(); ok {
		return time.Until(deadline)
	}
	return time.Minute
}

// drainQueue waits until every journalled event is decided or ctx ends. Events that
// are left are decided after the next start.
func (a *App) drainQueue(ctx context.Context) {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for a.queue.Stats().Pending > 0 && a.queue.Writable() == nil && a.queue.Readable() == nil {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// closeIntake closes the UDP socket and waits until every datagram that was read is
// on disk.
func (a *App) closeIntake(ctx context.Context) {
	if a.pids.ingest == nil || a.neverListened {
		return
	}
	if _, err := ask[messages.CloseIntakeReply](ctx, a.kit, a.pids.ingest, func(to messages.Ref) any {
		return messages.CloseIntake{ReplyTo: to}
	}); err != nil {
		a.log.Warn("the UDP intake did not close in time", logx.Err(err))
	}
}

// drainDelivery waits for the running delivery attempts and starts no new ones.
func (a *App) drainDelivery(ctx context.Context) {
	if a.pids.notify == nil {
		return
	}
	reply, err := ask[messages.DrainDeliveryReply](ctx, a.kit, a.pids.notify, func(to messages.Ref) any {
		return messages.DrainDelivery{ReplyTo: to}
	})
	if err != nil {
		a.log.Warn("running deliveries did not end in time; they are repeated after the next start", logx.Err(err))
		return
	}
	if reply.Left > 0 {
		a.log.Info("notices wait for the next start", logx.Count(reply.Left))
	}
}
