package load

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"
)

// Sender sends datagrams of one size in bursts. On Linux one system call sends
// a whole burst (generic segmentation offload), so that the sender is not the
// bottleneck of what it measures.
type Sender struct {
	fd      int
	size    int
	control []byte
	// last is how many datagrams the last call sent.
	last int
}

// NewSender returns a sender to an IPv4 address; every datagram has size bytes.
func NewSender(to netip.AddrPort, size int) (_ *Sender, err error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open a socket: %w", err)
	}
	defer func() {
		if err != nil {
			_ = unix.Close(fd)
		}
	}()
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF, 4<<20); err != nil {
		return nil, fmt.Errorf("set the send buffer: %w", err)
	}
	if err := unix.Connect(fd, &unix.SockaddrInet4{Port: int(to.Port()), Addr: to.Addr().As4()}); err != nil {
		return nil, fmt.Errorf("connect to %s: %w", to, err)
	}
	s := &Sender{fd: fd, size: size, control: make([]byte, unix.CmsgSpace(2))}
	header := s.control[:unix.CmsgLen(0)]
	binary.NativeEndian.PutUint64(header[0:], uint64(unix.CmsgLen(2)))
	binary.NativeEndian.PutUint32(header[8:], unix.IPPROTO_UDP)
	binary.NativeEndian.PutUint32(header[12:], unix.UDP_SEGMENT)
	binary.NativeEndian.PutUint16(s.control[unix.CmsgLen(0):], uint16(size))
	return s, nil
}

// MaxBurst is how many datagrams of a size one call can carry.
func MaxBurst(size int) int { return min(64, 65_000/size) }

// Send sends a burst: concatenated datagrams of the sender's size. It returns how many
// datagrams it has learned to have met a closed port.
func (s *Sender) Send(burst []byte) (refused int, err error) {
	if err = s.send(burst); errors.Is(err, unix.ECONNREFUSED) {
		// The error is for the previous burst, and this one was not sent.
		refused, err = s.last, s.send(burst)
	}
	s.last = len(burst) / s.size
	if errors.Is(err, unix.ECONNREFUSED) {
		return refused + s.last, nil
	}
	return refused, err
}

func (s *Sender) send(burst []byte) error { return unix.Sendmsg(s.fd, burst, s.control, nil, 0) }

// Close closes the socket.
func (s *Sender) Close() error { return unix.Close(s.fd) }
