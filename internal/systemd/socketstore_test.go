//go:build unix

package systemd_test

import (
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"butler/internal/systemd"
)

// manager is systemd as far as messages with descriptors go.
type manager struct {
	t      *testing.T
	socket *net.UnixConn
	store  *systemd.SocketStore
}

func newManager(t *testing.T) *manager {
	t.Helper()
	path, socket := listenAt(t)
	return &manager{t: t, socket: socket, store: systemd.NewSocketStore(systemd.New(path), "", "")}
}

// next returns the next message, and the file that it carries, if any.
func (m *manager) next() (string, *os.File) {
	m.t.Helper()
	must(m.t, m.socket.SetReadDeadline(time.Now().Add(10*time.Second)))
	message, control := make([]byte, 4096), make([]byte, 256)
	n, carried, _, _, err := m.socket.ReadMsgUnix(message, control)
	must(m.t, err)
	parsed, err := syscall.ParseSocketControlMessage(control[:carried])
	must(m.t, err)
	if len(parsed) == 0 {
		return string(message[:n]), nil
	}
	descriptors, err := syscall.ParseUnixRights(&parsed[0])
	must(m.t, err)
	if len(descriptors) != 1 {
		m.t.Fatalf("want one descriptor, got %d", len(descriptors))
	}
	return string(message[:n]), os.NewFile(uintptr(descriptors[0]), "carried")
}

func (m *manager) hears(want string) *os.File {
	m.t.Helper()
	got, file := m.next()
	if got != want {
		m.t.Fatalf("want %q, got %q", want, got)
	}
	return file
}

const stored, removed = "FDSTORE=1\nFDPOLL=0\nFDNAME=udp", "FDSTOREREMOVE=1\nFDNAME=udp"

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func udpSocket(t *testing.T) *net.UDPConn {
	t.Helper()
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	must(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func TestSocketStore_keepsASocketOpen(t *testing.T) {
	m, socket := newManager(t), udpSocket(t)
	must(t, m.store.Keep(socket))
	file := m.hears(stored)
	must(t, socket.Close())

	sender, err := net.DialUDP("udp4", nil, socket.LocalAddr().(*net.UDPAddr))
	must(t, err)
	defer sender.Close()
	_, err = sender.Write([]byte("event"))
	must(t, err)
	kept, err := net.FilePacketConn(file)
	must(t, err)
	defer kept.Close()
	must(t, file.Close())
	must(t, kept.SetReadDeadline(time.Now().Add(10*time.Second)))
	buffer := make([]byte, 100)
	n, _, err := kept.ReadFrom(buffer)
	if err != nil || string(buffer[:n]) != "event" {
		t.Errorf("want the datagram at the kept socket, got %q, %v", buffer[:n], err)
	}
}

func TestSocketStore_keepsOnlyTheLastSocket(t *testing.T) {
	m := newManager(t)
	must(t, m.store.Keep(udpSocket(t)))
	_ = m.hears(stored).Close()
	must(t, m.store.Keep(udpSocket(t)))
	m.hears(removed)
	_ = m.hears(stored).Close()
}

func TestSocketStore_releasesOnlyAClosedSocket(t *testing.T) {
	m, socket := newManager(t), udpSocket(t)
	if released, err := m.store.Release(); released || err != nil {
		t.Errorf("want nothing to release, got %v, %v", released, err)
	}
	must(t, m.store.Keep(socket))
	_ = m.hears(stored).Close()
	if released, err := m.store.Release(); released || err != nil {
		t.Errorf("want a socket in use kept, got %v, %v", released, err)
	}
	must(t, socket.Close())

	ended := make(chan error, 1)
	go func() {
		released, err := m.store.Release()
		if !released {
			t.Error("want the closed socket released")
		}
		ended <- err
	}()
	m.hears(removed)
	barrier := m.hears("BARRIER=1")
	select {
	case err := <-ended:
		t.Errorf("want a wait for systemd, got %v", err)
	default:
	}
	must(t, barrier.Close())
	must(t, <-ended)
	if released, err := m.store.Release(); released || err != nil {
		t.Errorf("want nothing left to release, got %v, %v", released, err)
	}
}

func TestSocketStore_takesNothingThatIsForAnotherProcess(t *testing.T) {
	for name, row := range map[string]struct{ pid, sockets string }{
		"no systemd":      {"", ""},
		"another process": {"1", "1"},
		"no number":       {"", "two"},
	} {
		if conn := systemd.NewSocketStore(systemd.Notifier{}, row.pid, row.sockets).Take(); conn != nil {
			t.Errorf("%s: want no socket, got %s", name, conn.LocalAddr())
		}
	}
}

func TestSocketStore_isSilentWithoutSystemd(t *testing.T) {
	store, socket := systemd.NewSocketStore(systemd.Notifier{}, "", ""), udpSocket(t)
	must(t, store.Keep(socket))
	must(t, socket.Close())
	if _, err := store.Release(); err != nil {
		t.Error(err)
	}
}
