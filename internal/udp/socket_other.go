//go:build !linux

package udp

import (
	"net"
	"net/netip"
	"syscall"
	"time"
)

// platformBatch reads one datagram at a time.
type platformBatch struct {
	conn   *net.UDPConn
	memory [slotSize]byte
}

func newBatch(conn *net.UDPConn, _ syscall.RawConn) *batch {
	return &batch{platformBatch: platformBatch{conn: conn}}
}

// read waits for one datagram.
func (b *batch) read() error {
	b.count = 0
	size, source, err := b.conn.ReadFromUDPAddrPort(b.memory[:])
	if err != nil {
		return err
	}
	b.at = time.Now()
	b.add(b.memory[:size], size, netip.AddrPortFrom(source.Addr().Unmap(), source.Port()))
	return nil
}

// growReceiveBuffer asks for wanted bytes, or for the largest half, quarter and
// so on that the system allows, and returns what was granted.
func growReceiveBuffer(conn *net.UDPConn, raw syscall.RawConn, wanted int) (granted int, err error) {
	for size := wanted; size >= 1<<16; size /= 2 {
		if err = conn.SetReadBuffer(size); err == nil {
			break
		}
	}
	if err != nil {
		return 0, err
	}
	if control := raw.Control(func(fd uintptr) { granted, err = receiveBuffer(fd) }); control != nil {
		return 0, control
	}
	return granted, err
}

// dropCounter counts nothing: only Linux tells.
type dropCounter struct{ raw syscall.RawConn }

func (c *dropCounter) begin() {}

func (c *dropCounter) total() uint64 { return 0 }
