// Package sockets owns the listening TCP sockets of the HTTP servers: who may
// connect how often, and which of several servers at one address gets a connection.
//
// It guarantees that one client can hold only its share of the connections, that a
// listener survives errors of accept, such as a lack of file descriptors, and that no
// connection is refused while one server takes over from another. It must never read
// or write on a connection itself, except to discard what arrives on a lingering one.
package sockets

import (
	"fmt"
	"net"
	"sync"

	"go.uber.org/zap"
)

// Shared owns the listening sockets of a process. Servers of one kind that listen
// on the same address share its socket, so that one can take over from another:
// no connection is refused in between, and one that waits to be accepted goes to
// any server that accepts. A socket is closed with the last server that uses it. A
// nil Shared shares nothing. It is safe for concurrent use.
//
// Each socket has one goroutine, which accepts its connections.
type Shared struct {
	mu   sync.Mutex
	open map[place]*socket
}

// place is an address and the configuration keys that set it. The keys keep servers
// of different kinds apart, even where each asks for any free port.
type place struct{ address, keys string }

// socket is one listening socket.
type socket struct {
	net.Listener
	connections chan net.Conn
	closed      chan struct{}
	users       int // guarded by Shared.mu
}

// Listen returns a guarded listener on the address, which the configuration keys set:
// it shares the socket that is open there, or opens one.
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

// explainedLocked adds to an error when this process itself has the port open. The
// host does not matter: systems may treat a port with and without a host as the same.
func (s *Shared) explainedLocked(err error, address string) error {
	_, port, _ := net.SplitHostPort(address)
	for at := range s.open {
		if _, taken, _ := net.SplitHostPort(at.address); taken == port {
			return fmt.Errorf("%w: this service itself has %s (%s); choose another port, or restart the service", err, at.address, at.keys)
		}
	}
	return err
}

// accept passes connections to the servers, until the socket is closed.
func (s *socket) accept() {
	for {
		connection, err := s.Accept()
		if err != nil { // Accept of a guard fails only when it is closed
			return
		}
		if !s.pass(connection) {
			return
		}
	}
}

// pass waits until a server accepts the connection. It closes the connection and
// returns false when the socket is closed first.
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
		case <-s.done: // closed meanwhile: the connection is for another server
			s.pass(connection)
			return nil, net.ErrClosed
		default:
			return connection, nil
		}
	case <-s.done:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener. Connections that follow go to the servers that
// still share the socket. It may be called again.
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
