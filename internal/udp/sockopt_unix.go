//go:build unix && !linux

package udp

import "syscall"

func receiveBuffer(fd uintptr) (int, error) {
	return syscall.GetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF)
}

// exclusive does nothing: a port has one owner unless both ask for sharing.
func exclusive(string, string, syscall.RawConn) error { return nil }
