package app

import (
	"context"
	"fmt"
	"time"

	"butler/actors/ingest"
)

// The UDP socket while the configuration changes.

// newSocket names the closing of a socket that nobody reads yet.
const newSocket = "UDP socket"

// leftPort is the UDP port before the one in force, and until when its socket may
// still be read.
type leftPort struct {
	port  int
	until time.Time
}

// prepareIntake looks up who may send, and binds the new socket when there is to be one.
func (a *App) prepareIntake(ctx context.Context) (ingest.Changed, error) {
	intake := a.intake()
	if a.pids.ingest == nil {
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
	if a.changed.touch("udpServerConfig.serverHost", "udpServerConfig.portTaskFailure") {
		if intake.Socket, err = a.bindIntake(ctx, intake.Listen); err != nil {
			return intake, fmt.Errorf("open the UDP socket (udpServerConfig.serverHost, portTaskFailure): %w", err)
		}
		a.closer.add(newSocket, func(context.Context) error { return intake.Socket.Close() })
	}
	return intake, nil
}

// bindIntake opens the new socket. Who goes back to the port of a moment ago waits
// until the socket that is still read there is closed.
func (a *App) bindIntake(ctx context.Context, listen func(context.Context) (ingest.Socket, error)) (ingest.Socket, error) {
	socket, err := listen(ctx)
	port := a.cfg.UDP().Port
	if err != nil && port == a.reloads.left.port && wait(ctx, time.Until(a.reloads.left.until)) {
		socket, err = listen(ctx)
	}
	if err != nil && port == a.before.cfg.UDP().Port {
		err = fmt.Errorf("%w: this service has the port itself, at another address (choose another port, or restart the service)", err)
	}
	return socket, err
}
