package sockets

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// How long and how much is read from a lingering connection.
const (
	lingerTime = 2 * time.Second
	lingerSize = 8 << 20
)

// guarded is a connection that releases its place in the guard when it is closed.
// Moving its deadlines costs less than on a plain connection.
type guarded struct {
	net.Conn
	leave       func()
	lingers     atomic.Bool
	read, write deadline
}

func newGuarded(conn net.Conn, leave func()) *guarded {
	return &guarded{Conn: conn, leave: leave, read: deadline{set: conn.SetReadDeadline}, write: deadline{set: conn.SetWriteDeadline}}
}

// Linger marks a connection of a listener of this package, or TLS over one, whose
// request was refused before all of it was read: Close then reads and discards the
// rest for a moment. The system resets a connection that is closed with unread bytes,
// and a client that is still sending would never see the answer. The connection
// keeps its place in the guard until then.
func Linger(conn net.Conn) {
	if over, ok := conn.(interface{ NetConn() net.Conn }); ok {
		conn = over.NetConn()
	}
	if c, ok := conn.(*guarded); ok {
		c.lingers.Store(true)
	}
}

// Close implements net.Conn.
func (c *guarded) Close() error {
	defer c.leave()
	if c.lingers.Load() {
		c.drain()
	}
	return c.Conn.Close()
}

// drain closes the sending side, and reads until the client closes its own or a
// bound is reached.
func (c *guarded) drain() {
	half, ok := c.Conn.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil || c.Conn.SetReadDeadline(time.Now().Add(lingerTime)) != nil {
		return
	}
	_, _ = io.CopyN(io.Discard, c.Conn, lingerSize) // best effort
}

// Read implements net.Conn.
func (c *guarded) Read(b []byte) (int, error) {
	for {
		n, err := c.Conn.Read(b)
		switch {
		case !c.read.early(err):
			return n, err
		case n > 0:
			return n, nil
		}
	}
}

// Write implements net.Conn.
func (c *guarded) Write(b []byte) (int, error) {
	written := 0
	for {
		n, err := c.Conn.Write(b[written:])
		written += n
		if !c.write.early(err) {
			return written, err
		}
	}
}

// SetDeadline implements net.Conn.
func (c *guarded) SetDeadline(t time.Time) error {
	return errors.Join(c.read.move(t), c.write.move(t))
}

// SetReadDeadline implements net.Conn.
func (c *guarded) SetReadDeadline(t time.Time) error { return c.read.move(t) }

// SetWriteDeadline implements net.Conn.
func (c *guarded) SetWriteDeadline(t time.Time) error { return c.write.move(t) }

// deadline is when reads or writes time out. The server moves three of them with
// every call, nearly always to a later time. The timer behind it is not touched
// then: it is moved when it fires too early.
type deadline struct {
	// set moves the timer.
	set func(time.Time) error

	mu sync.Mutex
	// wanted is the deadline; fires is when the timer fires, which is never later.
	wanted, fires time.Time
}

// move changes the deadline; the zero time means no deadline.
func (d *deadline) move(to time.Time) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.wanted = to
	if !to.IsZero() && !d.fires.IsZero() && !to.Before(d.fires) {
		return nil
	}
	d.fires = to
	return d.set(to)
}

// early reports whether an operation ended only because the timer fired before the
// deadline, and moves the timer. The operation is to be repeated then.
func (d *deadline) early(err error) bool {
	if err == nil || !errors.Is(err, os.ErrDeadlineExceeded) {
		return false
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.wanted.Equal(d.fires) {
		return false
	}
	d.fires = d.wanted
	return d.set(d.fires) == nil
}
