package sockets

import (
	"errors"
	"net"
	"net/netip"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

// arrivals is a listener that yields what a test sends it.
type arrivals struct {
	next   chan any // a net.Conn or an error
	closed chan struct{}
}

func (a *arrivals) Accept() (net.Conn, error) {
	select {
	case next := <-a.next:
		if err, failed := next.(error); failed {
			return nil, err
		}
		return next.(net.Conn), nil
	case <-a.closed:
		return nil, net.ErrClosed
	}
}

func (a *arrivals) Close() error   { close(a.closed); return nil }
func (a *arrivals) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 8080} }

// visitor is a connection of a client that notes whether it was closed.
type visitor struct {
	net.Conn
	from   net.Addr
	closed bool
}

func (v *visitor) RemoteAddr() net.Addr { return v.from }
func (v *visitor) Close() error         { v.closed = true; return nil }

func from(address string) *visitor {
	return &visitor{from: net.TCPAddrFromAddrPort(netip.MustParseAddrPort(address))}
}

// guardOf returns a guard in a bubble, what arrives at it, and what it accepts.
func guardOf(t *testing.T) (*arrivals, chan net.Conn, *observer.ObservedLogs) {
	t.Helper()
	core, logs := observer.New(zap.InfoLevel)
	a := &arrivals{next: make(chan any), closed: make(chan struct{})}
	g := newGuard(a, zap.New(core))
	accepted := make(chan net.Conn, 2*maxConnections)
	ended := make(chan error, 1)
	go func() {
		for {
			conn, err := g.Accept()
			if err != nil {
				ended <- err
				return
			}
			accepted <- conn
		}
	}()
	t.Cleanup(func() {
		if err := errors.Join(g.Close(), g.Close()); err != nil {
			t.Error(err)
		}
		if err := <-ended; !errors.Is(err, net.ErrClosed) {
			t.Errorf("Accept ended with %v", err)
		}
	})
	return a, accepted, logs
}

func TestGuard_outlivesThatTheSystemHasNoMoreConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, accepted, logs := guardOf(t)
		begun := time.Now()
		for range 10 {
			a.next <- &net.OpError{Op: "accept", Net: "tcp", Err: syscall.EMFILE}
		}
		a.next <- from("192.0.2.1:4711")
		<-accepted
		if took := time.Since(begun); took < time.Second || took > 5*time.Second {
			t.Errorf("ten failures took %s, want growing pauses up to a second", took)
		}
		if logs.Len() != 1 {
			t.Errorf("%d lines in the log, want one a minute", logs.Len())
		}
	})
}

func TestGuard_endsWhileItWaitsToTryAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, _, _ := guardOf(t)
		a.next <- syscall.EMFILE
	})
}

func TestGuard_givesEveryClientItsShareOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, accepted, logs := guardOf(t)
		arrive := func(v *visitor) net.Conn {
			a.next <- v
			synctest.Wait()
			select {
			case conn := <-accepted:
				return conn
			default:
				return nil
			}
		}
		var last net.Conn
		for range MaxPerClient {
			if last = arrive(from("[2001:db8::1]:4711")); last == nil {
				t.Fatal("refused within its share")
			}
		}
		neighbour := from("[2001:db8::ffff:2]:4711") // the same network of one client
		if arrive(neighbour) != nil || !neighbour.closed {
			t.Error("want a connection beyond the share closed")
		}
		if arrive(from("[2001:db8:0:1::1]:4711")) == nil || arrive(from("192.0.2.1:1")) == nil || arrive(from("[::ffff:192.0.2.1]:2")) == nil {
			t.Error("want other clients served")
		}
		_ = last.Close()
		_ = last.Close() // gives one place back, not two
		if arrive(from("[2001:db8::1]:4711")) == nil || arrive(from("[2001:db8::1]:4711")) != nil {
			t.Error("want one place free again after one connection has ended")
		}
		for i := range 4 * maxConnections {
			_ = arrive(from(net.JoinHostPort(net.IPv4(10, 0, byte(i>>8), byte(i)).String(), "1")))
		}
		if len(accepted) != 0 || arrive(from("198.51.100.1:1")) != nil {
			t.Errorf("want no more than %d connections in all", maxConnections)
		}
		if logs.Len() != 1 {
			t.Errorf("%d lines in the log, want one a minute", logs.Len())
		}
	})
}
