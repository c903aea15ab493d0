package notify

import (
	"context"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"go.uber.org/zap"

	"butler/internal/actorkit"
	"butler/internal/logx"
	"butler/internal/outbox"
)

// trimEvery is how often parked notices are looked through. What is parked has
// waited on the same disk for longer, so the bound need not be watched closely.
const trimEvery = 10 * time.Minute

// What the actor tells itself about parked notices that are kept too long.
type (
	trimDue struct{}
	trimmed struct{}
)

// trim drops the parked notices that are not to be kept, now and then.
func (a *notify) trim(ctx actor.Context) {
	t := trimmer{outbox: a.opts.Outbox, keep: a.opts.Keep, metrics: a.opts.Metrics, log: a.log}
	if t.keep != (outbox.Keep{}) {
		a.trims.Run(ctx, scanTimeout, t.run)
	}
}

func (a *notify) trimEnded(ctx actor.Context) {
	a.health.recount()
	a.nextTrim = actorkit.After(ctx, trimEvery, trimDue{})
}

// trimmer drops what is not to be kept. It tells of it by itself: the actor may
// be gone by the time it ends.
type trimmer struct {
	outbox  *outbox.Outbox
	keep    outbox.Keep
	metrics *Metrics
	log     *zap.Logger
}

// run drops one notice after the other, as an operator would, until ctx ends.
func (t trimmer) run(ctx context.Context) any {
	surplus, err := t.outbox.Surplus(t.keep, time.Now())
	dropped, total := map[string]int{}, 0
	for _, p := range surplus {
		if ctx.Err() != nil {
			break // the next round goes on
		}
		if t.outbox.Drop(ctx, p.ID) != nil {
			continue // an operator was faster, or the next round tries again
		}
		t.metrics.dropped.WithLabelValues(p.Integration, p.Instance).Inc()
		dropped[p.Instance]++
		total++
	}
	if total > 0 {
		t.log.Error("parked alerts are dropped for good: older than delivery.parkedKeepFor or more than delivery.parkedMaxBytes",
			logx.Count(total), zap.Any("destinations", dropped))
	}
	if err != nil {
		t.log.Warn("parked alerts cannot be looked through, trying again", logx.Err(err))
	}
	return trimmed{}
}
