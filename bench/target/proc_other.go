//go:build !linux

package target

import (
	"fmt"
	"net"
)

func usageOf(int) (Usage, bool) { return Usage{}, false }

func dropsOf(int) (int, bool) { return 0, false }

func processAt(int) int { return 0 }

// boundBy returns "" when no socket is bound to a port.
func boundBy(port int) string {
	conn, err := net.ListenPacket("udp4", fmt.Sprintf("127.0.0.1:%d", port)) //nolint:noctx // it binds at once
	if err != nil {
		return "somebody"
	}
	_ = conn.Close()
	return ""
}
