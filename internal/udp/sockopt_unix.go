//go:build unix && !linux

package udp

import "syscall"

func receiveBuffer(fd uintptr) (int, error) {
	return syscall.GetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF)
}

// exclusive does nothing: two sockets share a port only if both ask for it.
func exclusive(string, string, syscall.RawConn) error { return nil }
