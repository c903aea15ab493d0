package edge

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
)

// Door is a TCP listener on 127.0.0.1 that can be shut and opened again. The
// port is chosen by the first Open and kept from then on.
type Door struct {
	serve func(net.Listener)

	mu       sync.Mutex
	listener net.Listener
	address  string
	// held keeps the port of a door that refuses; nil otherwise.
	held  io.Closer
	conns map[*doorConn]struct{}

	serving  sync.WaitGroup
	accepted atomic.Int64
}

// NewDoor returns a shut door. serve is called in its own goroutine each time
// the door opens and returns when its listener is closed.
func NewDoor(serve func(net.Listener)) *Door {
	return &Door{serve: serve, conns: make(map[*doorConn]struct{})}
}

// Open starts listening. An open door stays as it is.
func (d *Door) Open() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.listener != nil {
		return nil
	}
	address := d.address
	if address == "" {
		address = "127.0.0.1:0"
	}
	config := net.ListenConfig{Control: holdable}
	listener, err := config.Listen(context.Background(), "tcp4", address)
	if err != nil {
		return fmt.Errorf("open door on %s: %w", address, err)
	}
	d.letGoLocked()
	d.listener = &doorListener{Listener: listener, door: d}
	d.address = listener.Addr().String()
	opened := d.listener
	d.serving.Go(func() { d.serve(opened) })
	return nil
}

// Shut stops listening and resets every connection, as when a host goes away: further
// connections are refused, and the port may be taken by somebody else. It returns when
// the serve function has returned.
func (d *Door) Shut() {
	d.close()
	d.mu.Lock()
	defer d.mu.Unlock()
	d.letGoLocked()
}

// letGoLocked gives up the port of a door that refuses. The caller holds mu.
func (d *Door) letGoLocked() {
	if d.held != nil {
		_ = d.held.Close()
		d.held = nil
	}
}

// close stops listening and resets every connection.
func (d *Door) close() {
	d.mu.Lock()
	listener := d.listener
	d.listener = nil
	conns := make([]*doorConn, 0, len(d.conns))
	for c := range d.conns {
		conns = append(conns, c)
	}
	d.mu.Unlock()

	if listener != nil {
		_ = listener.Close()
	}
	for _, c := range conns {
		c.reset()
	}
	d.serving.Wait()
}

// Refuse closes an open door when on is true, like Shut but without giving the port away,
// and opens it otherwise.
func (d *Door) Refuse(on bool) error {
	if !on {
		return d.Open()
	}
	if err := d.keepPort(); err != nil {
		return fmt.Errorf("keep the port of a door that refuses: %w", err)
	}
	d.close()
	return nil
}

func (d *Door) keepPort() (err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.listener == nil || d.held != nil {
		return nil
	}
	d.held, err = hold(d.listener.Addr())
	return err
}

// Addr returns host:port, "" before the first Open.
func (d *Door) Addr() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.address
}

// Accepted counts the connections since the beginning.
func (d *Door) Accepted() int64 { return d.accepted.Load() }

// Connected counts the connections that are open.
func (d *Door) Connected() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.conns)
}

// admit registers a connection; false when the door has been shut meanwhile.
func (d *Door) admit(l net.Listener, c *doorConn) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.listener != l {
		return false
	}
	d.conns[c] = struct{}{}
	d.accepted.Add(1)
	return true
}

func (d *Door) forget(c *doorConn) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.conns, c)
}

type doorListener struct {
	net.Listener
	door *Door
}

func (l *doorListener) Accept() (net.Conn, error) {
	raw, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	c := &doorConn{Conn: raw, door: l.door}
	if !l.door.admit(l, c) {
		c.reset()
		return nil, fmt.Errorf("accept: %w", net.ErrClosed)
	}
	return c, nil
}

type doorConn struct {
	net.Conn
	door *Door
}

func (c *doorConn) Close() error {
	c.door.forget(c)
	return c.Conn.Close()
}

// reset closes the connection with a TCP reset instead of a FIN.
func (c *doorConn) reset() {
	if tcp, ok := c.Conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = c.Close()
}

// Reset breaks a connection that came through a Door, also below TLS, so that
// the peer sees a TCP reset. Any other connection is closed.
func Reset(c net.Conn) {
	if layered, ok := c.(*tls.Conn); ok {
		c = layered.NetConn()
	}
	if through, ok := c.(*doorConn); ok {
		through.reset()
		return
	}
	_ = c.Close()
}

// ErrStopped is returned when an endpoint is used after Stop.
var ErrStopped = errors.New("simulated endpoint is stopped")
