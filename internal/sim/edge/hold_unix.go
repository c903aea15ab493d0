//go:build unix

package edge

import (
	"fmt"
	"io"
	"net"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// holdable allows hold to bind the port of a listener.
func holdable(_, _ string, c syscall.RawConn) error {
	var failed error
	err := c.Control(func(fd uintptr) {
		failed = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
	})
	if err != nil {
		return err
	}
	return failed
}

// hold binds a second socket to the address of a listener, and does not listen on it. Until
// it is closed, the system gives the port to nobody else, and refuses connections to it
// once the listener is closed.
func hold(address net.Addr) (io.Closer, error) {
	at, ok := address.(*net.TCPAddr)
	if !ok {
		return nil, fmt.Errorf("hold %s: not a TCP address", address)
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	if err != nil {
		return nil, fmt.Errorf("hold %s: %w", address, err)
	}
	unix.CloseOnExec(fd)
	held := os.NewFile(uintptr(fd), "held port")
	to := unix.SockaddrInet4{Port: at.Port, Addr: [4]byte(at.IP.To4())}
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1); err != nil {
		_ = held.Close()
		return nil, fmt.Errorf("hold %s: %w", address, err)
	}
	if err := unix.Bind(fd, &to); err != nil {
		_ = held.Close()
		return nil, fmt.Errorf("hold %s: %w", address, err)
	}
	return held, nil
}
