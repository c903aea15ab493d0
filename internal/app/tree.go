package app

import (
	"cmp"
	"math/rand/v2"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"butler/actors/delivery"
	"butler/actors/execution"
	"butler/actors/executions"
	"butler/actors/notify"
	"butler/actors/qrsgate"
	"butler/internal/backoff"
	"butler/internal/destination"
	"butler/internal/outbox"
	"butler/internal/udp"
	"butler/messages"
	"butler/supervisors"
)

// children lists the actors of the supervision tree in order of start. An actor
// starts after those that it sends messages to. Those of parts may be replaced by a
// reload; the others live as long as the process and get a message about the changed
// configuration.
func (g *generation) children() []supervisors.Child {
	rows := []supervisors.Child{
		{Name: "qrsgate", Props: g.gateProps, Spawned: func(pid *actor.PID) { g.pids.gate = pid }},
		{Name: "notify", Critical: true, Props: g.notifyProps, Spawned: func(pid *actor.PID) { g.pids.notify = pid }},
		{Name: "executions", Critical: true, Props: g.executionsProps},
	}
	if g.cfg.UDP().Enable {
		rows = append(rows, supervisors.Child{Name: "ingest", Critical: true, Props: g.ingestProps, Spawned: func(pid *actor.PID) { g.pids.ingest = pid }})
	}
	return append(rows, actorsOf(g.parts)...) // one of them sends messages to the intake
}

// healthOf returns a function that sets the health of a component, which is degraded
// while it is not up.
func (a *App) healthOf(component string) func(up bool, reason string) {
	return func(up bool, reason string) {
		state := supervisors.Up
		if !up {
			state = supervisors.Degraded
		}
		a.health.Set(component, state, reason)
	}
}

// gateRules returns the limits and times of the configuration for qrsgate.
func (g *generation) gateRules() qrsgate.Rules {
	section := g.cfg.Gate()
	return qrsgate.Rules{
		TTL: section.CacheTTL, StaleFor: section.StaleFor, MaxConcurrent: section.MaxConcurrent, Timeout: section.Timeout,
		Breaker: qrsgate.BreakerSettings{Failures: section.BreakerFailures, CoolDown: section.BreakerOpenFor},
	}
}

func (g *generation) gateProps() *actor.Props {
	rules, metrics := g.gateRules(), qrsgate.NewMetrics(g.reg, g.cfg.QRS().Host)
	g.gateCache = qrsgate.NewReadCache(rules, metrics)
	return qrsgate.Props(qrsgate.Options{
		Kit: g.kit, Log: g.log.Named("qrsgate"), Metrics: metrics, Port: g.port(), Rules: rules, ReadCache: g.gateCache,
		OnHealth: g.healthOf("qrs"),
	})
}

func (g *generation) notifyProps() *actor.Props {
	keep, newDelivery := g.deliveries()
	supervise := supervisors.NewStrategy(supervisors.Service, g.log.Named("supervisor"), g.health, g.onFatal)
	metrics, onSettled := sharedMetrics(g.App, delivery.NewMetrics), g.opts.OnSettled
	onParked := func(end messages.NoticeSettled, cause outbox.ParkCause) {
		metrics.CountParked(end, cause)
		if onSettled != nil {
			onSettled(end)
		}
	}
	return notify.Props(g.kit, notify.Options{
		Outbox: g.outbox, Table: g.table, OnHealth: g.destinationHealth, OnGone: metrics.Forget, OnEnded: supervise.Forget, OnParked: onParked,
		Keep: keep, NewDelivery: newDelivery, Trail: g.trail, Metrics: notify.NewMetrics(g.reg, g.outbox, g.table.Built()),
	}, actor.WithSupervisor(supervise))
}

// deliveries returns how long parked notices are kept, and the props of the delivery
// actor for a destination instance.
func (g *generation) deliveries() (outbox.Retention, func(destination.Built) *actor.Props) {
	section := g.cfg.Delivery()
	common := delivery.Options{
		Outbox: g.outbox, Metrics: sharedMetrics(g.App, delivery.NewMetrics), OnSettled: g.opts.OnSettled, Trail: g.trail,
		Retry:     backoff.Policy{Base: section.RetryInitial, Max: section.RetryMax, Min: 100 * time.Millisecond},
		ParkAfter: section.ParkAfter, BreakerFailures: section.BreakerFailures,
		BreakerPause: backoff.Policy{Base: section.BreakerOpenFor, Max: max(section.RetryMax, section.BreakerOpenFor)},
	}
	return outbox.Retention{For: section.ParkedKeepFor, Bytes: section.ParkedMaxBytes}, func(b destination.Built) *actor.Props {
		one := common
		one.Built = b
		if one.Built.Instance.MaxInFlight == 0 {
			one.Built.Instance.MaxInFlight = section.MaxInFlight
		}
		return delivery.Props(g.kit, one)
	}
}

// destinationHealth puts the health of a destination instance on the board. It is
// degraded at worst, as notices for it wait on disk.
func (a *App) destinationHealth(h notify.Health) {
	name := "destination/" + cmp.Or(h.Instance, "unknown")
	switch {
	case h.Trouble != "":
		a.health.Set(name, supervisors.Degraded, h.Trouble)
	case h.Configured:
		a.health.Set(name, supervisors.Up, "")
	default:
		a.health.Remove(name)
	}
}

// retryLookup is the pause before a failed look-up is repeated.
const retryLookup = 2 * time.Second

// executionRules returns the rules of the configuration for executions.
func (g *generation) executionRules() *execution.Rules {
	section := g.cfg.Execution()
	return &execution.Rules{
		Router: liveRouter{g.App}, DegradedAfter: section.DegradedAfter, CacheFor: g.cfg.Gate().CacheTTL, RetryEvery: retryLookup,
		PollEvery: section.DistributePollInterval, FollowFor: section.DistributeMaxAge,
		FinalAttempts: section.FinalStateAttempts, FinalEvery: section.FinalStateInterval,
		RememberFor: g.cfg.UDP().Deduplication.TTL(),
	}
}

// pollsAtOnce is how many followed executions poll their tasks at the same time. It
// is four times what qrsgate has in flight in calls for tasks: enough to fill every
// call, and little enough that the look-up of a new event does not wait long.
const pollsAtOnce = 400

func (g *generation) executionsProps() *actor.Props {
	section, udpSection := g.cfg.Execution(), g.cfg.UDP()
	one := &execution.Options{
		Kit: g.kit, Outbox: g.outbox, Log: g.log.Named("execution"), Metrics: execution.NewMetrics(g.reg), Tasks: g.taskMetrics(),
		Gate: g.pids.gate, Notify: g.pids.notify, AtHand: g.gateCache.Task, Jitter: rand.Float64, Trail: g.trail,
		Rules: func() execution.Rules { return *g.rules.Load() },
	}
	log, metrics := g.log.Named("executions"), executions.NewMetrics(g.reg)
	metrics.Damaged(g.lostRecords())
	shards := &executions.Options{
		Kit: g.kit, Queue: g.queue, Ledger: g.ledger, Quarantine: g.quarantine, Decode: new(udp.EntryParser).Parse, Log: log,
		Metrics: metrics, Shards: section.Shards, Deduplicate: udpSection.Deduplication.Enable,
		Crashed:            g.crashed,
		Trail:              g.trail,
		Supervise:          supervisors.NewStrategy(supervisors.Critical, log, g.health, g.onFatal),
		SuperviseExecution: supervisors.StopEntity{},
		Execution:          one.Props(), FastPath: func(shard messages.Ref, life int) executions.FastPath { return one.FastPath(shard, life) }, Burst: g.burst.ongoing,
		PollsAtOnce: max(pollsAtOnce/section.Shards, 1), Asleep: one.Metrics.Asleep,
		Spread: func() time.Duration {
			return time.Duration(rand.Float64() * float64(g.rules.Load().PollEvery))
		},
	}
	return shards.Props()
}
