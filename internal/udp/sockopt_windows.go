package udp

import "syscall"

// exclusiveAddrUse is SO_EXCLUSIVEADDRUSE: without it another process can take
// the port over by asking for sharing.
const exclusiveAddrUse = ^syscall.SO_REUSEADDR

func receiveBuffer(fd uintptr) (int, error) {
	return syscall.GetsockoptInt(syscall.Handle(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF)
}

func exclusive(_, _ string, raw syscall.RawConn) (err error) {
	control := raw.Control(func(fd uintptr) {
		err = syscall.SetsockoptInt(syscall.Handle(fd), syscall.SOL_SOCKET, exclusiveAddrUse, 1)
	})
	if control != nil {
		return control
	}
	return err
}
