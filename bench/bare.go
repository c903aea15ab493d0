package bench

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync/atomic"

	"golang.org/x/net/ipv4"
)

// Bare is a batched receiver that only counts: what the service is compared with.
type Bare struct {
	conn  *net.UDPConn
	count atomic.Int64
	done  chan struct{}
}

// receiveBuffer is what every receiver of a comparison asks for.
const receiveBuffer = 8 << 20

// NewBare starts a bare receiver on a free port of the loopback interface.
func NewBare() (*Bare, error) {
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	if err := conn.SetReadBuffer(receiveBuffer); err != nil {
		return nil, fmt.Errorf("set the receive buffer: %w", err)
	}
	b := &Bare{conn: conn, done: make(chan struct{})}
	go b.read()
	return b, nil
}

func (b *Bare) read() {
	defer close(b.done)
	batch := make([]ipv4.Message, 128)
	for i := range batch {
		batch[i].Buffers = [][]byte{make([]byte, 2048)}
	}
	reader := ipv4.NewPacketConn(b.conn)
	for {
		n, err := reader.ReadBatch(batch, 0)
		if err != nil {
			return
		}
		b.count.Add(int64(n))
	}
}

// Addr returns where the receiver listens.
func (b *Bare) Addr() netip.AddrPort { return b.conn.LocalAddr().(*net.UDPAddr).AddrPort() }

// Count returns how many datagrams have arrived.
func (b *Bare) Count() int { return int(b.count.Load()) }

// Close ends the receiver.
func (b *Bare) Close() error {
	err := b.conn.Close()
	<-b.done
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}
