package udp

import (
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// message is the kernel's struct mmsghdr; the compiler pads it as C does.
type message struct {
	header unix.Msghdr
	length uint32
}

// sizeOfSegment is the control data of a message into which the kernel has coalesced
// several datagrams (UDP GRO): their size. The last one may be smaller.
type sizeOfSegment struct {
	header unix.Cmsghdr
	size   int32
	_      int32
}

// platformBatch holds the structures for recvmmsg. The kernel writes into memory that
// their headers point to, so a batch must be on the heap and must not be copied.
//
// A message is one datagram, or several of one sender that the kernel has coalesced.
// Those may be handed out in more than one batch.
type platformBatch struct {
	raw      syscall.RawConn
	memory   []byte
	messages [BatchSize]message
	vectors  [BatchSize]unix.Iovec
	segments [BatchSize]sizeOfSegment
	// sources are large enough for both families.
	sources [BatchSize]unix.RawSockaddrInet6
	// received is the number of messages of the last read. Those before next are handed
	// out, and of that one the bytes before offset.
	received, next, offset int
	// receive is the method value of tryReceive, kept so that a read does not allocate.
	receive func(fd uintptr) bool
	errno   syscall.Errno
}

func newBatch(_ *net.UDPConn, raw syscall.RawConn) *batch {
	b := &batch{platformBatch: platformBatch{raw: raw, memory: make([]byte, BatchSize*slotSize)}}
	b.receive = b.tryReceive
	for i := range b.messages {
		b.vectors[i].Base = &b.room(i)[0]
		b.vectors[i].SetLen(slotSize)
		header := &b.messages[i].header
		header.Iov = &b.vectors[i]
		header.SetIovlen(1)
		header.Name = (*byte)(unsafe.Pointer(&b.sources[i]))
		header.Control = (*byte)(unsafe.Pointer(&b.segments[i]))
	}
	// A kernel without GRO hands out each datagram by itself.
	_ = raw.Control(func(fd uintptr) { _ = unix.SetsockoptInt(int(fd), unix.IPPROTO_UDP, unix.UDP_GRO, 1) })
	return b
}

func (b *platformBatch) room(i int) []byte { return b.memory[i*slotSize : (i+1)*slotSize] }

// read fills the batch with the rest of the last read, or else with the next one.
func (b *batch) read() error {
	b.count = 0
	if b.next == b.received {
		if err := b.receiveMessages(); err != nil {
			return err
		}
	}
	b.at = time.Now()
	for ; b.next < b.received; b.next, b.offset = b.next+1, 0 {
		if !b.handOut(b.next) {
			break
		}
	}
	return nil
}

// handOut adds what is left of a message to the batch, and reports whether that was all of it.
func (b *batch) handOut(i int) bool {
	size, source := int(b.messages[i].length), addrPort(&b.sources[i])
	for {
		if b.count == BatchSize {
			return false
		}
		end := min(b.offset+b.sizeOf(i), size)
		b.add(b.room(i)[min(b.offset, slotSize):min(end, slotSize)], end-b.offset, source)
		if b.offset = end; end == size {
			return true
		}
	}
}

// sizeOf returns the size of the datagrams of a message.
func (b *platformBatch) sizeOf(i int) int {
	s := &b.segments[i]
	told := uintptr(b.messages[i].header.Controllen) >= unsafe.Offsetof(s.size)+unsafe.Sizeof(s.size)
	if told && s.header.Level == unix.SOL_UDP && s.header.Type == unix.UDP_GRO && s.size > 0 {
		return int(s.size)
	}
	return int(b.messages[i].length)
}

// receiveMessages waits for messages.
func (b *platformBatch) receiveMessages() error {
	b.received, b.next, b.offset, b.errno = 0, 0, 0, 0
	if err := b.raw.Read(b.receive); err != nil {
		return err
	}
	if b.errno != 0 {
		return os.NewSyscallError("recvmmsg", b.errno)
	}
	return nil
}

// tryReceive makes one attempt and reports false when there is nothing to read yet.
func (b *platformBatch) tryReceive(fd uintptr) bool {
	for i := range b.messages {
		// The kernel has overwritten them.
		b.messages[i].header.Namelen = unix.SizeofSockaddrInet6
		b.messages[i].header.SetControllen(int(unsafe.Sizeof(b.segments[i])))
	}
	for {
		// MSG_TRUNC makes the kernel tell the true length of what does not fit.
		n, _, errno := unix.Syscall6(unix.SYS_RECVMMSG, fd, uintptr(unsafe.Pointer(&b.messages[0])),
			BatchSize, unix.MSG_DONTWAIT|unix.MSG_TRUNC, 0, 0)
		switch errno {
		case unix.EINTR:
			continue
		case unix.EAGAIN:
			return false
		}
		b.errno = errno
		if errno == 0 {
			b.received = int(n)
		}
		return true
	}
}

// addrPort decodes a source address, without the scope of an IPv6 address.
func addrPort(source *unix.RawSockaddrInet6) netip.AddrPort {
	port := (*[2]byte)(unsafe.Pointer(&source.Port))
	addr := netip.AddrFrom16(source.Addr)
	if source.Family == unix.AF_INET {
		addr = netip.AddrFrom4((*unix.RawSockaddrInet4)(unsafe.Pointer(source)).Addr)
	}
	return netip.AddrPortFrom(addr.Unmap(), uint16(port[0])<<8|uint16(port[1]))
}

// growReceiveBuffer asks for wanted bytes, beyond the system's limit if the process may,
// and returns what was granted.
func growReceiveBuffer(_ *net.UDPConn, raw syscall.RawConn, wanted int) (granted int, err error) {
	control := raw.Control(func(fd uintptr) {
		if unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, wanted) != nil {
			err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF, wanted)
		}
		if err != nil {
			return
		}
		granted, err = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF)
	})
	if control != nil {
		return 0, control
	}
	// Linux doubles the number for its own bookkeeping, and reports the doubled one.
	return granted / 2, err
}

// dropCounter reads the kernel's count of datagrams that found the buffer full.
type dropCounter struct {
	raw  syscall.RawConn
	mu   sync.Mutex
	last uint32
	sum  uint64
}

// The socket's memory statistics (SO_MEMINFO) are nine numbers; drops is the last.
const (
	memInfoNumbers = 9
	memInfoDrops   = 8
)

// begin counts from now on.
func (c *dropCounter) begin() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last, _ = c.readLocked()
}

func (c *dropCounter) total() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now, ok := c.readLocked(); ok {
		// The kernel's counter has 32 bits and wraps.
		c.sum += uint64(now - c.last)
		c.last = now
	}
	return c.sum
}

func (c *dropCounter) readLocked() (drops uint32, ok bool) {
	var info [memInfoNumbers]uint32
	size := uint32(unsafe.Sizeof(info))
	err := c.raw.Control(func(fd uintptr) {
		_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, fd, unix.SOL_SOCKET, unix.SO_MEMINFO,
			uintptr(unsafe.Pointer(&info)), uintptr(unsafe.Pointer(&size)), 0)
		ok = errno == 0 && uintptr(size) == unsafe.Sizeof(info)
	})
	return info[memInfoDrops], err == nil && ok
}

// exclusive does nothing: on Linux two sockets share a port only if both ask for it.
func exclusive(string, string, syscall.RawConn) error { return nil }
