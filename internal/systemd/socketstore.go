package systemd

import (
	"errors"
	"io"
	"net"
	"os"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// Environment variables in which systemd says which sockets it passes to which process.
const (
	PIDEnv     = "LISTEN_PID"
	SocketsEnv = "LISTEN_FDS"
)

// firstSocket is the file descriptor of the first socket that systemd passes.
const firstSocket = 3

// socketName is the name of the UDP socket in the store of systemd.
const socketName = "udp"

// SocketStore keeps the UDP socket open while the service is restarted: systemd holds a
// second descriptor of it and passes it to the next process. Datagrams that arrive
// meanwhile wait in the receive buffer of the kernel. It needs FileDescriptorStoreMax=1
// in the unit. It is safe for concurrent use. The zero value keeps nothing.
type SocketStore struct {
	notifier Notifier
	// passed is how many sockets the previous process left for this one.
	passed int

	mu sync.Mutex
	// kept is the socket that systemd holds, nil if there is none.
	kept syscall.RawConn
}

// NewSocketStore returns the store of the service that n notifies for. pid and sockets are
// the values of PIDEnv and SocketsEnv: which process gets sockets, and how many.
func NewSocketStore(n Notifier, pid, sockets string) *SocketStore {
	s := &SocketStore{notifier: n}
	if count, err := strconv.Atoi(sockets); err == nil && pid == strconv.Itoa(os.Getpid()) {
		s.passed = count
	}
	return s
}

// Take returns the socket that was kept for this process, nil if there is none. It is
// the caller's from then on, and still in the store.
func (s *SocketStore) Take() *net.UDPConn {
	s.mu.Lock()
	defer s.mu.Unlock()
	var first *net.UDPConn
	for i := range s.passed {
		conn := udpConn(firstSocket + i)
		switch {
		case conn == nil:
		case first != nil:
			_ = conn.Close()
		default:
			first = conn
		}
	}
	s.passed = 0
	if first != nil {
		s.kept, _ = first.SyscallConn() // never fails for an open connection
	}
	return first
}

// udpConn takes over a descriptor, and closes it if it is no UDP socket.
func udpConn(fd int) *net.UDPConn {
	file := os.NewFile(uintptr(fd), socketName)
	if file == nil {
		return nil
	}
	defer file.Close()
	conn, err := net.FilePacketConn(file)
	if err != nil {
		return nil
	}
	if udp, ok := conn.(*net.UDPConn); ok {
		return udp
	}
	_ = conn.Close()
	return nil
}

// Keep puts a socket into the store, in place of the one that was there.
func (s *SocketStore) Keep(socket syscall.Conn) error {
	raw, err := socket.SyscallConn()
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.kept != nil {
		if err := s.notifier.removeSocket(); err != nil {
			return err
		}
	}
	s.kept = raw
	return s.notifier.storeSocket(raw)
}

// Release takes the socket out of the store if this process has closed it, because its
// address is not free until then. It reports whether that was the case.
func (s *SocketStore) Release() (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.kept == nil || s.kept.Control(func(uintptr) {}) == nil {
		return false, nil
	}
	s.kept = nil
	if err := s.notifier.removeSocket(); err != nil {
		return false, err
	}
	return true, s.notifier.barrier()
}

func (n Notifier) removeSocket() error { return n.send("FDSTOREREMOVE=1", "FDNAME="+socketName) }

// storeSocket hands a descriptor to systemd. FDPOLL=0 keeps it there after an error of
// the socket, such as a port of a client that is closed.
func (n Notifier) storeSocket(raw syscall.RawConn) error {
	return n.sendDescriptor(raw, "FDSTORE=1", "FDPOLL=0", "FDNAME="+socketName)
}

// barrier waits until systemd has handled everything that was sent before: it closes the
// descriptor that the message carries.
func (n Notifier) barrier() error {
	if n.socket == "" {
		return nil
	}
	read, write, err := os.Pipe()
	if err != nil {
		return err
	}
	defer read.Close()
	raw, err := write.SyscallConn()
	if err == nil {
		err = n.sendDescriptor(raw, "BARRIER=1")
	}
	err = errors.Join(err, write.Close(), read.SetReadDeadline(time.Now().Add(sendTimeout)))
	if err != nil {
		return err
	}
	if _, err := read.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		return err
	}
	return nil
}
