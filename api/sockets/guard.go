package sockets

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"syscall"
	"time"

	"go.uber.org/zap"

	"butler/internal/logx"
	"butler/internal/oserr"
)

// The limits on the connections of every server, so that a client that opens
// thousands of them and sends nothing does not lock out the others.
const (
	maxConnections = 1024
	// MaxPerClient is how many connections a client has at once.
	MaxPerClient = 256
	// tellEvery is how often the log says that connections are refused.
	tellEvery = time.Minute
	// maxPause bounds the wait after a connection that could not be accepted.
	maxPause = time.Second
)

// listen binds an address behind a guard; keys are the configuration keys that set it.
func listen(address, keys string, log *zap.Logger) (net.Listener, error) {
	listener, err := new(net.ListenConfig).Listen(context.Background(), "tcp", address)
	if InUse(err) {
		err = fmt.Errorf("%w (the port is in use; choose another %s)", err, keys[strings.LastIndex(keys, " ")+1:])
	}
	if err != nil {
		return nil, fmt.Errorf("listen on %s (%s): %w", address, keys, err)
	}
	return newGuard(listener, log), nil
}

// InUse reports whether a port could not be opened because it is in use.
func InUse(err error) bool { return oserr.Is(err, syscall.EADDRINUSE) }

// guard is a listener that limits the number of connections, in total and of one
// client, and that survives errors of accept. It closes excess connections without
// reading from them, so that no client can hold up the next one. It counts below
// TLS, before any handshake.
type guard struct {
	net.Listener
	log    *zap.Logger
	closed chan struct{}
	close  func() error

	mu      sync.Mutex
	open    int
	clients map[netip.Prefix]int
	refused int
	told    time.Time
}

func newGuard(listener net.Listener, log *zap.Logger) *guard {
	g := &guard{Listener: listener, log: log, closed: make(chan struct{}), clients: map[netip.Prefix]int{}}
	g.close = sync.OnceValue(func() error {
		close(g.closed)
		return listener.Close()
	})
	return g
}

// Close ends an Accept that waits.
func (g *guard) Close() error { return g.close() }

// Accept returns the next connection within the limits. It fails only when the
// listener is closed.
func (g *guard) Accept() (net.Conn, error) {
	pause := 5 * time.Millisecond
	for {
		conn, err := g.Listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil, err
		}
		if err != nil {
			g.tell("connections cannot be accepted", err)
			if !g.wait(pause) {
				return nil, net.ErrClosed
			}
			pause = min(2*pause, maxPause)
			continue
		}
		pause = 5 * time.Millisecond
		client := ClientOf(conn.RemoteAddr())
		if g.enter(client) {
			return newGuarded(conn, sync.OnceFunc(func() { g.leave(client) })), nil
		}
		g.tell("connections are refused, there are too many", nil, zap.Stringer("client", client))
		_ = conn.Close()
	}
}

// wait pauses, and reports whether the guard is still open then.
func (g *guard) wait(pause time.Duration) bool {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-g.closed:
		return false
	case <-timer.C:
		return true
	}
}

func (g *guard) enter(client netip.Prefix) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.open >= maxConnections || g.clients[client] >= MaxPerClient {
		return false
	}
	g.open++
	g.clients[client]++
	return true
}

func (g *guard) leave(client netip.Prefix) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.open--
	if g.clients[client]--; g.clients[client] == 0 {
		delete(g.clients, client)
	}
}

// tell logs the first connection that is lost, and then their number once per tellEvery.
func (g *guard) tell(what string, err error, fields ...zap.Field) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.refused++
	if !g.told.IsZero() && time.Since(g.told) < tellEvery {
		return
	}
	g.log.Warn(what, append(fields, zap.String("address", g.Addr().String()), logx.Count(g.refused), logx.Err(err))...)
	g.refused, g.told = 0, time.Now()
}

// ClientOf returns the network that counts as one client: the address for IPv4, the
// /64 network for IPv6, of which one client can use every address.
func ClientOf(remote net.Addr) netip.Prefix {
	at, err := netip.ParseAddrPort(remote.String())
	if err != nil {
		return netip.Prefix{} // clients without an IP address share one count
	}
	address := at.Addr().Unmap().WithZone("")
	bits := 32
	if address.Is6() {
		bits = 64
	}
	prefix, _ := address.Prefix(bits) // both fit their family
	return prefix
}
