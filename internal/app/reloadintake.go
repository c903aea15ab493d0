package app

import (
	"context"
	"fmt"
	"time"

	"butler/actors/ingest"
)

// The UDP socket during a reload.

// newSocket is the closer entry of a socket that is bound and not yet read.
const newSocket = "UDP socket"

// vacatedPort is the UDP port that the last reload has changed, and until when the
// intake may still read its socket.
type vacatedPort struct {
	port  int
	until time.Time
}

// prepareIntake resolves the allow-list of senders, and binds a new socket when host
// or port has changed.
func (g *generation) prepareIntake(ctx context.Context) (ingest.Changed, error) {
	intake := g.intake()
	if g.pids.ingest == nil {
		return intake, nil
	}
	var err error
	if intake.Sources != nil {
		bounded, cancel := context.WithTimeout(ctx, ingest.ResolveWithin)
		defer cancel()
		if intake.Allowed, err = intake.Sources.Resolve(bounded, nil); err != nil {
			return intake, fmt.Errorf("look up who may send events (udpServerConfig.allowedSources): %w", err)
		}
	}
	if g.changed.touches("udpServerConfig.serverHost", "udpServerConfig.portTaskFailure") {
		if intake.Socket, err = g.bindIntake(ctx, intake.Listen); err != nil {
			return intake, fmt.Errorf("open the UDP socket (udpServerConfig.serverHost, portTaskFailure): %w", err)
		}
		g.closer.add(newSocket, func(context.Context) error { return intake.Socket.Close() })
	}
	return intake, nil
}

// bindIntake opens the new socket. When that is the port that was vacated a moment
// ago, it waits until the intake has closed the old socket.
func (g *generation) bindIntake(ctx context.Context, listen func(context.Context) (ingest.Socket, error)) (ingest.Socket, error) {
	socket, err := listen(ctx)
	port := g.cfg.UDP().Port
	if err != nil && port == g.reloads.vacated.port && wait(ctx, time.Until(g.reloads.vacated.until)) {
		socket, err = listen(ctx)
	}
	if err != nil && port == g.previous.cfg.UDP().Port {
		err = fmt.Errorf("%w: this service itself uses the port at another address (choose another port, or restart the service)", err)
	}
	return socket, err
}
