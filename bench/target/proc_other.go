//go:build !linux

package target

import (
	"fmt"
	"net"
)

func usageOf(int) (Usage, bool) { return Usage{}, false }

func dropsOf(int) (int, bool) { return 0, false }

// Bound reports whether a UDP port is open on this machine: whether it is taken.
func Bound(port int) bool {
	conn, err := net.ListenPacket("udp4", fmt.Sprintf("127.0.0.1:%d", port)) //nolint:noctx // it binds at once
	if err != nil {
		return true
	}
	_ = conn.Close()
	return false
}
