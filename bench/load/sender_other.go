//go:build !linux

package load

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"
)

// Sender sends datagrams of one size in bursts.
type Sender struct {
	conn *net.UDPConn
	size int
}

// NewSender returns a sender to an address; every datagram has size bytes.
func NewSender(to netip.AddrPort, size int) (*Sender, error) {
	conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(to))
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", to, err)
	}
	return &Sender{conn: conn, size: size}, nil
}

// MaxBurst is how many datagrams of a size one call of Send carries.
func MaxBurst(int) int { return 64 }

// Send sends a burst: concatenated datagrams of the sender's size. It returns how many
// datagrams it has learned to have met a closed port.
func (s *Sender) Send(burst []byte) (refused int, err error) {
	for ; len(burst) >= s.size; burst = burst[s.size:] {
		_, err := s.conn.Write(burst[:s.size])
		if errors.Is(err, syscall.ECONNREFUSED) {
			// The error is for the previous datagram, and this one was not sent.
			refused++
			_, err = s.conn.Write(burst[:s.size])
		}
		if err != nil && !errors.Is(err, syscall.ECONNREFUSED) {
			return refused, err
		}
	}
	return refused, nil
}

// Close closes the socket.
func (s *Sender) Close() error { return s.conn.Close() }
