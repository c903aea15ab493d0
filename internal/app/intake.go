package app

import (
	"context"
	"fmt"
	"net"
	"net/netip"

	"github.com/asynkron/protoactor-go/actor"

	"butler/actors/ingest"
	"butler/internal/udp"
	"butler/supervisors"
)

// The intake of task events.

// takesEvents reports whether there is an intake. That is decided at the start of the
// process; a reload neither starts nor stops it.
func (a *App) takesEvents() bool { return a.startConfig.UDP().Enable }

// buildSources reads the allow-list of senders, if it is enabled.
func (a *App) buildSources() error {
	section := a.cfg.UDP()
	if !a.takesEvents() || !section.ValidateSources {
		return nil
	}
	list, err := udp.NewAllowList(section.AllowedSources, net.DefaultResolver)
	if err != nil {
		return fmt.Errorf("set up the allow-list of sources (udpServerConfig.allowedSources): %w", err)
	}
	a.sources = list
	return nil
}

// socketComponent is the health of the UDP socket, apart from that of its actor.
const socketComponent = "udp"

// intake returns the settings of the intake. The size of the receive buffer and of the
// largest message stay as they were at the start.
func (a *App) intake() ingest.Changed {
	section, first := a.cfg.UDP(), a.startConfig.UDP()
	out := ingest.Changed{
		Rules: ingest.Rules{
			MaxMessageSize: first.MaxMessageSize, RecoverSemicolons: section.RecoverSemicolons,
			QueueSize: section.Queue.MaxSize, BackpressureThreshold: section.Queue.BackpressurePercent,
		},
		ReceiveBuffer: first.ReceiveBuffer,
		Listen: func(ctx context.Context) (ingest.Socket, error) {
			return udp.Listen(ctx, udp.ListenOptions{
				Host: section.Host, Port: section.Port, ReceiveBuffer: first.ReceiveBuffer, MaxMessageSize: first.MaxMessageSize,
			})
		},
	}
	if section.RateLimit.Enable {
		out.Rules.RateLimit = section.RateLimit.PerMinute
	}
	if a.sources != nil { // a nil *AllowList would make a non-nil interface
		out.Sources = a.sources
	}
	return out
}

func (a *App) ingestProps() *actor.Props {
	section := a.intake()
	a.health.Set(socketComponent, supervisors.Down, "the UDP socket is not open yet")
	options := &ingest.Options{
		Kit: a.kit, Log: a.log, Metrics: ingest.NewMetrics(a.reg), Queue: a.queue, Quarantine: a.quarantine,
		ReceiveBuffer: section.ReceiveBuffer, Rules: section.Rules, Listen: section.Listen, Sources: section.Sources, OnRush: a.rush.seen,
		OnListening: func(at netip.AddrPort) {
			a.health.Set(socketComponent, supervisors.Up, "")
			a.address.Store(&at)
			a.current.Load().listener.set("start")
			select {
			case a.listening <- at:
			default:
			}
		},
		OnFailed: func(err error) {
			a.health.Set(socketComponent, supervisors.Down, err.Error())
			a.current.Load().listener.set("error")
			select {
			case a.listenFailed <- err:
			default:
			}
		},
	}
	return options.Props()
}
