package udp

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"butler/messages"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func listen(t testing.TB, opts ListenOptions) *Socket {
	t.Helper()
	if opts.Host == "" {
		opts.Host = "127.0.0.1"
	}
	socket, err := Listen(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { socket.Close() })
	return socket
}

func dial(t testing.TB, to netip.AddrPort) *net.UDPConn {
	t.Helper()
	conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(to))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

func send(t testing.TB, conn *net.UDPConn, payload []byte) {
	t.Helper()
	if _, err := conn.Write(payload); err != nil {
		t.Fatal(err)
	}
}

// receive reads until n datagrams are there.
func receive(t testing.TB, socket *Socket, n int) []messages.Datagram {
	t.Helper()
	var out []messages.Datagram
	for len(out) < n {
		batch, err := socket.ReadBatch()
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, batch...)
	}
	return out
}

func TestSocket_handsOutWhatWasSent(t *testing.T) {
	socket := listen(t, ListenOptions{})
	conn := dial(t, socket.Addr())
	before := time.Now()
	payloads := [][]byte{[]byte("first"), {}, []byte("second \x00\xff"), bytes.Repeat([]byte("x"), 9000)}
	for _, payload := range payloads {
		send(t, conn, payload)
	}
	got := receive(t, socket, len(payloads))
	for i, d := range got {
		if !bytes.Equal(d.Payload, payloads[i]) || d.Size != len(payloads[i]) || d.Truncated() {
			t.Errorf("datagram %d: %d of %d bytes, want %d", i, len(d.Payload), d.Size, len(payloads[i]))
		}
		if want := conn.LocalAddr().(*net.UDPAddr).AddrPort(); d.Source != want {
			t.Errorf("datagram %d is from %v, want %v", i, d.Source, want)
		}
		if d.At.Before(before) || d.At.After(time.Now()) {
			t.Errorf("datagram %d was read at %v", i, d.At)
		}
	}
}

func TestSocket_givesWhatWaitedTogetherDifferentTimes(t *testing.T) {
	const waiting = 3*BatchSize + 1
	socket := listen(t, ListenOptions{})
	conn := dial(t, socket.Addr())
	for range waiting {
		send(t, conn, []byte("x"))
	}
	seen := map[int64]bool{}
	for _, d := range receive(t, socket, waiting) {
		seen[d.At.UnixMicro()] = true
	}
	if len(seen) != waiting {
		t.Errorf("%d datagrams share %d microseconds", waiting, len(seen))
	}
}

func TestSocket_batchesShareNoMemory(t *testing.T) {
	socket := listen(t, ListenOptions{})
	conn := dial(t, socket.Addr())
	send(t, conn, []byte("first"))
	first := receive(t, socket, 1)
	send(t, conn, []byte("other"))
	receive(t, socket, 1)
	if got := string(first[0].Payload); got != "first" {
		t.Errorf("the next read changed %q", got)
	}
	if cap(first[0].Payload) != len(first[0].Payload) {
		t.Error("appending to a payload would overwrite its neighbour")
	}
}

func TestSocket_tellsWhatIsTooLarge(t *testing.T) {
	socket := listen(t, ListenOptions{MaxMessageSize: 100})
	conn := dial(t, socket.Addr())
	for _, size := range []int{100, 101, LargestPayload} {
		send(t, conn, bytes.Repeat([]byte("x"), size))
	}
	for i, d := range receive(t, socket, 3) {
		if want := []int{100, 101, LargestPayload}[i]; d.Size != want || len(d.Payload) != 100 || d.Truncated() != (want > 100) {
			t.Errorf("datagram %d: %d of %d bytes, want 100 of %d", i, len(d.Payload), d.Size, want)
		}
	}
}

func TestSocket_takesTheLargestDatagramByDefault(t *testing.T) {
	socket := listen(t, ListenOptions{})
	conn := dial(t, socket.Addr())
	send(t, conn, bytes.Repeat([]byte("x"), LargestPayload))
	if d := receive(t, socket, 1)[0]; len(d.Payload) != LargestPayload || d.Truncated() {
		t.Errorf("%d bytes of %d", len(d.Payload), d.Size)
	}
}

func TestSocket_listensOnEveryKindOfHost(t *testing.T) {
	for host, target := range map[string]string{
		"127.0.0.1": "127.0.0.1", "localhost": "", "0.0.0.0": "127.0.0.1", "::1": "::1", "::": "127.0.0.1",
	} {
		t.Run(host, func(t *testing.T) {
			if strings.Contains(host, ":") {
				if probe, err := net.ListenPacket("udp6", "[::1]:0"); err != nil {
					t.Logf("no IPv6 on this machine: %v", err)
					return
				} else {
					probe.Close()
				}
			}
			socket := listen(t, ListenOptions{Host: host})
			to := socket.Addr()
			if target != "" {
				to = netip.AddrPortFrom(netip.MustParseAddr(target), to.Port())
			}
			send(t, dial(t, to), []byte("x"))
			if got := receive(t, socket, 1)[0].Source.Addr(); got.Is4In6() || !got.IsLoopback() {
				t.Errorf("source is %v, want a plain loopback address", got)
			}
		})
	}
}

func TestListen_namesTheAddressThatFails(t *testing.T) {
	socket := listen(t, ListenOptions{})
	_, err := Listen(t.Context(), ListenOptions{Host: "127.0.0.1", Port: int(socket.Addr().Port())})
	if err == nil || !strings.Contains(err.Error(), socket.Addr().String()) {
		t.Errorf("a port that is taken gives %v, want an error with %v", err, socket.Addr())
	}
	for _, host := range []string{"192.0.2.1", "no such host", "host.invalid"} {
		if _, err := Listen(t.Context(), ListenOptions{Host: host}); err == nil || !strings.Contains(err.Error(), host) {
			t.Errorf("host %s gives %v", host, err)
		}
	}
}

func TestSocket_closeEndsARead(t *testing.T) {
	socket := listen(t, ListenOptions{})
	failed := make(chan error)
	go func() {
		_, err := socket.ReadBatch()
		failed <- err
	}()
	socket.Close()
	if err := <-failed; !errors.Is(err, net.ErrClosed) {
		t.Errorf("got %v, want net.ErrClosed", err)
	}
	if got := socket.Dropped(); got != 0 {
		t.Errorf("a closed socket counts %d drops", got)
	}
}

func TestSocket_reportsTheBufferItReallyHas(t *testing.T) {
	small := listen(t, ListenOptions{ReceiveBuffer: 64 << 10})
	if got := small.ReceiveBuffer(); got != 64<<10 {
		t.Errorf("asked for 64 KiB, granted %d", got)
	}
	large := listen(t, ListenOptions{})
	if got := large.ReceiveBuffer(); got <= 64<<10 || got > DefaultReceiveBuffer {
		t.Errorf("asked for %d, granted %d", DefaultReceiveBuffer, got)
	}
}

func TestSocket_countsWhatTheKernelDrops(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Log("only Linux counts")
		return
	}
	socket := listen(t, ListenOptions{ReceiveBuffer: 4 << 10})
	conn := dial(t, socket.Addr())
	const sent = 500
	for range sent {
		send(t, conn, bytes.Repeat([]byte("x"), 1000))
	}
	dropped := socket.Dropped()
	if dropped == 0 || dropped >= sent {
		t.Fatalf("%d of %d are dropped", dropped, sent)
	}
	receive(t, socket, sent-int(dropped))
	if again := socket.Dropped(); again != dropped {
		t.Errorf("the count moved from %d to %d without a loss", dropped, again)
	}
}

// TestSocket_accountsForEveryDatagramOfABurst: whatever the kernel could not
// hold is counted, and everything else is handed out, in order.
func TestSocket_accountsForEveryDatagramOfABurst(t *testing.T) {
	const burst = 20000
	socket := listen(t, ListenOptions{})
	conn := dial(t, socket.Addr())
	ended := make(chan struct{})
	defer close(ended)
	go func() {
		for i := range burst {
			conn.Write(fmt.Appendf(nil, "%d", i))
		}
		for {
			select {
			case <-ended:
				return
			default:
				conn.Write([]byte("end"))
			}
		}
	}()
	seen, last := 0, -1
	for {
		for _, d := range receive(t, socket, 1) {
			if string(d.Payload) == "end" {
				if lost := burst - seen; uint64(lost) > socket.Dropped() {
					t.Errorf("%d of %d are missing, the kernel dropped %d", lost, burst, socket.Dropped())
				}
				t.Logf("read %d of %d", seen, burst)
				return
			}
			number, err := strconv.Atoi(string(d.Payload))
			if err != nil || number <= last {
				t.Fatalf("%q came after %d", d.Payload, last)
			}
			seen, last = seen+1, number
		}
	}
}

func TestAdopt_takesOverASocketWithWhatWaitsInIt(t *testing.T) {
	former := listen(t, ListenOptions{})
	send(t, dial(t, former.Addr()), []byte("event"))
	socket, err := Adopt(t.Context(), former.conn, ListenOptions{Host: "localhost", Port: int(former.Addr().Port())})
	if err != nil {
		t.Fatal(err)
	}
	if got := receive(t, socket, 1); string(got[0].Payload) != "event" {
		t.Errorf("want the datagram from before, got %q", got[0].Payload)
	}
}

func TestAdopt_refusesASocketAtAnotherAddress(t *testing.T) {
	for name, opts := range map[string]func(port int) ListenOptions{
		"port": func(port int) ListenOptions { return ListenOptions{Host: "127.0.0.1", Port: port ^ 1} },
		"host": func(port int) ListenOptions { return ListenOptions{Host: "127.0.0.2", Port: port} },
		"all":  func(port int) ListenOptions { return ListenOptions{Port: port} },
		"IPv6": func(port int) ListenOptions { return ListenOptions{Host: "::1", Port: port} },
	} {
		former := listen(t, ListenOptions{})
		if _, err := Adopt(t.Context(), former.conn, opts(int(former.Addr().Port()))); err == nil {
			t.Errorf("%s: want it refused", name)
		}
		if _, err := former.ReadBatch(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("%s: want it closed, got %v", name, err)
		}
	}
}
