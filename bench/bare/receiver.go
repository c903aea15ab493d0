package bare

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync/atomic"
	"time"

	"golang.org/x/net/ipv4"

	"butler/bench/load"
)

// Receiver is a batched receiver that only counts, as a reference for the service.
type Receiver struct {
	conn  *net.UDPConn
	count atomic.Int64
	done  chan struct{}
}

// receiveBuffer is the receive buffer that every receiver of a comparison requests, in bytes.
const receiveBuffer = 8 << 20

// NewReceiver starts a bare receiver on a free port of the loopback interface.
func NewReceiver() (*Receiver, error) {
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	if err := conn.SetReadBuffer(receiveBuffer); err != nil {
		return nil, fmt.Errorf("set the receive buffer: %w", err)
	}
	b := &Receiver{conn: conn, done: make(chan struct{})}
	go b.read()
	return b, nil
}

func (b *Receiver) read() {
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
func (b *Receiver) Addr() netip.AddrPort { return b.conn.LocalAddr().(*net.UDPAddr).AddrPort() }

// quiet is how long nothing arrives before missing datagrams count as lost.
const quiet = 300 * time.Millisecond

// Try sends a load to the receiver and returns how many of its datagrams were lost.
func (b *Receiver) Try(ctx context.Context, l load.Load) (lost int, err error) {
	before := b.Count()
	if _, err := l.Send(ctx, b.Addr()); err != nil {
		return 0, err
	}
	return before + l.Count - settle(before+l.Count, quiet, b.Count), nil
}

// Count returns how many datagrams have arrived.
func (b *Receiver) Count() int { return int(b.count.Load()) }

// Close ends the receiver.
func (b *Receiver) Close() error {
	err := b.conn.Close()
	<-b.done
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}
