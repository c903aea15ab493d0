package udp

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"syscall"

	"butler/messages"
)

const (
	// BatchSize is the largest number of datagrams that one read returns.
	BatchSize = 128
	// DefaultReceiveBuffer is the receive buffer that is asked for unless told otherwise, in bytes.
	DefaultReceiveBuffer = 8 << 20
	// LargestPayload is the most that one UDP datagram carries over IPv4, in bytes.
	LargestPayload = 65507
	// slotSize is the room for one datagram. It is more than any datagram has, so
	// none is cut by the kernel, and no power of two, so that the beginnings of
	// the slots do not share the same few cache lines.
	slotSize = 1<<16 + 512
)

// ListenOptions configure Listen.
type ListenOptions struct {
	// Host is an IP address or a name, resolved once; "" is 0.0.0.0. A name is
	// bound by its IPv4 address if it has one, and "::" takes IPv4 as well.
	Host string
	// Port is 0 for any free one.
	Port int
	// ReceiveBuffer is the kernel's buffer to ask for, in bytes; 0 is DefaultReceiveBuffer.
	ReceiveBuffer int
	// MaxMessageSize is how many bytes of a payload are handed out; 0 is LargestPayload.
	MaxMessageSize int
}

// Socket receives datagrams in batches. Only one goroutine may call ReadBatch; the other
// methods may be called from any.
type Socket struct {
	conn  *net.UDPConn
	addr  netip.AddrPort
	limit int
	// granted is the size of the receive buffer.
	granted int
	batch   *batch
	drops   dropCounter
}

// Listen opens a socket with exclusive use of its port.
func Listen(ctx context.Context, opts ListenOptions) (*Socket, error) {
	address := opts.address()
	conn, err := bind(ctx, address)
	if err != nil {
		return nil, fmt.Errorf("listen on udp %s: %w", address, err)
	}
	socket, err := newSocket(conn, opts)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("set up udp socket %s: %w", address, err), conn.Close())
	}
	return socket, nil
}

// Adopt returns the socket of a connection that is open already, such as one of an
// earlier process. It must be bound to the address of opts; the host is looked up. Drops
// are counted from now on. The connection is closed after an error.
func Adopt(ctx context.Context, conn *net.UDPConn, opts ListenOptions) (*Socket, error) {
	address := opts.address()
	socket, err := adopt(ctx, conn, address, opts)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("take over udp socket %s as %s: %w", conn.LocalAddr(), address, err), conn.Close())
	}
	return socket, nil
}

func adopt(ctx context.Context, conn *net.UDPConn, address string, opts ListenOptions) (*Socket, error) {
	network, err := familyOf(ctx, address)
	if err != nil {
		return nil, err
	}
	wanted, err := net.ResolveUDPAddr(network, address)
	if err != nil {
		return nil, err
	}
	bound := conn.LocalAddr().(*net.UDPAddr).AddrPort()
	if at := wanted.AddrPort(); bound.Port() != at.Port() || bound.Addr().Unmap() != at.Addr().Unmap() {
		return nil, errors.New("it is bound to another address")
	}
	socket, err := newSocket(conn, opts)
	if err != nil {
		return nil, err
	}
	socket.drops.begin()
	return socket, nil
}

// address returns host:port.
func (o ListenOptions) address() string {
	return net.JoinHostPort(cmp.Or(o.Host, "0.0.0.0"), strconv.Itoa(o.Port))
}

func bind(ctx context.Context, address string) (*net.UDPConn, error) {
	network, err := familyOf(ctx, address)
	if err != nil {
		return nil, err
	}
	config := net.ListenConfig{Control: exclusive}
	conn, err := config.ListenPacket(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return conn.(*net.UDPConn), nil
}

// familyOf says which network to listen on: both families only for the IPv6 wildcard.
func familyOf(ctx context.Context, address string) (string, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return "", err
	}
	if addr, err := netip.ParseAddr(host); err == nil {
		if addr.Is4() {
			return "udp4", nil
		}
		return "udp", nil
	}
	addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return "", err
	}
	for _, addr := range addrs {
		if addr.Unmap().Is4() {
			return "udp4", nil
		}
	}
	return "udp6", nil
}

func newSocket(conn *net.UDPConn, opts ListenOptions) (*Socket, error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil, err
	}
	wanted := opts.ReceiveBuffer
	if wanted <= 0 {
		wanted = DefaultReceiveBuffer
	}
	granted, err := growReceiveBuffer(conn, raw, wanted)
	if err != nil {
		return nil, fmt.Errorf("set the receive buffer to %d bytes: %w", wanted, err)
	}
	limit := opts.MaxMessageSize
	if limit <= 0 {
		limit = LargestPayload
	}
	return &Socket{
		conn:    conn,
		addr:    conn.LocalAddr().(*net.UDPAddr).AddrPort(),
		limit:   limit,
		granted: granted,
		batch:   newBatch(conn, raw),
		drops:   dropCounter{raw: raw},
	}, nil
}

// Addr returns the bound address.
func (s *Socket) Addr() netip.AddrPort { return s.addr }

// ReceiveBuffer returns the size of the receive buffer as the kernel granted it,
// in bytes. It is the number that was asked for when all of it was granted.
func (s *Socket) ReceiveBuffer() int { return s.granted }

// Dropped returns how many datagrams the kernel has dropped because the receive buffer
// was full, since the socket was opened; 0 where the kernel does not report it. Several
// of one sender that the kernel had coalesced count as one.
func (s *Socket) Dropped() uint64 { return s.drops.total() }

// ReadBatch waits for at least one datagram and returns all that have arrived, at most
// BatchSize. They share memory that nothing else uses. After Close it returns what is
// left of the last read, and then an error that wraps net.ErrClosed.
func (s *Socket) ReadBatch() ([]messages.Datagram, error) {
	if err := s.batch.read(); err != nil {
		return nil, fmt.Errorf("read udp %s: %w", s.addr, err)
	}
	return s.batch.copy(s.limit), nil
}

// SyscallConn gives access to the descriptor of the socket.
func (s *Socket) SyscallConn() (syscall.RawConn, error) { return s.conn.SyscallConn() }

// Close ends a ReadBatch that waits.
func (s *Socket) Close() error { return s.conn.Close() }
