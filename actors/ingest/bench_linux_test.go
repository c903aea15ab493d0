package ingest

import (
	"bytes"
	"net"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"butler/internal/udp"
)

// segments is how many datagrams one call sends.
const segments = 64

// flood sends n datagrams as fast as socket's reader takes them, as counted in
// taken: never more than a buffer's worth ahead, so that none is lost. The kernel cuts every write into
// segments datagrams, so that sending costs a fraction of receiving.
func flood(b *testing.B, conn *net.UDPConn, n int, taken *atomic.Int64, socket *udp.Socket) {
	b.Helper()
	raw, err := conn.SyscallConn()
	if err != nil {
		b.Fatal(err)
	}
	event := []byte(good + strings.Repeat(" ", 330-len(good)))
	if control := raw.Control(func(fd uintptr) {
		err = unix.SetsockoptInt(int(fd), unix.IPPROTO_UDP, unix.UDP_SEGMENT, len(event))
	}); control != nil || err != nil {
		b.Fatal(control, err)
	}
	burst := bytes.Repeat(event, segments)
	for sent := 0; sent < n; sent += segments {
		await(taken, socket, sent-4096)
		if _, err := conn.Write(burst); err != nil {
			b.Fatal(err)
		}
	}
	await(taken, socket, n)
}

// await returns when n datagrams are taken, or lost, which is looked at now and then.
func await(taken *atomic.Int64, socket *udp.Socket, n int) {
	for spins := 0; int(taken.Load()) < n; spins++ {
		if spins%10000 == 9999 && int(taken.Load())+int(socket.Dropped()) >= n {
			return
		}
		runtime.Gosched()
	}
}

// bare measures a receiver that reads batches and counts them, in datagrams a second.
func bare(b *testing.B, n int) float64 {
	b.Helper()
	socket, err := udp.Listen(b.Context(), udp.ListenOptions{Host: "127.0.0.1"})
	if err != nil {
		b.Fatal(err)
	}
	conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(socket.Addr()))
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
	defer socket.Close()
	queue := newTally()
	go func() {
		for {
			batch, err := socket.ReadBatch()
			if err != nil {
				return
			}
			queue.entries.Add(int64(len(batch)))
		}
	}()
	begin := time.Now()
	flood(b, conn, n, &queue.entries, socket)
	return float64(n) / time.Since(begin).Seconds()
}

// BenchmarkIngest measures the way from the socket to the append, with a journal
// that takes no time, and in the same run a receiver that does nothing but read.
func BenchmarkIngest(b *testing.B) {
	reference := bare(b, max(b.N, 100*segments)/segments*segments)
	queue := newTally()
	s := serve(b, queue, Rules{MaxMessageSize: udp.LargestPayload, QueueSize: 200, BackpressureThreshold: 80})
	n := (b.N + segments - 1) / segments * segments
	b.ReportAllocs()
	b.ResetTimer()
	flood(b, s.conn, n, &queue.entries, s.socket)
	b.StopTimer()
	rate := float64(n) / b.Elapsed().Seconds()
	b.ReportMetric(rate, "events/s")
	b.ReportMetric(rate/reference, "of_bare")
	if got := s.stop(); got.KernelDropped > 0 {
		b.Logf("the kernel dropped %d of %d", got.KernelDropped, n)
	}
}
