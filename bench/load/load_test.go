package load_test

import (
	"bytes"
	"context"
	"net"
	"net/netip"
	"testing"
	"time"

	"butler/bench/load"
)

// listen returns a socket that only the test reads.
func listen(t *testing.T) *net.UDPConn {
	t.Helper()
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

func addr(c *net.UDPConn) netip.AddrPort { return c.LocalAddr().(*net.UDPAddr).AddrPort() }

func TestLoad_sendsEveryDatagramOnceAndInOrder(t *testing.T) {
	for name, test := range map[string]struct {
		rate     float64
		prepared bool
	}{"one by one": {2000, false}, "in bursts": {50_000, false}, "prepared": {50_000, true}} {
		t.Run(name, func(t *testing.T) {
			to := listen(t)
			const count = 100
			next := 0
			l := load.Load{
				Rate: test.rate, Count: count, Size: 3, Prepared: test.prepared,
				Append: func(b []byte, n int) []byte { return append(b, 'a', byte(n), 'z') },
				Sent: func(from, until int, _ time.Time) {
					if from != next || until <= from {
						t.Errorf("want %d to leave next, got %d to %d", next, from, until)
					}
					next = until
				},
			}
			report, err := l.Send(t.Context(), addr(to))
			if err != nil || report.Sent != count || next != count {
				t.Fatalf("want %d sent, got %+v, %v", count, report, err)
			}
			got := make([]byte, 64)
			for n := range count {
				if err := to.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
					t.Fatal(err)
				}
				size, err := to.Read(got)
				if want := []byte{'a', byte(n), 'z'}; err != nil || !bytes.Equal(got[:size], want) {
					t.Fatalf("want %v, got %v, %v", want, got[:size], err)
				}
			}
		})
	}
}

func TestLoad_takesItsTimeWhateverTheReceiverDoes(t *testing.T) {
	flood := load.Flood(1000, 200, 0)
	report, err := flood.Send(t.Context(), addr(listen(t)))
	if err != nil || report.Took < 190*time.Millisecond {
		t.Errorf("want 200 datagrams at 1,000/s in about 0.2 s, got %+v, %v", report, err)
	}
}

func TestLoad_goesOnWhileNobodyListens(t *testing.T) {
	gone := listen(t)
	to := addr(gone)
	gone.Close()
	flood := load.Flood(10_000, 200, 0)
	report, err := flood.Send(t.Context(), to)
	if err != nil || report.Sent != 200 || report.Refused < 50 || report.Refused > 200 {
		t.Errorf("want all sent and most known to be refused, got %+v, %v", report, err)
	}
}

func TestLoad_endsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	flood := load.Flood(1, 100, 0)
	if report, err := flood.Send(ctx, addr(listen(t))); err == nil || report.Sent > 3 {
		t.Errorf("want it ended, got %+v, %v", report, err)
	}
}

func TestFlood_differsByExecutionAlone(t *testing.T) {
	a, b := load.Flood(1, 10, 0), load.Flood(1, 10, 10)
	if bytes.Equal(a.Append(nil, 0), b.Append(nil, 0)) || a.Size != len(a.Append(nil, 9)) || a.Size < 300 {
		t.Errorf("want events of one realistic size with executions of their own, size %d", a.Size)
	}
}
