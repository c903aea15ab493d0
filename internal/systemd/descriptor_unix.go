//go:build unix

package systemd

import (
	"errors"
	"net"
	"syscall"
)

// sendDescriptor sends a message that carries a file descriptor.
func (n Notifier) sendDescriptor(carried syscall.RawConn, assignments ...string) error {
	return n.dial(func(conn *net.UnixConn) error {
		raw, err := conn.SyscallConn()
		if err != nil {
			return err
		}
		var sent, written error
		err = carried.Control(func(fd uintptr) {
			// net refuses to send control data through a connected datagram socket.
			written = raw.Write(func(to uintptr) bool {
				sent = syscall.Sendmsg(int(to), message(assignments), syscall.UnixRights(int(fd)), nil, 0)
				return !errors.Is(sent, syscall.EAGAIN)
			})
		})
		return errors.Join(err, written, sent)
	})
}
