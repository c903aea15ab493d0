package target

import (
	"context"
	"fmt"
	"net"
)

// FreePorts returns n ports of the loopback interface that were free a moment ago for both
// UDP and TCP.
func FreePorts(n int) ([]int, error) {
	var out []int
	for range n {
		port, release, err := freePort()
		if err != nil {
			return nil, err
		}
		defer release() // holds the port until all are found, so that none is found twice
		out = append(out, port)
	}
	return out, nil
}

// tries bounds the search for a port that is free for UDP as well as for TCP.
const tries = 20

func freePort() (port int, release func(), err error) {
	var config net.ListenConfig
	for range tries {
		var tcp net.Listener
		if tcp, err = config.Listen(context.Background(), "tcp4", "127.0.0.1:0"); err != nil {
			break
		}
		var udp net.PacketConn
		if udp, err = config.ListenPacket(context.Background(), "udp4", tcp.Addr().String()); err == nil {
			return tcp.Addr().(*net.TCPAddr).Port, func() { _, _ = tcp.Close(), udp.Close() }, nil
		}
		tcp.Close()
	}
	return 0, nil, fmt.Errorf("find a free port: %w", err)
}

// Bound reports whether a UDP port is open on this machine.
func Bound(port int) bool { return boundBy(port) != "" }
