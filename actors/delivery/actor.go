// Package delivery owns the way of notices to one destination instance:
// suppression, pace, attempts, retries, the circuit breaker, and parking.
//
// It guarantees that every notice it is given ends delivered, suppressed (by a
// rate limit, or because it is outdated) or parked, and that the end is in the
// outbox before the slot of the attempt is given to another one; that after a
// restart it goes on with what the outbox holds, repeating at most the attempts
// that were running; and that whatever its destination does - refuse, throttle,
// hang, crash - no other instance waits for it. What all instances share is the
// journal: their settlements are made one at a time, and may read from its disk.
// Delivery is at least once.
//
// The machine decides and is pure; the actor carries out its effects. Attempts run
// on a pool of the instance's own; one that ignores its deadline is abandoned and
// counted. The package must never wait inside the actor, except for the local journal
// when it settles (ADR 4), choose recipients, or write the text of a message.
package delivery

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"go.uber.org/zap"

	"butler/internal/actorkit"
	"butler/internal/backoff"
	"butler/internal/destination"
	"butler/internal/logx"
	"butler/internal/outbox"
	"butler/internal/trail"
	"butler/messages"
)

// Options configure the delivery through one instance. Built and Outbox are required.
type Options struct {
	Built   destination.Built
	Outbox  *outbox.Outbox
	Metrics *Metrics
	// Retry is the back-off of one notice; zero means 1 s doubling up to 5 min.
	Retry backoff.Policy
	// ParkAfter is the age at which a failing notice is parked; 0 means 24 h.
	ParkAfter time.Duration
	// BreakerFailures in a row open the breaker; 0 means 5.
	BreakerFailures int
	// BreakerPause is how long the breaker stays open before a probe; zero means 30 s doubling up to 5 min.
	BreakerPause backoff.Policy
	// Rand spreads the retries. It is used by this actor alone; nil means one with a seed of its own.
	Rand *rand.Rand
	// Trail notes attempts, and notices that are not delivered; nil notes nothing.
	Trail *trail.Trail
	// OnSettled, if set, is called for every notice that ended, on the ledger's
	// goroutine. It must not block.
	OnSettled func(messages.NoticeSettled)
}

// Defaults for what an instance or the options leave zero.
const (
	defaultInFlight  = 8
	defaultParkAfter = 24 * time.Hour
	defaultFailures  = 5
	loadTimeout      = 5 * time.Minute
)

// withDefaults replaces zero values by the defaults.
func (o Options) withDefaults() Options {
	i := &o.Built.Instance
	i.MaxInFlight = orDefault(i.MaxInFlight, defaultInFlight)
	i.Timeout = orDefault(i.Timeout, destination.DefaultTimeout)
	i.Batch = orDefault(i.Batch, 1)
	if _, ok := o.Built.Destination.(destination.BatchDeliverer); !ok {
		i.Batch = 1
	}
	o.ParkAfter = orDefault(o.ParkAfter, defaultParkAfter)
	o.BreakerFailures = orDefault(o.BreakerFailures, defaultFailures)
	if o.Retry == (backoff.Policy{}) {
		o.Retry = backoff.Policy{Base: time.Second, Max: 5 * time.Minute, Min: 100 * time.Millisecond}
	}
	if o.BreakerPause == (backoff.Policy{}) {
		o.BreakerPause = backoff.Policy{Base: 30 * time.Second, Max: 5 * time.Minute}
	}
	if o.Rand == nil {
		o.Rand = rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64()))
	}
	if o.Metrics == nil {
		o.Metrics = NewMetrics(nil)
	}
	return o
}

func orDefault[N int | time.Duration](n, otherwise N) N {
	if n > 0 {
		return n
	}
	return otherwise
}

// policy is what the machine needs to know of the options.
func (o Options) policy() policy {
	i := o.Built.Instance
	return policy{
		window: i.Window, rate: i.Pace.Rate, burst: i.Pace.Burst, maxInFlight: i.MaxInFlight, batch: i.Batch,
		retry: o.Retry, parkAfter: o.ParkAfter, breakerFailures: o.BreakerFailures, breakerPause: o.BreakerPause,
	}
}

// Props describes the delivery actor of one instance.
func Props(kit *actorkit.Kit, opts Options, more ...actor.PropsOption) *actor.Props {
	if opts.Built.Destination == nil || opts.Outbox == nil {
		panic("BUG: a delivery needs a destination and an outbox")
	}
	opts = opts.withDefaults()
	log := kit.Log.Named("delivery").With(logx.Destination(opts.Built.Instance.Name))
	send := &sender{built: opts.Built, outbox: opts.Outbox, limit: int64(opts.Built.Instance.MaxInFlight)}
	meter := opts.Metrics.of(opts.Built.Instance)
	request := &drainRequest{}
	return kit.Props("delivery", func() actor.Actor {
		return &delivery{opts: opts, log: log, sender: send, meter: meter, drain: request}
	}, more...)
}

// What the actor tells itself, beside attempted.
type (
	// barrierPassed: no settlement of an earlier life is on its way any more.
	barrierPassed struct{}
	backlogLoaded struct {
		loaded loaded
		err    error
	}
	settlementRecorded struct {
		serial     uint64
		settlement outbox.Settlement
		ended      []messages.NoticeSettled
		// err says why a notice of it still waits; nil if none does.
		err error
	}
	wakeDue    struct{}
	summaryDue struct{}
)

type delivery struct {
	opts   Options
	log    *zap.Logger
	sender *sender
	meter  meter

	machine   *machine
	attempts  *actorkit.Effects
	loading   *actorkit.Effects
	wake      actorkit.Timer
	summary   actorkit.Timer
	summing   bool // summary is armed
	reports   *reporter
	announced messages.DeliveryChanged // last sent to the parent
	drain     *drainRequest
	arrived   []queued  // of the current announcement; reused
	latest    attempted // the attempt whose results are being handled
	loadedAt  time.Time // when the backlog was loaded; zero before
	// early holds announcements from before the backlog was loaded: some of these
	// notices may have ended in an earlier life.
	early []messages.NoticesQueued
}

// drainRequest is the request to start no more attempts. It outlives a crash of the
// actor, because it is made only once.
type drainRequest struct {
	wanted bool
	askers []messages.Ref
}

// Receive implements actor.Actor.
func (d *delivery) Receive(ctx actor.Context) {
	switch msg := ctx.Message().(type) {
	case *actor.Started:
		d.begin(ctx)
	case *actor.Stopping, *actor.Restarting:
		d.end()
	case barrierPassed:
		d.load(ctx)
	case backlogLoaded:
		if msg.err != nil {
			actorkit.Fail(fmt.Errorf("load backlog: %w", msg.err))
		}
		d.loaded(ctx, msg.loaded)
	case messages.NoticesQueued:
		d.queued(ctx, msg)
	case attempted:
		d.meter.attempt(msg)
		d.reports.attempt(msg)
		d.noteAttempt(msg)
		d.latest = msg
		d.step(ctx, sendFinished{serial: msg.serial, results: msg.results})
		d.latest = attempted{}
	case settlementRecorded:
		d.reports.ended(msg.settlement, msg.ended)
		if msg.err != nil { // after the restart the notice is in the backlog
			actorkit.Fail(fmt.Errorf("settle notices: %w", msg.err))
		}
		d.step(ctx, settled{serial: msg.serial})
	case wakeDue:
		d.step(ctx, due{})
	case summaryDue:
		d.summing = false
		d.reports.summarise(time.Now())
		d.armSummary(ctx)
	case messages.DrainDelivery:
		d.drain.wanted, d.drain.askers = true, append(d.drain.askers, msg.ReplyTo)
		d.step(ctx, drain{})
	case messages.DescribeDelivery:
		d.describe(ctx, msg)
	}
}

// begin starts a life. The backlog is loaded when all settlements of an earlier life
// are durable.
func (d *delivery) begin(ctx actor.Context) {
	d.machine = newMachine(d.opts.policy(), d.opts.Rand)
	d.attempts = actorkit.NewEffects(actorkit.NewPool(2 * d.opts.Built.Instance.MaxInFlight))
	d.loading = actorkit.NewEffects(actorkit.NewPool(1))
	d.reports = newReporter(d.log)
	d.meter.breaker.Set(0)
	d.announce(ctx, false)
	if d.drain.wanted {
		d.step(ctx, drain{})
	}
	post := actorkit.Poster(ctx)
	d.opts.Outbox.Barrier(func(err error) {
		if err == nil {
			post(barrierPassed{})
		}
	})
}

func (d *delivery) end() {
	d.wake.Stop()
	d.summary.Stop()
	d.attempts.Close()
	d.loading.Close()
}

func (d *delivery) load(ctx actor.Context) {
	opts := d.opts
	d.loading.Run(ctx, loadTimeout, func(context.Context) any {
		loaded, err := backlog(opts)
		return backlogLoaded{loaded: loaded, err: err}
	})
}

// loaded passes the backlog to the machine, and then what was announced meanwhile.
func (d *delivery) loaded(ctx actor.Context, backlog loaded) {
	d.loadedAt = time.Now()
	d.step(ctx, backlog)
	for _, announced := range d.early {
		d.queued(ctx, announced)
	}
	d.early = nil
}

// backlog reads what waits for the instance.
func backlog(o Options) (loaded, error) {
	instance := o.Built.Instance
	found, err := o.Outbox.Load(instance.Name)
	if err != nil {
		return loaded{}, err
	}
	out := loaded{windows: found.Windows}
	for id, why := range found.Unreadable {
		out.notices = append(out.notices, queued{id: id, unreadable: why.Error()})
	}
	for _, w := range found.Waiting {
		q := queuedOf(&instance, &w.NoticeHead)
		q.attempts, q.panics = w.Attempts, w.Panics
		out.notices = append(out.notices, q)
	}
	return out, nil
}

func queuedOf(i *destination.Instance, n *messages.NoticeHead) queued {
	q := queued{id: n.ID, queuedAt: n.QueuedAt, expires: n.Expires}
	if i.Window > 0 && !n.Exempt {
		q.key = n.SuppressBy
	}
	return q
}

// queued passes announced notices to the machine, without those that were in the
// backlog and have been settled since. A notice queued after the backlog was loaded
// cannot have been.
func (d *delivery) queued(ctx actor.Context, msg messages.NoticesQueued) {
	if d.loadedAt.IsZero() {
		d.early = append(d.early, msg)
		return
	}
	instance := &d.opts.Built.Instance
	d.arrived = d.arrived[:0]
	for i := range msg.Notices {
		n := &msg.Notices[i]
		if n.QueuedAt.After(d.loadedAt) || d.opts.Outbox.Pending(instance.Name, n.ID) {
			d.arrived = append(d.arrived, queuedOf(instance, n))
		}
	}
	if len(d.arrived) > 0 {
		d.step(ctx, arrived{notices: d.arrived})
	}
}

// step gives the machine an input and carries out its effects.
func (d *delivery) step(ctx actor.Context, in input) {
	now, parked := time.Now(), false
	for _, effect := range d.machine.step(now, in) {
		switch do := effect.(type) {
		case send:
			d.send(ctx, do)
		case settle:
			d.settle(ctx, do)
			parked = parked || do.settlement.Parks()
		case arm:
			d.wake.Stop()
			d.wake = actorkit.After(ctx, do.at.Sub(now), wakeDue{})
		case disarm:
			d.wake.Stop()
		case retry:
			d.meter.retries.Inc()
			d.reports.retry(now, do, &d.latest)
		case breakerMoved:
			d.meter.setBreaker(do.open)
			d.reports.breaker(now, do)
		case paused:
			d.reports.pause(now, do)
		case drained:
			for _, asker := range d.drain.askers {
				actorkit.Reply(ctx, asker, messages.DrainDeliveryReply{Instance: d.opts.Built.Instance.Name})
			}
			d.drain.askers = nil
		}
	}
	d.meter.queue(d.machine.queued(), d.machine.oldest())
	d.armSummary(ctx)
	d.announce(ctx, parked)
}

// announce tells the parent the condition of the delivery, when it has changed or notices were parked.
func (d *delivery) announce(ctx actor.Context, parked bool) {
	change := d.machine.change()
	change.Instance = d.opts.Built.Instance.Name
	if change != d.announced || parked {
		d.announced = change
		actorkit.Reply(ctx, actorkit.RefOf(ctx.Parent()), change)
	}
}

// armSummary arms the timer of the summary when log lines were held back.
func (d *delivery) armSummary(ctx actor.Context) {
	if !d.summing && d.reports.holdsBack() {
		d.summing = true
		d.summary = actorkit.After(ctx, summaryEvery, summaryDue{})
	}
}

func (d *delivery) send(ctx actor.Context, do send) {
	s := d.sender
	started := d.attempts.Run(ctx, d.opts.Built.Instance.Timeout, func(bounded context.Context) any {
		return s.send(bounded, do)
	})
	// The pool has twice as many slots as attempts may run, because the answer of an
	// attempt can arrive before its slot is free.
	if !started {
		actorkit.Poster(ctx)(refused(do))
	}
}

func (d *delivery) settle(ctx actor.Context, do settle) {
	post, meter, onSettled, steps, i := actorkit.Poster(ctx), d.meter, d.opts.OnSettled, d.opts.Trail, d.opts.Built.Instance
	place := outbox.Place{Integration: i.Integration, Instance: i.Name}
	d.opts.Outbox.Settle(place, do.settlement, func(ended []messages.NoticeSettled, err error) {
		if err != nil && !errors.Is(err, outbox.ErrStillWaits) {
			return // the ledger is closed; the notices are loaded again after the restart
		}
		meter.ended(do.settlement, ended)
		for _, end := range ended {
			noteEnd(steps, end)
			if onSettled != nil {
				onSettled(end)
			}
		}
		post(settlementRecorded{serial: do.serial, settlement: do.settlement, ended: ended, err: err})
	})
}

func (d *delivery) describe(ctx actor.Context, msg messages.DescribeDelivery) {
	now := time.Now()
	state := d.machine.state(now)
	state.LastSuccess = later(state.LastSuccess, d.meter.acceptedLast())
	state.Instance, state.Integration = d.opts.Built.Instance.Name, d.opts.Built.Instance.Integration
	actorkit.Reply(ctx, msg.ReplyTo, messages.DescribeDeliveryReply{States: []messages.DeliveryState{state}, At: now})
}
