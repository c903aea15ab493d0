// Package sockets owns the listening TCP sockets of the HTTP servers: who may
// connect how often, and which of several servers at one address gets a connection.
//
// It guarantees that a client which opens connections and says nothing keeps only its
// own share of them, that accepting outlives the moments in which the system has no
// connection to give, and that no connection is refused while one server takes over
// from another. It must never read or write anything on a connection by itself, but for
// what is thrown away of one that lingers.
package sockets

import (
	"fmt"
	"net"
	"sync"

	"go.uber.org/zap"
)

// Shared are the listening sockets of a process. Servers of one kind that listen
// to the same address share its socket, so that one can take over from another:
// no connection is refused in between, and what waits for an answer is taken by
// whoever serves. A socket is closed with the last server that uses it. A nil
// Shared shares nothing. It is safe for concurrent use.
//
// Each socket has one goroutine, which accepts its connections.
type Shared struct {
	mu   sync.Mutex
	open map[place]*socket
}

// place is an address and the keys that name it in the configuration. Servers of
// two kinds share none, not even where each takes any port.
type place struct{ address, keys string }

// socket is one listening socket.
type socket struct {
	net.Listener
	connections chan net.Conn
	closed      chan struct{}
	users       int // guarded by Shared.mu
}

// Listen returns a guarded listener at the address, which keys name: one more of the socket that is open
// there, or the first of a new one.
func (s *Shared) Listen(address, keys string, log *zap.Logger) (net.Listener, error) {
	if s == nil {
		return listen(address, keys, log)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	at := place{address, keys}
	shared, known := s.open[at]
	if !known {
		listener, err := listen(address, keys, log)
		if err != nil {
			return nil, s.explainedLocked(err, address)
		}
		shared = &socket{Listener: listener, connections: make(chan net.Conn), closed: make(chan struct{})}
		if s.open == nil {
			s.open = map[place]*socket{}
		}
		s.open[at] = shared
		go shared.accept()
	}
	shared.users++
	return &share{socket: shared, sockets: s, at: at, done: make(chan struct{})}, nil
}

// explainedLocked says so where it is this process itself that has the port, at the same
// host or another one: systems take a port with and without a host for the same.
func (s *Shared) explainedLocked(err error, address string) error {
	_, port, _ := net.SplitHostPort(address)
	for at := range s.open {
		if _, taken, _ := net.SplitHostPort(at.address); taken == port {
			return fmt.Errorf("%w: this service itself has %s (%s); choose another port, or restart the service", err, at.address, at.keys)
		}
	}
	return err
}

// accept hands connections to whoever serves, until the socket is closed.
func (s *socket) accept() {
	for {
		connection, err := s.Accept()
		if err != nil { // a guard fails only when it is closed
			return
		}
		if !s.pass(connection) {
			return
		}
	}
}

// pass hands a connection to whoever serves, and reports whether anybody does.
func (s *socket) pass(connection net.Conn) bool {
	select {
	case s.connections <- connection:
		return true
	case <-s.closed:
		_ = connection.Close()
		return false
	}
}

// share is the listener of one server.
type share struct {
	*socket
	sockets *Shared
	at      place
	once    sync.Once
	done    chan struct{}
}

// Accept implements net.Listener.
func (s *share) Accept() (net.Conn, error) {
	select {
	case <-s.done: // whatever else is ready
		return nil, net.ErrClosed
	default:
	}
	select {
	case connection := <-s.connections:
		select {
		case <-s.done: // since a moment: this one is for another server
			s.pass(connection)
			return nil, net.ErrClosed
		default:
			return connection, nil
		}
	case <-s.done:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener. When it has returned, what connects is for the
// servers that still share the socket. It may be called again.
func (s *share) Close() (err error) {
	s.once.Do(func() { err = s.leave() })
	return err
}

func (s *share) leave() error {
	close(s.done)
	s.sockets.mu.Lock()
	defer s.sockets.mu.Unlock()
	if s.users--; s.users > 0 {
		return nil
	}
	delete(s.sockets.open, s.at)
	close(s.closed)
	return s.Listener.Close()
}
