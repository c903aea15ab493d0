package app

import (
	"cmp"
	"context"
	"math/rand/v2"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"butler/actors/delivery"
	"butler/actors/execution"
	"butler/actors/executions"
	"butler/actors/ingest"
	"butler/actors/notify"
	"butler/actors/qrsgate"
	"butler/internal/backoff"
	"butler/internal/destination"
	"butler/internal/outbox"
	"butler/internal/udp"
	"butler/supervisors"
)

// children is the supervision tree: what is asked comes before who asks, so the
// intake starts last and stops first.
func (a *App) children() []supervisors.Child {
	rows := []supervisors.Child{
		{Name: "qrsgate", Props: a.gateProps, Spawned: func(pid *actor.PID) { a.pids.gate = pid }},
		{Name: "notify", Critical: true, Props: a.notifyProps, Spawned: func(pid *actor.PID) { a.pids.notify = pid }},
		{Name: "executions", Critical: true, Props: a.executionsProps},
	}
	if a.values != nil {
		rows = append(rows, a.valuesChild())
	}
	if a.cfg.UDP().Enable {
		rows = append(rows, supervisors.Child{Name: "ingest", Critical: true, Props: a.ingestProps, Spawned: func(pid *actor.PID) { a.pids.ingest = pid }})
	}
	return rows
}

func (a *App) gateProps() *actor.Props {
	section, metrics := a.cfg.Gate(), qrsgate.NewMetrics(a.reg, a.cfg.QRS().Host)
	rules := qrsgate.Rules{
		TTL: section.CacheTTL, StaleFor: section.StaleFor, MaxConcurrent: section.MaxConcurrent, Timeout: section.Timeout,
		Breaker: qrsgate.BreakerSettings{Failures: section.BreakerFailures, CoolDown: section.BreakerOpenFor},
	}
	a.shelf = qrsgate.NewShelf(rules, metrics)
	return qrsgate.Props(qrsgate.Options{
		Kit: a.kit, Log: a.log.Named("qrsgate"), Metrics: metrics, Port: a.port(), Rules: rules, Shelf: a.shelf,
		OnHealth: func(up bool, reason string) {
			if up {
				a.health.Set("qrs", supervisors.Up, "")
				return
			}
			a.health.Set("qrs", supervisors.Degraded, reason)
		},
	})
}

func (a *App) notifyProps() *actor.Props {
	section := a.cfg.Delivery()
	common := delivery.Options{
		Outbox: a.outbox, Metrics: delivery.NewMetrics(a.reg), OnSettled: a.opts.OnSettled,
		Retry:     backoff.Policy{Base: section.RetryInitial, Max: section.RetryMax, Min: 100 * time.Millisecond},
		ParkAfter: section.ParkAfter, BreakerFailures: section.BreakerFailures,
		BreakerPause: backoff.Policy{Base: section.BreakerOpenFor, Max: max(section.RetryMax, section.BreakerOpenFor)},
	}
	return notify.Props(a.kit, notify.Options{
		Outbox: a.outbox, Table: a.table, OnHealth: a.destinationHealth,
		Keep:    outbox.Keep{For: section.ParkedKeepFor, Bytes: section.ParkedMaxBytes},
		Metrics: notify.NewMetrics(a.reg, a.outbox, a.table.Built()),
		NewDelivery: func(b destination.Built) *actor.Props {
			one := common
			one.Built = b
			if one.Built.Instance.MaxInFlight == 0 {
				one.Built.Instance.MaxInFlight = section.MaxInFlight
			}
			return delivery.Props(a.kit, one)
		},
	}, actor.WithSupervisor(supervisors.NewStrategy(supervisors.Service, a.log.Named("supervisor"), a.health, a.onFatal)))
}

// destinationHealth shows how a destination instance is. None of them is
// essential: what it does not take waits on disk.
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

func (a *App) executionsProps() *actor.Props {
	section, udpSection := a.cfg.Execution(), a.cfg.UDP()
	one := &execution.Options{
		Kit: a.kit, Outbox: a.outbox, Log: a.log.Named("execution"), Metrics: execution.NewMetrics(a.reg),
		Gate: a.pids.gate, Notify: a.pids.notify, AtHand: a.shelf.Task, Jitter: rand.Float64,
		Rules: execution.Rules{
			Router: a.table, DegradedAfter: section.DegradedAfter, CacheFor: a.cfg.Gate().CacheTTL, RetryEvery: retryLookup,
			PollEvery: section.DistributePollInterval, FollowFor: section.DistributeMaxAge,
			FinalAttempts: section.FinalStateAttempts, FinalEvery: section.FinalStateInterval,
			RememberFor: udpSection.Deduplication.TTL(),
		},
	}
	log, metrics := a.log.Named("executions"), executions.NewMetrics(a.reg)
	metrics.Damaged(a.lostRecords())
	shards := &executions.Options{
		Kit: a.kit, Queue: a.queue, Ledger: a.ledger, Quarantine: a.quarantine, Decode: udp.ParseEntry, Log: log,
		Metrics: metrics, Shards: section.Shards, Deduplicate: udpSection.Deduplication.Enable,
		Crashed:            a.crashed,
		Supervise:          supervisors.NewStrategy(supervisors.Critical, log, a.health, a.onFatal),
		SuperviseExecution: supervisors.StopEntity{},
		Execution:          one.Props(),
	}
	return shards.Props()
}

// socketComponent is the health of the UDP socket, apart from that of its actor.
const socketComponent = "udp"

func (a *App) ingestProps() *actor.Props {
	section := a.cfg.UDP()
	a.health.Set(socketComponent, supervisors.Down, "the UDP socket is not open yet")
	options := &ingest.Options{
		Kit: a.kit, Log: a.log, Metrics: ingest.NewMetrics(a.reg), Queue: a.queue, Quarantine: a.quarantine,
		ReceiveBuffer: section.ReceiveBuffer,
		Rules: ingest.Rules{
			MaxMessageSize: section.MaxMessageSize, RecoverSemicolons: section.RecoverSemicolons,
			QueueSize: section.Queue.MaxSize, BackpressureThreshold: section.Queue.BackpressurePercent,
		},
		Listen: func(ctx context.Context) (ingest.Socket, error) {
			return udp.Listen(ctx, udp.ListenOptions{
				Host: section.Host, Port: section.Port, ReceiveBuffer: section.ReceiveBuffer, MaxMessageSize: section.MaxMessageSize,
			})
		},
		OnListening: func(at netip.AddrPort) {
			a.health.Set(socketComponent, supervisors.Up, "")
			a.listener.set("start")
			select {
			case a.listening <- at:
			default:
			}
		},
		OnFailed: func(err error) {
			a.health.Set(socketComponent, supervisors.Down, err.Error())
			a.listener.set("error")
			select {
			case a.deaf <- err:
			default:
			}
		},
	}
	if section.RateLimit.Enable {
		options.Rules.RateLimit = section.RateLimit.PerMinute
	}
	if a.sources != nil { // a nil list in the interface would be no list at all
		options.Sources = a.sources
	}
	return options.Props()
}

func netJoin(host string, port int) string {
	return net.JoinHostPort(strings.Trim(host, "[]"), strconv.Itoa(port))
}
