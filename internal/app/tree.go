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
// starts after those that it sends messages to.
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
	return append(rows, a.monitorChildren()...) // one of them sends messages to the intake
}

// ownChildren are the actors that a reload may add, replace and remove. The others
// live as long as the process and get a message about the changed configuration.
func (a *App) ownChildren() []supervisors.Child {
	return append(a.partChildren(), a.monitorChildren()...)
}

// partChildren are the ownChildren that start before the intake: all but the monitors.
func (a *App) partChildren() []supervisors.Child {
	var rows []supervisors.Child
	if a.kvWanted {
		rows = append(rows, a.valuesChild())
	}
	if a.cfg.Scheduler().Enable || a.rest != nil {
		rows = append(rows, supervisors.Child{Name: scheduleActor, Props: a.scheduleProps, Spawned: setOnce(&a.pids.schedules)})
	}
	if a.inbound != nil {
		rows = append(rows, a.inboundChild(linkActor, a.inbound))
	}
	if a.cloud != nil {
		rows = append(rows, a.cloudChildren()...)
	}
	return rows
}

// The names of the actors in ownChildren, monitors aside.
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

// gateRules returns the limits and times of the configuration for qrsgate.
func (a *App) gateRules() qrsgate.Rules {
	section := a.cfg.Gate()
	return qrsgate.Rules{
		TTL: section.CacheTTL, StaleFor: section.StaleFor, MaxConcurrent: section.MaxConcurrent, Timeout: section.Timeout,
		Breaker: qrsgate.BreakerSettings{Failures: section.BreakerFailures, CoolDown: section.BreakerOpenFor},
	}
}

func (a *App) gateProps() *actor.Props {
	rules, metrics := a.gateRules(), qrsgate.NewMetrics(a.reg, a.cfg.QRS().Host)
	a.gateShelf = qrsgate.NewShelf(rules, metrics)
	return qrsgate.Props(qrsgate.Options{
		Kit: a.kit, Log: a.log.Named("qrsgate"), Metrics: metrics, Port: a.port(), Rules: rules, Shelf: a.gateShelf,
		OnHealth: a.healthOf("qrs"),
	})
}

func (a *App) notifyProps() *actor.Props {
	keep, newDelivery := a.deliveries()
	supervise := supervisors.NewStrategy(supervisors.Service, a.log.Named("supervisor"), a.health, a.onFatal)
	return notify.Props(a.kit, notify.Options{
		Outbox: a.outbox, Table: a.table, OnHealth: a.destinationHealth, OnGone: sharedMetrics(a.core, delivery.NewMetrics).Forget, OnEnded: supervise.Forget,
		Keep: keep, NewDelivery: newDelivery, Trail: a.trail, Metrics: notify.NewMetrics(a.reg, a.outbox, a.table.Built()),
	}, actor.WithSupervisor(supervise))
}

// deliveries returns how long parked notices are kept, and the props of the delivery
// actor for a destination instance.
func (a *App) deliveries() (outbox.Retention, func(destination.Built) *actor.Props) {
	section := a.cfg.Delivery()
	common := delivery.Options{
		Outbox: a.outbox, Metrics: sharedMetrics(a.core, delivery.NewMetrics), OnSettled: a.opts.OnSettled, Trail: a.trail,
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
func (a *App) executionRules() *execution.Rules {
	section := a.cfg.Execution()
	return &execution.Rules{
		Router: liveRouter{a.core}, DegradedAfter: section.DegradedAfter, CacheFor: a.cfg.Gate().CacheTTL, RetryEvery: retryLookup,
		PollEvery: section.DistributePollInterval, FollowFor: section.DistributeMaxAge,
		FinalAttempts: section.FinalStateAttempts, FinalEvery: section.FinalStateInterval,
		RememberFor: a.cfg.UDP().Deduplication.TTL(),
	}
}

// pollsAtOnce is how many followed executions poll their tasks at the same time. It
// is four times what qrsgate has in flight in calls for tasks: enough to fill every
// call, and little enough that the look-up of a new event does not wait long.
const pollsAtOnce = 400

func (a *App) executionsProps() *actor.Props {
	section, udpSection := a.cfg.Execution(), a.cfg.UDP()
	one := &execution.Options{
		Kit: a.kit, Outbox: a.outbox, Log: a.log.Named("execution"), Metrics: execution.NewMetrics(a.reg), Tasks: a.taskMetrics(),
		Gate: a.pids.gate, Notify: a.pids.notify, AtHand: a.gateShelf.Task, Jitter: rand.Float64, Trail: a.trail,
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
