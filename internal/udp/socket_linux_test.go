package udp

import (
	"bytes"
	"errors"
	"net"
	"testing"

	"golang.org/x/sys/unix"
)

// sendTogether sends datagrams of one size, of which the last may be smaller, in
// one call: a reader with UDP GRO gets them in one piece.
func sendTogether(t testing.TB, conn *net.UDPConn, size int, together []byte) {
	t.Helper()
	raw, err := conn.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	segment := func(size int) {
		if control := raw.Control(func(fd uintptr) {
			err = unix.SetsockoptInt(int(fd), unix.IPPROTO_UDP, unix.UDP_SEGMENT, size)
		}); control != nil || err != nil {
			t.Fatal(control, err)
		}
	}
	segment(size)
	send(t, conn, together)
	segment(0)
}

// numbered returns n datagrams of a size, one behind the other, each filled with its number.
func numbered(n, size int) []byte {
	var out []byte
	for i := range n {
		out = append(out, bytes.Repeat([]byte{byte(i)}, size)...)
	}
	return out
}

func TestSocket_takesApartWhatCameTogether(t *testing.T) {
	socket := listen(t, ListenOptions{MaxMessageSize: 1000})
	conn := dial(t, socket.Addr())
	var want [][]byte
	together := func(size int, bytes []byte) {
		sendTogether(t, conn, size, bytes)
		for ; len(bytes) > size; bytes = bytes[size:] {
			want = append(want, bytes[:size])
		}
		want = append(want, bytes)
	}
	together(300, append(numbered(40, 300), "the last is shorter"...))
	send(t, conn, []byte("one by itself"))
	want = append(want, []byte("one by itself"))
	together(1, numbered(60, 1))
	together(1200, numbered(5, 1200)) // more than is handed out
	send(t, conn, nil)
	want = append(want, nil)
	for range 5 {
		together(330, numbered(60, 330))
	}
	got := receive(t, socket, len(want))
	if len(got) != len(want) {
		t.Fatalf("want %d datagrams, got %d", len(want), len(got))
	}
	for i, d := range got {
		if !bytes.Equal(d.Payload, want[i][:min(len(want[i]), 1000)]) || d.Size != len(want[i]) {
			t.Fatalf("datagram %d: got %d of %d bytes %.20q, want %.20q", i, len(d.Payload), d.Size, d.Payload, want[i])
		}
		if d.Source != conn.LocalAddr().(*net.UDPAddr).AddrPort() {
			t.Fatalf("datagram %d is from %v", i, d.Source)
		}
		if i > 0 && !d.At.After(got[i-1].At) {
			t.Fatalf("datagram %d is no later than the one before", i)
		}
	}
}

func TestSocket_handsOutWhatItHasReadAfterItIsClosed(t *testing.T) {
	const sent = 3 * BatchSize
	socket := listen(t, ListenOptions{})
	conn := dial(t, socket.Addr())
	for range 6 {
		sendTogether(t, conn, 100, numbered(sent/6, 100))
	}
	got := len(receive(t, socket, 1))
	socket.Close()
	for {
		batch, err := socket.ReadBatch()
		if err != nil {
			if !errors.Is(err, net.ErrClosed) {
				t.Error(err)
			}
			break
		}
		got += len(batch)
	}
	if got != sent {
		t.Errorf("want all %d datagrams that were read, got %d", sent, got)
	}
}

// The kernel counts what it has put together as one.
func TestSocket_countsWhatTheKernelDropsTogetherOnce(t *testing.T) {
	const sent, each = 20, 50
	socket := listen(t, ListenOptions{ReceiveBuffer: 64 << 10})
	conn := dial(t, socket.Addr())
	for range sent {
		sendTogether(t, conn, 1000, numbered(each, 1000))
	}
	dropped := int(socket.Dropped())
	if dropped == 0 || dropped >= sent {
		t.Fatalf("%d of %d are dropped", dropped, sent)
	}
	receive(t, socket, each*(sent-dropped))
}
