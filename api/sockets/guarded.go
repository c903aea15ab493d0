package sockets

import (
	"errors"
	"net"
	"os"
	"sync"
	"time"
)

// guarded is a connection that gives its place back. Its deadlines are those of any
// connection, and cost less to move.
type guarded struct {
	net.Conn
	leave       func()
	read, write deadline
}

func newGuarded(conn net.Conn, leave func()) *guarded {
	return &guarded{Conn: conn, leave: leave, read: deadline{set: conn.SetReadDeadline}, write: deadline{set: conn.SetWriteDeadline}}
}

// Close implements net.Conn.
func (c *guarded) Close() error {
	defer c.leave()
	return c.Conn.Close()
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
