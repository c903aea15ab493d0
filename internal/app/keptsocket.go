package app

import (
	"context"
	"net"
	"syscall"

	"butler/actors/ingest"
	"butler/api/sockets"
	"butler/internal/logx"
	"butler/internal/udp"
)

// KeptSocket keeps the UDP socket while the service is restarted, so that the datagrams
// that arrive meanwhile are received by the next process; *systemd.SocketStore is the
// one in use. Its methods do not block, except for Release, which waits a second at most.
type KeptSocket interface {
	// Take returns the socket that the previous process left, nil if there is none.
	Take() *net.UDPConn
	// Keep keeps a socket for the next process, instead of an earlier one.
	Keep(syscall.Conn) error
	// Release gives up the socket if this process has closed it. It reports whether it did.
	Release() (bool, error)
}

// noKeptSocket keeps nothing.
type noKeptSocket struct{}

func (noKeptSocket) Take() *net.UDPConn      { return nil }
func (noKeptSocket) Keep(syscall.Conn) error { return nil }
func (noKeptSocket) Release() (bool, error)  { return false, nil }

// listenUDP continues with the socket of the previous process if that is bound to the same
// address, and opens one otherwise.
func (a *App) listenUDP(ctx context.Context, opts udp.ListenOptions) (ingest.Socket, error) {
	if conn := a.opts.KeptSocket.Take(); conn != nil {
		socket, err := udp.Adopt(ctx, conn, opts)
		if err == nil {
			a.log.Info("the UDP socket stayed open during the restart: datagrams that have arrived meanwhile are read now")
			return socket, nil
		}
		a.log.Info("the UDP socket that stayed open during the restart cannot be used, another one is opened", logx.Err(err))
		a.releaseSocket()
	}
	socket, err := udp.Listen(ctx, opts)
	if sockets.InUse(err) && a.releaseSocket() {
		socket, err = udp.Listen(ctx, opts)
	}
	if err != nil {
		return nil, err // a nil *udp.Socket would make a non-nil interface
	}
	return socket, nil
}

// keepSocket keeps the socket in use for the next process.
func (a *App) keepSocket(socket ingest.Socket) {
	conn, ok := socket.(syscall.Conn)
	if !ok {
		return
	}
	if err := a.opts.KeptSocket.Keep(conn); err != nil {
		a.log.Warn("the UDP socket will not stay open during a restart", logx.Err(err))
	}
}

// dropSocket gives up the socket of a previous process that received task events, when
// this one receives none.
func (a *App) dropSocket() {
	if conn := a.opts.KeptSocket.Take(); conn != nil {
		_ = conn.Close()
		a.releaseSocket()
	}
}

// releaseSocket frees the address of a kept socket that is closed. It reports whether
// there was one.
func (a *App) releaseSocket() bool {
	released, err := a.opts.KeptSocket.Release()
	if err != nil {
		a.log.Warn("the UDP socket of before the restart cannot be given up", logx.Err(err))
	}
	return released
}
