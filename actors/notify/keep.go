package notify

import (
	"context"
	"time"

	"go.uber.org/zap"

	"butler/internal/logx"
	"butler/internal/outbox"
	"butler/internal/trail"
)

// trimEvery is how often parked notices are looked through. What is parked has
// waited on the same disk for longer, so the bound need not be watched closely.
const trimEvery = 10 * time.Minute

// What the actor tells itself about it.
type (
	trimDue struct{}
	trimmed struct{}
)

// looks are the readings of the clock by which the age of parked notices is judged.
// One that is ahead, after the start of a machine or for a moment, would cost all
// of them for good, so a notice goes when it is too old in two looks, one after the
// other and trimEvery apart. The zero value has none.
type looks struct {
	latest time.Time
	// agreed is the earlier of the latest two, zero before there are as many.
	agreed time.Time
}

func (l *looks) look(now time.Time) {
	now = now.Round(0) // what is on disk was written by the time of the wall
	l.agreed = now
	if l.latest.Before(now) {
		l.agreed = l.latest
	}
	l.latest = now
}

// trimmer drops what is not to be kept. It tells of it by itself: the actor may
// be gone by the time it ends.
type trimmer struct {
	outbox  *outbox.Outbox
	keep    outbox.Keep
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
			break // the next round goes on
		}
		if _, err := t.outbox.Drop(ctx, p.ID); err != nil {
			continue // an operator was faster, or the next round tries again
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
		t.log.Warn("parked alerts cannot be looked through, trying again", logx.Err(err))
	}
	return trimmed{}
}
