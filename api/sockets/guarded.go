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

// The bounds of what is read of a connection that lingers.
const (
	lingerTime = 2 * time.Second
	lingerSize = 8 << 20
)

// guarded is a connection that gives its place back. Its deadlines are those of any
// connection, and cost less to move.
type guarded struct {
	net.Conn
	leave       func()
	lingers     atomic.Bool
	read, write deadline
}

func newGuarded(conn net.Conn, leave func()) *guarded {
	return &guarded{Conn: conn, leave: leave, read: deadline{set: conn.SetReadDeadline}, write: deadline{set: conn.SetWriteDeadline}}
}

// Linger is for a connection of a listener of this package, or TLS over one, whose
// client is told no before everything was read that it says: when it is closed, the
// rest is read for a moment and thrown away. A system resets a connection that is
// closed over unread bytes, and who still writes then never gets to read the answer.
// The connection keeps its place until then.
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
		c.hearOut()
	}
	return c.Conn.Close()
}

// hearOut tells the client that no more follows, and reads until it has nothing more
// to say either, or the bounds are reached.
func (c *guarded) hearOut() {
	half, ok := c.Conn.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil || c.Conn.SetReadDeadline(time.Now().Add(lingerTime)) != nil {
		return
	}
	_, _ = io.CopyN(io.Discard, c.Conn, lingerSize) // however it ends
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

// deadline is when reads or writes give up. The server moves three of them with
// every call, nearly always to a later time: the timer behind it is left as it is
// then, and moved when it rings.
type deadline struct {
	// set moves the timer.
	set func(time.Time) error

	mu sync.Mutex
	// wanted is the deadline, rings when the timer does, which is no later.
	wanted, rings time.Time
}

// move changes the deadline; the zero time is none.
func (d *deadline) move(to time.Time) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.wanted = to
	if !to.IsZero() && !d.rings.IsZero() && !to.Before(d.rings) {
		return nil
	}
	d.rings = to
	return d.set(to)
}

// early reports whether an operation ended only because the timer rang before the
// deadline. It may go on then.
func (d *deadline) early(err error) bool {
	if err == nil || !errors.Is(err, os.ErrDeadlineExceeded) {
		return false
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.wanted.Equal(d.rings) {
		return false
	}
	d.rings = d.wanted
	return d.set(d.rings) == nil
}
