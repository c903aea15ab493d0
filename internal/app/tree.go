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

// children is the supervision tree. An actor comes after those that it sends messages to.
func (a *App) children() []supervisors.Child {
	rows := []supervisors.Child{
		{Name: "qrsgate", Props: a.gateProps, Spawned: func(pid *actor.PID) { a.pids.gate = pid }},
		{Name: "notify", Critical: true, Props: a.notifyProps, Spawned: func(pid *actor.PID) { a.pids.notify = pid }},
		{Name: "executions", Critical: true, Props: a.executionsProps},
	}
	rows = append(rows, a.partChildren()...)
	if a.cfg.UDP().Enable {
		rows = append(rows, supervisors.Child{Name: "ingest", Critical: true, Props: a.ingestProps, Spawned: func(pid *actor.PID) { a.pids.ingest = pid }})
	}
	return append(rows, a.monitorChildren()...) // one of them asks the intake
}

// ownChildren are the rows that a reload may add, replace and remove. All other actors
// get messages about the new configuration instead.
func (a *App) ownChildren() []supervisors.Child {
	return append(a.partChildren(), a.monitorChildren()...)
}

// partChildren are the ownChildren that start before the intake. Monitors start after it.
func (a *App) partChildren() []supervisors.Child {
	var rows []supervisors.Child
	if a.hasValues {
		rows = append(rows, a.valuesChild())
	}
	if a.cfg.Scheduler().Enable || a.rest != nil {
		rows = append(rows, supervisors.Child{Name: scheduleActor, Props: a.scheduleProps, Spawned: first(&a.pids.schedules)})
	}
	if a.inbound != nil {
		rows = append(rows, a.inboundChild(linkActor, a.inbound))
	}
	if a.cloud != nil {
		rows = append(rows, a.cloudChildren()...)
	}
	return rows
}

// The names of actors that a configuration may leave out.
const (
	valuesActor    = "kv"
	scheduleActor  = "schedule"
	linkActor      = "mqttlink"
	cloudActor     = "cloud"
	cloudLinkActor = "cloudlink"
)

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

// gateRules are the numbers of the configuration for the gate.
func (a *App) gateRules() qrsgate.Rules {
	section := a.cfg.Gate()
	return qrsgate.Rules{
		TTL: section.CacheTTL, StaleFor: section.StaleFor, MaxConcurrent: section.MaxConcurrent, Timeout: section.Timeout,
		Breaker: qrsgate.BreakerSettings{Failures: section.BreakerFailures, CoolDown: section.BreakerOpenFor},
	}
}

func (a *App) gateProps() *actor.Props {
	rules, metrics := a.gateRules(), qrsgate.NewMetrics(a.reg, a.cfg.QRS().Host)
	a.shelf = qrsgate.NewShelf(rules, metrics)
	return qrsgate.Props(qrsgate.Options{
		Kit: a.kit, Log: a.log.Named("qrsgate"), Metrics: metrics, Port: a.port(), Rules: rules, Shelf: a.shelf,
		OnHealth: a.healthOf("qrs"),
	})
}

func (a *App) notifyProps() *actor.Props {
	keep, newDelivery := a.deliveries()
	supervise := supervisors.NewStrategy(supervisors.Service, a.log.Named("supervisor"), a.health, a.onFatal)
	return notify.Props(a.kit, notify.Options{
		Outbox: a.outbox, Table: a.table, OnHealth: a.destinationHealth, OnGone: once(a.core, delivery.NewMetrics).Forget, OnEnded: supervise.Forget,
		Keep: keep, NewDelivery: newDelivery, Trail: a.trail, Metrics: notify.NewMetrics(a.reg, a.outbox, a.table.Built()),
	}, actor.WithSupervisor(supervise))
}

// deliveries returns the retention of parked notices, and how delivery actors are made.
func (a *App) deliveries() (outbox.Retention, func(destination.Built) *actor.Props) {
	section := a.cfg.Delivery()
	common := delivery.Options{
		Outbox: a.outbox, Metrics: once(a.core, delivery.NewMetrics), OnSettled: a.opts.OnSettled, Trail: a.trail,
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
		return delivery.Props(a.kit, one)
	}
}

// destinationHealth sets the health of a destination instance. None of them is
// essential: notices wait on disk.
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

// executionRules returns the rules for executions from the configuration.
func (a *App) executionRules() *execution.Rules {
	section := a.cfg.Execution()
	return &execution.Rules{
		Router: liveRouter{a.core}, DegradedAfter: section.DegradedAfter, CacheFor: a.cfg.Gate().CacheTTL, RetryEvery: retryLookup,
		PollEvery: section.DistributePollInterval, FollowFor: section.DistributeMaxAge,
		FinalAttempts: section.FinalStateAttempts, FinalEvery: section.FinalStateInterval,
		RememberFor: a.cfg.UDP().Deduplication.TTL(),
	}
}

// pollsAtOnce is how many executions may be awake for a poll: four times as many tasks
// as the gate asks for in its concurrent calls, so that each call is full, and few enough
// that the look-ups of new events do not wait long behind them.
const pollsAtOnce = 400

func (a *App) executionsProps() *actor.Props {
	section, udpSection := a.cfg.Execution(), a.cfg.UDP()
	one := &execution.Options{
		Kit: a.kit, Outbox: a.outbox, Log: a.log.Named("execution"), Metrics: execution.NewMetrics(a.reg), Tasks: a.taskMetrics(),
		Gate: a.pids.gate, Notify: a.pids.notify, AtHand: a.shelf.Task, Jitter: rand.Float64, Trail: a.trail,
		Rules: func() execution.Rules { return *a.rules.Load() },
	}
	log, metrics := a.log.Named("executions"), executions.NewMetrics(a.reg)
	metrics.Damaged(a.lostRecords())
	shards := &executions.Options{
		Kit: a.kit, Queue: a.queue, Ledger: a.ledger, Quarantine: a.quarantine, Decode: new(udp.EntryParser).Parse, Log: log,
		Metrics: metrics, Shards: section.Shards, Deduplicate: udpSection.Deduplication.Enable,
		Crashed:            a.crashed,
		Trail:              a.trail,
		Supervise:          supervisors.NewStrategy(supervisors.Critical, log, a.health, a.onFatal),
		SuperviseExecution: supervisors.StopEntity{},
		Execution:          one.Props(), Desk: func(shard messages.Ref, life int) executions.Desk { return one.Desk(shard, life) }, Rush: a.rush.on,
		PollsAtOnce: max(pollsAtOnce/section.Shards, 1), Asleep: one.Metrics.Asleep,
		Spread: func() time.Duration {
			return time.Duration(rand.Float64() * float64(a.rules.Load().PollEvery))
		},
	}
	return shards.Props()
}
