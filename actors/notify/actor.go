// Package notify owns the delivery actors: it keeps one per configured destination
// instance and hands each its notices.
//
// It guarantees that an instance always has a delivery actor, which its supervisor
// restarts however often it fails; that notices of an instance that is not
// configured any more are parked with that reason instead of waiting for ever;
// and that parked notices which are too old, or too many, are dropped with an error
// in the log. A delivery actor finds its notices in the outbox when it starts, so a
// notice that is handed to nobody here is delayed and not lost. The package must
// never decide who is notified, send anything, or wait.
package notify

import (
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"go.uber.org/zap"

	"butler/internal/actorkit"
	"butler/internal/destination"
	"butler/internal/logx"
	"butler/internal/outbox"
	"butler/internal/trail"
	"butler/messages"
)

// Options configure the actor. All fields but Keep, Trail, OnGone, OnEnded and OnParked are required.
type Options struct {
	Table  *destination.Table
	Outbox *outbox.Outbox
	// Keep bounds the parked notices; the ones parked first are dropped first.
	Keep    outbox.Retention
	Metrics *Metrics
	// NewDelivery describes the delivery actor of an instance.
	NewDelivery func(destination.Built) *actor.Props
	// Trail notes which notices are parked here, and which parked ones are dropped; nil
	// notes nothing.
	Trail *trail.Trail
	// OnGone, if set, is called for an instance that is not configured any more, when
	// its delivery actor has ended. It must not block.
	OnGone func(instance string)
	// OnEnded, if set, is called with the ID of a delivery actor that has ended, before
	// a successor gets its address. It must not block.
	OnEnded func(id string)
	// OnParked, if set, is called for every notice that is parked because its instance is
	// not configured any more, on the ledger's goroutine. It must not block.
	OnParked func(messages.NoticeSettled, outbox.ParkCause)
	// OnHealth is called with the health of an instance, at the start and whenever it
	// may have changed. It runs on the actor and must not block.
	OnHealth func(Health)
}

const (
	// respawnAfter is the pause before a delivery actor that could not be started is tried again.
	respawnAfter = time.Minute
	// retireAfter is how long a delivery actor of an old configuration may take to end
	// its attempts; at least retireLead longer than the timeout of an attempt.
	retireAfter = 15 * time.Second
	retireLead  = time.Second
	// commandTimeout bounds a command about parked notices. It is less than the 30 s
	// for which the API waits, so that the API learns what was done. commands is how
	// many run at once.
	commandTimeout = 25 * time.Second
	commands       = 4
	// remindEvery is how often the log reminds of parked notices.
	remindEvery = time.Hour
)

// Messages of the actor to itself. Others are beside the code that they belong to.
type (
	respawnDue struct{ instance string }
	retireDue  struct {
		instance string
		child    *child
	}
	// noticeReplayed: a parked notice waits for delivery again, and that is durable.
	noticeReplayed struct{ notice messages.NoticeHead }
	reminderDue    struct{}
)

// Props describes the actor. Give it the strategy for its children with
// actor.WithSupervisor: one that restarts them, and stops none.
func Props(kit *actorkit.Kit, opts Options, more ...actor.PropsOption) *actor.Props {
	if opts.Table == nil || opts.Outbox == nil || opts.Metrics == nil || opts.NewDelivery == nil || opts.OnHealth == nil {
		panic("BUG: notify needs a table, an outbox, metrics, NewDelivery and OnHealth")
	}
	drain := &drain{done: map[string]bool{}}
	return kit.Props("notify", func() actor.Actor {
		return &notify{opts: &opts, log: kit.Log.Named("notify"), children: map[string]*child{}, drain: drain, health: newHealth(opts)}
	}, more...)
}

// child is a delivery actor.
type child struct {
	pid *actor.PID
	// timeout bounds an attempt of it.
	timeout time.Duration
	// retiring: it belongs to an old configuration and is about to be stopped.
	retiring bool
}

type notify struct {
	// opts outlives a crash of the actor; only the live one touches it.
	opts *Options
	log  *zap.Logger

	built    map[string]destination.Built // of the present configuration
	known    known                        // built, for what runs beside the actor
	children map[string]*child
	health   *health

	commands  *actorkit.Effects
	scans     *actorkit.Effects
	scanning  bool
	scanAgain bool
	nextScan  actorkit.Timer // after one that failed
	trims     *actorkit.Effects
	nextTrim  actorkit.Timer
	ageClock  ageClock

	gathering *gathering
	// drain outlives a crash of the actor.
	drain    *drain
	stopping bool // its delivery actors end with it and are not replaced
	reminder actorkit.Timer
}

// Receive implements actor.Actor.
func (a *notify) Receive(ctx actor.Context) {
	switch msg := ctx.Message().(type) {
	case *actor.Started:
		a.begin(ctx)
	case *actor.Stopping, *actor.Restarting:
		a.stopping = true
		a.commands.Close()
		a.scans.Close()
		a.nextScan.Stop()
		a.trims.Close()
		a.nextTrim.Stop()
		a.reminder.Stop()
	case *actor.Terminated:
		a.childEnded(ctx, msg.Who)
	case messages.NoticesRecorded:
		a.recorded(ctx, msg)
	case messages.ReplayParked, replayed, messages.DropParked, dropped:
		a.command(ctx, msg)
	case noticeReplayed:
		a.log.Info("parked alert is replayed", logx.NoticeID(msg.notice.ID), logx.Destination(msg.notice.Instance))
		a.hand(ctx, []messages.NoticeHead{msg.notice})
	case messages.DescribeDelivery, messages.DescribeDeliveryReply, describeDue:
		a.describe(ctx, msg)
	case messages.DeliveryChanged:
		a.health.changed(msg)
	case messages.DrainDelivery:
		a.drainAll(ctx, msg)
	case messages.DrainDeliveryReply:
		a.childDrained(ctx, msg)
	case TableChanged:
		a.reconfigure(ctx, msg)
	case respawnDue:
		a.spawn(ctx, msg.instance)
	case retireDue:
		if a.children[msg.instance] == msg.child { // and not its successor, which has the same address
			ctx.Stop(msg.child.pid)
		}
	case scanDue:
		a.scan(ctx)
	case scanned:
		a.scanEnded(ctx, msg)
	case scanAgainDue:
		a.requestScan(ctx)
	case trimDue:
		a.ageClock.read(time.Now())
		a.trim(ctx)
	case trimmed:
		a.trimEnded(ctx)
	case reminderDue:
		a.remind(ctx)
	}
}

func (a *notify) begin(ctx actor.Context) {
	a.commands = actorkit.NewEffects(actorkit.NewPool(commands))
	a.scans = actorkit.NewEffects(actorkit.NewPool(2)) // one scan at a time, and the end of the last
	a.trims = actorkit.NewEffects(actorkit.NewPool(1))
	a.configure(a.opts.Table)
	for instance := range a.built {
		a.spawn(ctx, instance)
	}
	a.answerDrain(ctx)
	a.requestScan(ctx)
	a.remind(ctx)
	a.ageClock.read(time.Now())
	a.trim(ctx)
}

// remind logs, every hour, that parked notices wait for a decision.
func (a *notify) remind(ctx actor.Context) {
	a.reminder.Stop()
	a.reminder = actorkit.After(ctx, remindEvery, reminderDue{})
	parked := 0
	for _, n := range a.health.parked() {
		parked += n
	}
	if parked > 0 {
		a.log.Warn("parked alerts wait for an operator to replay or drop them", logx.Count(parked))
	}
}

func (a *notify) configure(t *destination.Table) {
	built := map[string]destination.Built{}
	for _, b := range t.Built() {
		built[b.Instance.Name] = b
	}
	a.built = built
	a.known.set(built)
	a.opts.Metrics.expect(t.Built())
	a.health.configure(a.built)
}

// spawn starts the delivery actor of an instance that is configured and has none.
func (a *notify) spawn(ctx actor.Context, instance string) {
	built, configured := a.built[instance]
	if _, running := a.children[instance]; running || !configured || a.stopping || a.drain.wanted {
		return
	}
	pid, err := ctx.SpawnNamed(a.opts.NewDelivery(built), "d:"+instance)
	if err != nil {
		a.log.Error("delivery cannot be started, trying again", logx.Destination(instance), logx.Err(err))
		actorkit.After(ctx, respawnAfter, respawnDue{instance})
		return
	}
	a.children[instance] = &child{pid: pid, timeout: built.Instance.Timeout}
}

// childEnded replaces a delivery actor that has ended.
func (a *notify) childEnded(ctx actor.Context, who *actor.PID) {
	for instance, c := range a.children {
		if !c.pid.Equal(who) {
			continue
		}
		delete(a.children, instance)
		if a.opts.OnEnded != nil {
			a.opts.OnEnded(who.GetId())
		}
		_, configured := a.built[instance]
		switch {
		case a.stopping:
		case a.drain.wanted:
			a.childDrained(ctx, messages.DrainDeliveryReply{Instance: instance})
		case !configured:
			a.gone(instance)
			a.requestScan(ctx)
		default:
			a.spawn(ctx, instance)
		}
		return
	}
}

func (a *notify) gone(instance string) {
	if a.opts.OnGone != nil {
		a.opts.OnGone(instance)
	}
}

// recorded hands notices to the delivery actors of their instances. An instance
// without one at present gets one that finds them in the outbox.
func (a *notify) recorded(ctx actor.Context, msg messages.NoticesRecorded) {
	for _, notices := range byInstance(msg.Notices) {
		a.hand(ctx, notices)
	}
}

// hand sends notices of one instance to its delivery actor.
func (a *notify) hand(ctx actor.Context, notices []messages.NoticeHead) {
	instance := notices[0].Instance
	if _, configured := a.built[instance]; !configured {
		a.requestScan(ctx) // decided under an earlier configuration
		return
	}
	if c, running := a.children[instance]; running {
		ctx.Send(c.pid, messages.NoticesQueued{Notices: notices})
	}
}

// describe asks every delivery actor for its state. Requests that arrive while the
// answers are gathered share them.
func (a *notify) describe(ctx actor.Context, msg any) {
	switch msg := msg.(type) {
	case messages.DescribeDelivery:
		if a.gathering != nil {
			a.gathering.askers = append(a.gathering.askers, msg.ReplyTo)
			return
		}
		a.gathering = &gathering{askers: []messages.Ref{msg.ReplyTo}, missing: map[string]bool{}}
		for instance := range a.built {
			a.gathering.missing[instance] = true
		}
		for _, c := range a.children {
			ctx.Send(c.pid, messages.DescribeDelivery{ReplyTo: actorkit.RefOf(ctx.Self())})
		}
		actorkit.After(ctx, describeAfter, describeDue{a.gathering})
	case messages.DescribeDeliveryReply:
		if a.gathering != nil && a.gathering.add(msg.States) {
			a.described(ctx)
		}
	case describeDue:
		if a.gathering == msg.gathering {
			a.described(ctx)
		}
	}
}

func (a *notify) described(ctx actor.Context) {
	parked := a.health.parked()
	states := a.gathering.finish(func(instance string) messages.DeliveryState {
		return messages.DeliveryState{
			Instance: instance, Integration: a.built[instance].Instance.Integration, Condition: messages.DeliveryNotResponding,
		}
	})
	for i := range states {
		states[i].Parked, states[i].Path = parked[states[i].Instance], a.built[states[i].Instance].Instance.Path
	}
	for _, asker := range a.gathering.askers {
		actorkit.Reply(ctx, asker, messages.DescribeDeliveryReply{States: states, At: time.Now()})
	}
	a.gathering = nil
}
