//go:build !linux

package bench

import (
	"fmt"
	"net"
	"net/netip"
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

// Send sends a burst: datagrams of the sender's size, one behind the other.
func (s *Sender) Send(burst []byte) error {
	for ; len(burst) >= s.size; burst = burst[s.size:] {
		if _, err := s.conn.Write(burst[:s.size]); err != nil {
			return err
		}
	}
	return nil
}

// Close closes the socket.
func (s *Sender) Close() error { return s.conn.Close() }
