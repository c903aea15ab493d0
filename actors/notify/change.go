package notify

import (
	"context"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"butler/internal/actorkit"
	"butler/internal/destination"
	"butler/internal/logx"
	"butler/internal/outbox"
	"butler/internal/trail"
	"butler/messages"
)

// Changes of the configuration, and the end of the service: delivery actors end
// their attempts, and notices without a configured instance are parked.

// TableChanged brings a new configuration. Running attempts of the old one
// finish first, for a limited time.
type TableChanged struct {
	Table *destination.Table
	// Keep and NewDelivery replace those of Options; a nil NewDelivery leaves both.
	Keep        outbox.Retention
	NewDelivery func(destination.Built) *actor.Props
	// ReplyTo gets a TableChangedReply as soon as notices of the new instances are
	// accepted. Zero means nobody.
	ReplyTo messages.Ref
}

// TableChangedReply says that notices of the new configuration may be recorded.
type TableChangedReply struct{}

// reconfigure replaces every delivery actor: each ends its attempts, and its
// successor starts when it has ended.
func (a *notify) reconfigure(ctx actor.Context, msg TableChanged) {
	a.opts.Table = msg.Table
	if msg.NewDelivery != nil {
		a.opts.Keep, a.opts.NewDelivery = msg.Keep, msg.NewDelivery
		a.trim(ctx)
	}
	before := a.built
	a.configure(msg.Table)
	for instance := range before {
		_, configured := a.built[instance]
		if _, running := a.children[instance]; !configured && !running {
			a.gone(instance)
		}
	}
	actorkit.Reply(ctx, msg.ReplyTo, TableChangedReply{})
	for instance, c := range a.children {
		c.retiring = true
		ctx.Send(c.pid, messages.DrainDelivery{ReplyTo: actorkit.RefOf(ctx.Self())})
		actorkit.After(ctx, max(retireAfter, c.timeout+retireLead), retireDue{instance, c})
	}
	for instance := range a.built {
		a.spawn(ctx, instance)
	}
	a.requestScan(ctx)
}

// drain is the request to start no more attempts.
type drain struct {
	wanted bool
	askers []messages.Ref
	done   map[string]bool // instances that have drained
}

// drainAll passes the request on to all delivery actors, and answers when they all have.
func (a *notify) drainAll(ctx actor.Context, msg messages.DrainDelivery) {
	a.drain.askers = append(a.drain.askers, msg.ReplyTo)
	if !a.drain.wanted {
		a.drain.wanted = true
		for _, c := range a.children {
			ctx.Send(c.pid, messages.DrainDelivery{ReplyTo: actorkit.RefOf(ctx.Self())})
		}
	}
	a.answerDrain(ctx)
}

func (a *notify) childDrained(ctx actor.Context, msg messages.DrainDeliveryReply) {
	if a.drain.wanted {
		a.drain.done[msg.Instance] = true
		a.answerDrain(ctx)
		return
	}
	if c, ok := a.children[msg.Instance]; ok && c.retiring {
		ctx.Stop(c.pid)
	}
}

func (a *notify) answerDrain(ctx actor.Context) {
	for instance := range a.children {
		if !a.drain.done[instance] {
			return
		}
	}
	for _, asker := range a.drain.askers {
		actorkit.Reply(ctx, asker, messages.DrainDeliveryReply{Left: a.opts.Outbox.Waiting()})
	}
	a.drain.askers = nil
}

// requestScan starts a scan as soon as everything that was settled before is durable.
func (a *notify) requestScan(ctx actor.Context) {
	if a.scanning {
		a.scanAgain = true
		return
	}
	a.scanning = true
	post := actorkit.Poster(ctx)
	a.opts.Outbox.Barrier(func(err error) {
		if err == nil {
			post(scanDue{})
		}
	})
}

// scan parks the notices of instances that are not configured. An instance whose
// delivery actor is still running is left to that; its end requests another scan.
func (a *notify) scan(ctx actor.Context) {
	o, running := a.opts.Outbox, map[string]bool{}
	steps, onParked := a.opts.Trail, a.opts.OnParked
	ended := func(end messages.NoticeSettled) {
		if !end.Kind.Reading() {
			steps.Write(trail.NewEnd(end))
		}
		if onParked != nil {
			onParked(end, outbox.Unconfigured)
		}
	}
	for instance := range a.children {
		running[instance] = true
	}
	known := func(instance string) bool { return a.isConfigured(instance) || running[instance] }
	started := a.scans.Run(ctx, scanTimeout, func(context.Context) any {
		parked, err := parkUnconfigured(o, known, time.Now(), ended)
		return scanned{parked: parked, err: err}
	})
	if !started {
		a.scanning = false
		a.scanLater(ctx)
	}
}

// scanLater starts a scan after a pause.
func (a *notify) scanLater(ctx actor.Context) {
	a.nextScan.Stop()
	a.nextScan = actorkit.After(ctx, scanAgainAfter, scanAgainDue{})
}

func (a *notify) scanEnded(ctx actor.Context, msg scanned) {
	for instance, n := range msg.parked {
		a.log.Error("alerts parked: their destination is not configured any more",
			logx.Destination(instance), logx.Count(n))
	}
	a.health.recount()
	a.scanning = false
	if msg.err != nil { // no reason to fail: the deliveries would end with this actor
		a.log.Warn("notices of destinations that are not configured any more cannot be read, trying again",
			logx.Delay(scanAgainAfter), logx.Err(msg.err))
		a.scanLater(ctx)
	}
	if a.scanAgain {
		a.scanAgain = false
		a.requestScan(ctx)
	}
}
