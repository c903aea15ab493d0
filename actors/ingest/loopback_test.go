package ingest

import (
	"context"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"
	"go.uber.org/zap"

	"butler/internal/actorkit"
	"butler/internal/journal"
	"butler/internal/udp"
	"butler/messages"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// tally is a queue that stores nothing and counts.
type tally struct {
	entries atomic.Int64
	// progress gets a word after every append.
	progress chan struct{}
}

func newTally() *tally { return &tally{progress: make(chan struct{}, 1)} }

func (q *tally) Append(entries [][]byte, done func(journal.Seq, int, error)) {
	q.entries.Add(int64(len(entries)))
	done(1, 0, nil)
	select {
	case q.progress <- struct{}{}:
	default:
	}
}

func (q *tally) Stats() journal.QueueStats { return journal.QueueStats{} }
func (q *tally) Writable() error           { return nil }

// service is the actor on a real socket, outside of any bubble.
type service struct {
	socket *udp.Socket
	conn   *net.UDPConn
	stop   func() messages.IngestSnapshot
}

func serve(t testing.TB, queue Queue, rules Rules) *service {
	t.Helper()
	kit := actorkit.New(zap.NewNop(), nil)
	s := &service{}
	listening := make(chan struct{})
	opts := &Options{
		Kit: kit, Log: zap.NewNop(), Metrics: NewMetrics(prometheus.NewRegistry()), Queue: queue, Rules: rules,
		Listen: func(ctx context.Context) (Socket, error) {
			socket, err := udp.Listen(ctx, udp.ListenOptions{Host: "127.0.0.1", MaxMessageSize: rules.MaxMessageSize})
			s.socket = socket
			close(listening)
			return socket, err
		},
	}
	pid, err := kit.System.Root.SpawnNamed(opts.Props(), "ingest")
	if err != nil {
		t.Fatal(err)
	}
	<-listening
	s.conn, err = net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(s.socket.Addr()))
	if err != nil {
		t.Fatal(err)
	}
	s.stop = func() messages.IngestSnapshot {
		s.conn.Close()
		replies := make(chan any, 1)
		ask := func(question func(messages.Ref) any) any {
			kit.System.Root.Send(pid, question(kit.Expect(func(reply any) bool { replies <- reply; return true })))
			return <-replies
		}
		ask(func(to messages.Ref) any { return messages.CloseIntake{ReplyTo: to} })
		reply := ask(func(to messages.Ref) any { return messages.InspectIngest{ReplyTo: to} })
		kit.System.Root.Stop(pid)
		return reply.(messages.InspectIngestReply).Ingest
	}
	return s
}

// TestIngest_dropsNothingOfABurst: of 20,000 events at once, every one that the
// kernel could hold is journalled, and those it could not are counted.
func TestIngest_dropsNothingOfABurst(t *testing.T) {
	const burst = 20000
	queue := newTally()
	s := serve(t, queue, rules())
	for range burst {
		if _, err := s.conn.Write([]byte(good)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.conn.Write(make([]byte, 5000)); err != nil {
		t.Fatal(err)
	}
	for deadline := time.After(20 * time.Second); queue.entries.Load()+int64(s.socket.Dropped()) < burst; {
		select {
		case <-queue.progress:
		case <-deadline:
			t.Fatalf("%d stored, %d dropped by the kernel of %d", queue.entries.Load(), s.socket.Dropped(), burst)
		}
	}
	got := s.stop()
	if got.Stored+got.KernelDropped < burst || got.Stored != uint64(queue.entries.Load()) {
		t.Errorf("%d stored, %d dropped by the kernel of %d", got.Stored, got.KernelDropped, burst)
	}
	if got.DroppedQueueFull+got.DroppedRateLimit+got.Failed != 0 {
		t.Errorf("events were refused: %+v", got)
	}
	t.Logf("stored %d, kernel dropped %d", got.Stored, got.KernelDropped)
}

func TestIngest_refusesAnOversizeDatagramFromTheWire(t *testing.T) {
	queue := newTally()
	s := serve(t, queue, rules())
	for _, size := range []int{1001, 65507} {
		if _, err := s.conn.Write(make([]byte, size)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.conn.Write([]byte(good)); err != nil {
		t.Fatal(err)
	}
	<-queue.progress
	if got := s.stop(); got.DroppedSize != 2 || got.Stored != 1 {
		t.Errorf("%d refused for their size, %d stored, want 2 and 1", got.DroppedSize, got.Stored)
	}
}
