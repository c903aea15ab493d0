package app

import (
	"context"
	"fmt"
	"net"

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
func (g *generation) buildSources() error {
	section := g.cfg.UDP()
	if !g.takesEvents() || !section.ValidateSources {
		return nil
	}
	list, err := udp.NewAllowList(section.AllowedSources, net.DefaultResolver)
	if err != nil {
		return fmt.Errorf("set up the allow-list of sources (udpServerConfig.allowedSources): %w", err)
	}
	g.sources = list
	return nil
}

// socketComponent is the health of the UDP socket, apart from that of its actor.
const socketComponent = "udp"

// intake returns the settings of the intake. The size of the receive buffer and of the
// largest message stay as they were at the start.
func (g *generation) intake() ingest.Changed {
	section, first := g.cfg.UDP(), g.startConfig.UDP()
	out := ingest.Changed{
		Rules: ingest.Rules{
			MaxMessageSize: first.MaxMessageSize, RecoverSemicolons: section.RecoverSemicolons,
			QueueSize: section.Queue.MaxSize, BackpressureThreshold: section.Queue.BackpressurePercent,
		},
		ReceiveBuffer: first.ReceiveBuffer,
		Listen: func(ctx context.Context) (ingest.Socket, error) {
			return g.listenUDP(ctx, udp.ListenOptions{
				Host: section.Host, Port: section.Port, ReceiveBuffer: first.ReceiveBuffer, MaxMessageSize: first.MaxMessageSize,
			})
		},
	}
	if section.RateLimit.Enable {
		out.Rules.RateLimit = section.RateLimit.PerMinute
	}
	if g.sources != nil { // a nil *AllowList would make a non-nil interface
		out.Sources = g.sources
	}
	return out
}

func (g *generation) ingestProps() *actor.Props {
	section := g.intake()
	g.health.Set(socketComponent, supervisors.Down, "the UDP socket is not open yet")
	options := &ingest.Options{
		Kit: g.kit, Log: g.log, Metrics: ingest.NewMetrics(g.reg), Queue: g.queue, Quarantine: g.quarantine,
		ReceiveBuffer: section.ReceiveBuffer, Rules: section.Rules, Listen: section.Listen, Sources: section.Sources, OnBurst: g.burst.seen,
		OnListening: func(socket ingest.Socket) {
			g.keepSocket(socket)
			at := socket.Addr()
			g.health.Set(socketComponent, supervisors.Up, "")
			g.address.Store(&at)
			g.current.Load().listener.set(listenerStarted)
			select {
			case g.listening <- at:
			default:
			}
		},
		OnFailed: func(err error) {
			g.health.Set(socketComponent, supervisors.Down, err.Error())
			g.current.Load().listener.set(listenerFailed)
			select {
			case g.listenFailed <- err:
			default:
			}
		},
	}
	return options.Props()
}
