package notify

import (
	"github.com/asynkron/protoactor-go/actor"

	"butler/internal/actorkit"
	"butler/internal/destination"
	"butler/internal/outbox"
	"butler/messages"
)

// Changes of the configuration: every delivery actor is replaced.

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
