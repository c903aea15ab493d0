package monitor

import (
	"context"
	"errors"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"go.uber.org/zap"

	"butler/internal/actorkit"
	"butler/internal/cron"
	"butler/internal/destination"
	"butler/internal/journal"
	"butler/internal/logx"
	"butler/internal/outbox"
	"butler/messages"
)

// Options configure a monitor.
type Options struct {
	// Name is a metric label and the name in logs: "server_license".
	Name string
	// Schedule says when the probe runs; see cron.ParseText.
	Schedule cron.Timetable
	// AtStart also runs the probe when the actor starts for the first time.
	AtStart bool
	// Timeout bounds one probe; 0 means 1 min.
	Timeout time.Duration
	Probe   Probe

	Kit    *actorkit.Kit
	Router Router
	Outbox Outbox
	// Notify is the actor that hands recorded notices to their deliveries.
	Notify  *actor.PID
	Log     *zap.Logger
	Metrics *Metrics
	// OnHealth is called with whether the probe succeeds, and why not, after the first
	// run and then on every change. It must not block. It may be nil.
	OnHealth func(up bool, reason string)
}

// defaultTimeout bounds a probe without Options.Timeout.
const defaultTimeout = time.Minute

// Props returns the props of the actor of a monitor. It panics without a required option.
func Props(opts Options) *actor.Props {
	if opts.Name == "" || opts.Schedule == nil || opts.Probe == nil || opts.Router == nil || opts.Outbox == nil || opts.Notify == nil || opts.Metrics == nil {
		panic("BUG: a monitor needs a name, a schedule, a probe, a router, an outbox, notify and metrics")
	}
	if opts.Timeout <= 0 {
		opts.Timeout = defaultTimeout
	}
	if opts.OnHealth == nil {
		opts.OnHealth = func(bool, string) {}
	}
	if opts.Log == nil {
		opts.Log = zap.NewNop()
	}
	// The slot outlives the actor, so that after a restart no probe starts while the last
	// one still runs.
	shared := &shared{slot: actorkit.NewPool(1)}
	return opts.Kit.Props("monitor", func() actor.Actor { return &monitor{opts: opts, shared: shared} })
}

// shared is the state that survives a restart of the actor.
type shared struct {
	slot *actorkit.Pool
	// begun reports that the actor has started before, so that a restarted one does not
	// run the probe at once.
	begun bool
}

// The messages of the actor to itself.
type (
	due      struct{}
	finished struct {
		attempt attempt
		at      time.Time
		took    time.Duration
		report  Report
		failure messages.Failure
	}
)

type monitor struct {
	opts    Options
	shared  *shared
	machine *machine
	probes  *actorkit.Effects
	alarm   actorkit.Alarm
	// failing is why the last probe failed, "" when it did not.
	failing string
}

// Receive implements actor.Actor.
func (m *monitor) Receive(ctx actor.Context) {
	// Round(0) strips the monotonic clock: probes are due by the wall clock, and the
	// monotonic clock stands still while the computer sleeps.
	now := time.Now().Round(0)
	switch message := ctx.Message().(type) {
	case *actor.Started:
		m.probes = actorkit.NewEffects(m.shared.slot)
		m.machine = newMachine(m.opts.Schedule, m.opts.Timeout)
		first := !m.shared.begun
		m.shared.begun = true
		m.perform(ctx, m.machine.begin(now, first && m.opts.AtStart))
	case *actor.Stopping, *actor.Restarting:
		m.probes.Close()
		m.alarm.Stop()
		return
	case due:
		m.alarm.Stop()
		m.perform(ctx, m.machine.tick(now))
	case finished:
		m.took(ctx, message)
	default:
		return
	}
	m.alarm.Set(ctx, m.machine.wake(now), due{})
}

func (m *monitor) perform(ctx actor.Context, effects []effect) {
	for _, e := range effects {
		switch e := e.(type) {
		case probe:
			m.probe(ctx, e)
		case skip:
			m.skipped(e.Since)
		case tellHealth:
			m.opts.OnHealth(e.Up, e.Reason)
		}
	}
}

// probe runs the probe outside of the actor.
func (m *monitor) probe(ctx actor.Context, p probe) {
	o := m.opts
	running := m.probes.Run(ctx, o.Timeout, func(bounded context.Context) any {
		end := finished{attempt: p.Attempt, at: p.At}
		began := time.Now()
		end.failure = actorkit.Guard(o.Log, "the probe of monitor "+o.Name, func() (err error) {
			end.report, err = o.Probe(bounded, p.At)
			return err
		})
		end.took = time.Since(began)
		return end
	})
	if !running { // the probe from before a restart of the actor still runs
		m.skipped(time.Time{})
		m.perform(ctx, m.machine.finished(p.Attempt, "", messages.Failure{Kind: messages.FailureBusy, Text: "an earlier probe has not ended"}))
	}
}

func (m *monitor) skipped(since time.Time) {
	m.opts.Metrics.skipped(m.opts.Name)
	m.opts.Log.Warn("the probe is skipped, because the one before has not ended", monitorName(m.opts.Name), zap.Time("since", since))
}

// took handles the end of a probe: metrics, log, alerts and health.
func (m *monitor) took(ctx actor.Context, end finished) {
	m.opts.Metrics.probed(m.opts.Name, end.took, !end.failure.Failed(), time.Now())
	// A probe that keeps failing for the same reason is logged once; the health and a
	// metric show that it still fails.
	if end.failure.Failed() && end.failure.Text != m.failing {
		m.opts.Log.Error("the probe of a monitor failed", monitorName(m.opts.Name), logx.Err(end.failure))
	}
	m.failing = end.failure.Text
	nth := map[string]int{} // alerts so far of the same kind and subject
	for _, a := range end.report.Alerts {
		about := string(a.Kind) + "|" + a.Subject()
		m.tell(ctx, a.Observed(end.at, nth[about]))
		nth[about]++
	}
	if end.report.Taken != nil {
		end.report.Taken()
	}
	m.perform(ctx, m.machine.finished(end.attempt, end.report.Trouble, end.failure))
}

// tell routes an alert, records its notices, and hands them to notify when they are
// durable.
func (m *monitor) tell(ctx actor.Context, a messages.Alert) {
	notices, without := m.opts.Router.Route(&a, true, a.DecidedAt)
	level := zap.InfoLevel
	if a.Kind.Reading() {
		level = zap.DebugLevel
	}
	fields := []zap.Field{monitorName(m.opts.Name), logx.Alert(a.Kind), zap.String("subject", a.Subject()), logx.Count(len(notices))}
	m.opts.Log.Log(level, "a monitor has something to tell", destination.AppendFields(fields, without)...)
	m.opts.Metrics.told(m.opts.Name, len(notices) > 0)
	if len(notices) == 0 {
		return
	}
	o, root := m.opts, ctx.ActorSystem().Root
	o.Outbox.Record(outbox.Decision{Alert: &a, Notices: notices}, nil, func(err error) {
		switch {
		case err == nil:
			root.Send(o.Notify, messages.NoticesRecorded{Notices: notices})
		case !errors.Is(err, journal.ErrClosed):
			o.Log.Error("the result of a monitor cannot be recorded, no alert is sent", monitorName(o.Name), logx.Alert(a.Kind), logx.Err(err))
		}
	})
}

func monitorName(name string) zap.Field { return zap.String("monitor", name) }
