package mqttlink

import (
	"context"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"go.uber.org/zap"

	"butler/internal/actorkit"
	"butler/internal/logx"
	"butler/internal/udp"
	"butler/messages"
)

// Props returns the props of the actor of one broker.
func Props(o Options) *actor.Props {
	o = o.withDefaults()
	o.Metrics.expect(o.Name, o.Rows)
	size := 0
	for _, r := range o.Rows {
		size += 2 * r.Concurrency // twice, as handlers from before a crash may still run
	}
	pool := actorkit.NewPool(size)
	return o.Kit.Props("mqttlink", func() actor.Actor { return &link{opts: o, pool: pool} })
}

type link struct {
	opts    Options
	pool    *actorkit.Pool
	effects *actorkit.Effects
	machine *machine
	alarm   actorkit.Alarm
}

// The messages of the actor to itself.
type (
	handleFinished struct {
		lane    int
		job     job
		failure messages.Failure
	}
	retryDue struct{}
)

// Receive implements actor.Actor.
func (l *link) Receive(ctx actor.Context) {
	switch message := ctx.Message().(type) {
	case *actor.Started:
		l.effects = actorkit.NewEffects(l.pool)
		l.waits(waits{})
		l.machine = newMachine(l.opts, l.opts.Connection.Resume())
	case *actor.Stopping, *actor.Restarting:
		l.effects.Close()
		l.opts.Metrics.waiting.WithLabelValues(l.opts.Name).Set(0) // the broker has them
		l.alarm.Stop()
		return
	case messages.MQTTMessageArrived:
		l.perform(ctx, l.machine.arrived(message))
	case handleFinished:
		l.perform(ctx, l.machine.finished(time.Now(), message.lane, message.job, message.failure))
	case retryDue:
		l.alarm.Stop()
		l.perform(ctx, l.machine.tick(time.Now()))
	}
	l.alarm.Set(ctx, l.machine.next(), retryDue{})
}

func (l *link) perform(ctx actor.Context, effects []any) {
	for _, e := range effects {
		switch e := e.(type) {
		case handle:
			l.handle(ctx, e)
		case settle:
			l.opts.Connection.Settle(e.id)
		case tell:
			l.tell(e)
		case waits:
			l.waits(e)
		}
	}
}

// waits reports how many messages wait for another attempt. The last reason stands
// until none waits.
func (l *link) waits(w waits) {
	l.opts.Metrics.waiting.WithLabelValues(l.opts.Name).Set(float64(w.count))
	if w.count == 0 || w.why != "" {
		l.opts.OnWaiting(w.why)
	}
}

func (l *link) handle(ctx actor.Context, e handle) {
	l.received(e.job)
	running := l.effects.Run(ctx, l.opts.Rows[e.lane].Timeout, func(bounded context.Context) any {
		f := actorkit.Guard(l.opts.Log, "the handler of an MQTT message", func() error {
			return l.opts.Rows[e.lane].Handle(bounded, e.job.MQTTMessageArrived)
		})
		if !f.Failed() {
			l.opts.Connection.Settle(e.job.ID) // here, as the actor may have stopped meanwhile
		}
		return handleFinished{e.lane, e.job, f}
	})
	if !running {
		ctx.Send(ctx.Self(), handleFinished{e.lane, e.job, messages.Failure{Kind: messages.FailureBusy, Text: "too many earlier handlers are still running"}})
	}
}

// received logs a message that is handed to its handler.
func (l *link) received(j job) {
	if entry := l.opts.Log.Check(zap.DebugLevel, "MQTT message received"); entry != nil {
		entry.Write(zap.String("connection", l.opts.Name), zap.String("topic", j.Topic), excerpt(j), logx.Attempt(j.Attempt))
	}
}

// textInLog bounds the excerpt of a message in a log line, in characters.
const textInLog = 200

func excerpt(j job) zap.Field { return zap.String("text", udp.Excerpt([]byte(j.Payload), textInLog)) }

// tell counts and logs the result of an attempt.
func (l *link) tell(e tell) {
	l.opts.Metrics.count(l.opts.Name, e.row, e.result)
	if e.result == handled || e.result == ignored && !l.opts.Log.Core().Enabled(zap.DebugLevel) {
		return // without building the fields of a log line
	}
	log := l.opts.Log.With(zap.String("connection", l.opts.Name), zap.String("topic", e.job.Topic))
	switch e.result {
	case handled:
	case ignored:
		log.Debug("MQTT message is ignored: no handler for its topic", excerpt(e.job))
	case retained:
		log.Warn("retained MQTT message is ignored: it would be handled again with every connect; publish without retain")
	case refused:
		log.Warn("MQTT message is refused", excerpt(e.job), logx.Err(e.failure))
	case retried:
		level := zap.WarnLevel
		if e.job.Attempt > 1 {
			level = zap.DebugLevel
		}
		log.Log(level, "MQTT message could not be handled yet", logx.Attempt(e.job.Attempt), zap.Time("retry_at", e.retryAt), logx.Err(e.failure))
	case failed:
		log.Error("MQTT message is given up", excerpt(e.job), logx.Attempt(e.job.Attempt), logx.Err(e.failure))
	}
}
