// Package execution owns one execution of one task, from its first event until
// everything that was decided about it is on disk.
//
// It guarantees that an alert never waits for the QRS longer than configured,
// that a decision, its notices and the mark that it was made become durable in one
// commit, and that a distribute task is followed across restarts until it ends or
// the time for that is over, which is alerted. The machine decides and has no
// effects; the actor, or the fast path of a shard, carries them out and decides nothing.
// It must never talk to a destination. A crashed actor is not restarted with its
// state: supervision stops it, and the shard rebuilds it from the journal.
package execution

import (
	"errors"
	"slices"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"go.uber.org/zap"

	"butler/internal/actorkit"
	"butler/internal/destination"
	"butler/internal/journal"
	"butler/internal/logx"
	"butler/internal/outbox"
	"butler/internal/trail"
	"butler/messages"
)

// Outbox is where decisions are made durable; *outbox.Outbox is the one in use.
type Outbox interface {
	Commit(b *outbox.Batch, done func(error))
}

// Options are what every execution shares.
type Options struct {
	Kit *actorkit.Kit
	// Rules is called once by every execution, when it begins.
	Rules   func() Rules
	Outbox  Outbox
	Log     *zap.Logger
	Metrics *Metrics
	// Tasks are metrics of single tasks; nil has none.
	Tasks *TaskMetrics
	// Gate is qrsgate, Notify the actor that hands recorded notices to their deliveries.
	Gate, Notify *actor.PID
	// AtHand answers the first look-up of an event from a cache, without the gate, when
	// it can; nil means never. Its answer is shared and must not be changed.
	AtHand func(messages.LookupTask, time.Time) (*messages.LookupTaskReply, bool)
	// Trail notes what becomes of events; nil notes nothing.
	Trail *trail.Trail
	// Jitter returns a number in [0,1) that spreads the polls after a restart.
	Jitter func() float64
}

// Props describes the actor of one execution. Its first message says which.
func (o *Options) Props() *actor.Props {
	return o.Kit.Props("execution", func() actor.Actor { return &execution{opts: o} })
}

type execution struct {
	opts    *Options
	machine *Machine
	post    func(any)
	timers  []armed
	// following is what this actor has added to the gauge of followed tasks.
	following int
}

// armed is a timer under its name.
type armed struct {
	id    int
	timer timer
	actorkit.Timer
}

// Receive implements actor.Actor.
func (e *execution) Receive(ctx actor.Context) {
	switch message := ctx.Message().(type) {
	case *actor.Started:
		e.post, e.machine = actorkit.Poster(ctx), NewMachine(e.opts.Rules(), actorkit.RefOf(ctx.Self()))
	case *actor.Stopping, *actor.Restarting:
		for i := range e.timers {
			e.timers[i].Stop()
		}
		e.gauge(0)
	case *actor.Stopped: // no input of the machine
	case messages.ResumeExecution:
		e.resume(ctx, message)
	case decisionRefused:
		// The shard retries the execution, after some crashes from the event alone.
		actorkit.Fail(message.err)
	case messages.TaskEventObserved:
		e.perform(ctx, e.opts.observe(e.machine, time.Now(), &message))
	default:
		e.perform(ctx, e.machine.Handle(time.Now(), message))
	}
}

func (e *execution) gauge(following int) {
	if following != e.following {
		e.opts.Metrics.following.Add(float64(following - e.following))
		e.following = following
	}
}

func (e *execution) resume(ctx actor.Context, r messages.ResumeExecution) {
	effects, err := e.machine.Resume(time.Now(), r, e.opts.Jitter())
	if err != nil {
		actorkit.Fail(err)
	}
	e.perform(ctx, effects)
}

func (e *execution) perform(ctx actor.Context, effects []Effect) {
	for _, effect := range effects {
		switch do := effect.(type) {
		case Ask:
			ctx.Send(e.opts.Gate, do.Command)
		case Arm:
			e.arm(ctx, do)
		case *Record:
			e.record(do)
		case Handled:
			ctx.Send(ctx.Parent(), do.EventHandled)
		case Finish:
			ctx.Send(ctx.Parent(), do.ExecutionFinished)
		case Sleep:
			ctx.Send(ctx.Parent(), do.ExecutionAsleep)
		case *Report:
			e.opts.report(do, new(trail.Decision))
		}
	}
	e.gauge(e.machine.Following())
}

// observe hands an event to its machine, with the answer to its first look-up if the
// cache has one.
func (o *Options) observe(m *Machine, now time.Time, in *messages.TaskEventObserved) []Effect {
	if o.AtHand != nil && !in.Bare {
		if cached, ok := o.AtHand(m.Question(&in.Event), now); ok {
			return m.Observe(now, in, cached)
		}
	}
	return m.Observe(now, in, nil)
}

// ask sends the look-ups of a fast path to the gate, as one message.
func (o *Options) ask(commands []any) {
	o.Kit.System.Root.Send(o.Gate, messages.Lookups{Commands: commands})
}

// arm replaces the timer of the same name, if there is one.
func (e *execution) arm(ctx actor.Context, do Arm) {
	i := slices.IndexFunc(e.timers, func(t armed) bool { return t.id == do.Work && t.timer == do.Timer })
	if i < 0 {
		i = len(e.timers)
		e.timers = append(e.timers, armed{id: do.Work, timer: do.Timer})
	}
	e.timers[i].Stop()
	e.timers[i].Timer = actorkit.After(ctx, time.Until(do.At), do.Message)
}

// decisionRefused: a decision is too large for the ledger.
type decisionRefused struct{ err error }

// record commits a decision.
func (e *execution) record(r *Record) {
	post, done := e.post, messages.DecisionRecorded{Work: r.Work, Token: r.Token}
	var decision outbox.Batch
	r.add(&decision)
	e.opts.commit(&decision, func(err error) {
		switch {
		case err != nil:
			post(decisionRefused{err})
		case done.Work != 0:
			post(done)
		}
	})
}

// commit records decisions in one commit, and hands their notices on when that is
// durable. It does not call done when the ledger is closed: the events come again
// after the restart.
func (o *Options) commit(decisions *outbox.Batch, done func(error)) {
	notices := decisions.Notices()
	o.Outbox.Commit(decisions, func(err error) {
		if errors.Is(err, journal.ErrClosed) {
			return
		}
		if err == nil && len(notices) > 0 {
			o.Kit.System.Root.Send(o.Notify, messages.NoticesRecorded{Notices: notices})
		}
		done(err)
	})
}

// report writes the outcome of an event to the log, the metrics and the trail. It
// does not warn that the QRS is out of reach, since that would be a line per event;
// qrsgate does, once. step is memory for the trail entry.
func (o *Options) report(t *Report, step *trail.Decision) {
	o.Metrics.observe(t)
	o.Tasks.observe(t)
	if o.Trail != nil {
		o.Trail.Write(t.trailDecision(step))
	}
	entry := o.Log.Check(t.level(), outcomes[t.Outcome].text)
	if entry == nil {
		return
	}
	event := &t.Alert.Event
	fields := []zap.Field{
		logx.EventType(event.Family), logx.ExecutionID(event.ExecutionID),
		logx.TaskID(event.TaskID), logx.TaskName(event.TaskName), logx.Node(event.HostName),
	}
	if t.Alert.Task.Known {
		fields = append(fields, logx.TaskType(t.Alert.Task.Type))
	}
	if found := t.found(); found != "" {
		fields = append(fields, zap.String("found", found))
	}
	if t.Alert.Kind != "" {
		fields = append(fields, logx.Alert(t.Alert.Kind), logx.Count(len(t.Notices)))
	}
	if len(t.Alert.Degraded) > 0 {
		fields = append(fields, zap.Strings("degraded", t.Alert.Degraded), zap.Strings("lookup_failures", t.failures()))
	}
	entry.Write(destination.AppendFields(fields, t.Without)...)
}
