package notify

import (
	"context"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"go.uber.org/zap"

	"butler/internal/actorkit"
	"butler/internal/logx"
	"butler/internal/outbox"
	"butler/internal/trail"
)

// trimEvery is the interval between two trims. Notices are parked for days, so the
// bounds need not be kept to the minute.
const trimEvery = 10 * time.Minute

// Messages of the actor to itself.
type (
	trimDue struct{}
	trimmed struct{}
)

// trim drops the parked notices that are too old or too many, every few minutes.
func (a *notify) trim(ctx actor.Context) {
	t := trimmer{
		outbox: a.opts.Outbox, keep: a.opts.Keep, at: a.ageClock.safe, metrics: a.opts.Metrics, trail: a.opts.Trail, log: a.log,
	}
	a.nextTrim.Stop()
	if t.keep != (outbox.Retention{}) && !a.trims.Run(ctx, scanTimeout, t.run) {
		a.nextTrim = actorkit.After(ctx, trimEvery, trimDue{}) // the previous one is still running
	}
}

func (a *notify) trimEnded(ctx actor.Context) {
	a.health.recount()
	a.nextTrim.Stop()
	a.nextTrim = actorkit.After(ctx, trimEvery, trimDue{})
}

// ageClock is the time by which the age of parked notices is judged. A wall clock
// that is wrong for a while - too far ahead after a boot, say - would make all of them
// too old, and they would be dropped for good. So a notice has to be too old by two
// consecutive readings, trimEvery apart. The zero value has no reading.
type ageClock struct {
	latest time.Time
	// safe is the earlier of the last two readings, zero before there are two.
	safe time.Time
}

func (c *ageClock) read(now time.Time) {
	now = now.Round(0) // without the monotonic reading: times on disk are those of the wall clock
	c.safe = now
	if c.latest.Before(now) {
		c.safe = c.latest
	}
	c.latest = now
}

// trimmer drops parked notices. It logs and counts by itself, because the actor may
// have ended meanwhile.
type trimmer struct {
	outbox  *outbox.Outbox
	keep    outbox.Retention
	at      time.Time // by which the age is judged
	metrics *Metrics
	trail   *trail.Trail
	log     *zap.Logger
}

// run drops one notice after the other, as an operator would, until ctx ends.
func (t trimmer) run(ctx context.Context) any {
	surplus, err := t.outbox.Surplus(t.keep, t.at)
	dropped, total := map[string]int{}, 0
	for _, p := range surplus {
		if ctx.Err() != nil {
			break // the next trim continues
		}
		if _, err := t.outbox.Drop(ctx, p.ID); err != nil {
			continue // an operator was faster, or the next trim tries again
		}
		t.trail.Write(trail.NewDrop(&p, time.Now(), trail.ByAge))
		t.metrics.dropped.WithLabelValues(p.Integration, p.Instance).Inc()
		dropped[p.Instance]++
		total++
	}
	if total > 0 {
		t.log.Error("parked alerts are dropped for good: older than delivery.parkedKeepFor or more than delivery.parkedMaxBytes",
			logx.Count(total), zap.Any("destinations", dropped))
	}
	if err != nil {
		t.log.Warn("parked alerts cannot be read, trying again", logx.Err(err))
	}
	return trimmed{}
}
