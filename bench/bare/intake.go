package bare

import (
	"context"
	"fmt"
	"net/netip"
	"sync/atomic"

	"go.uber.org/zap"

	"butler/actors/ingest"
	"butler/internal/actorkit"
	"butler/internal/buildinfo"
	"butler/internal/journal"
	"butler/internal/journal/jetstream"
	"butler/internal/metrics"
	"butler/internal/udp"
)

// intake is the path from the socket to the durable journal, without what follows. It
// fills a journal as the service does.
type intake struct {
	address netip.AddrPort
	stored  atomic.Int64
	close   func()
}

// countingQueue counts the entries that have become durable.
type countingQueue struct {
	*journal.Queue
	stored *atomic.Int64
}

// Append implements ingest.Queue.
func (q countingQueue) Append(entries [][]byte, done func(journal.Seq, int, error)) {
	q.Queue.Append(entries, func(seq journal.Seq, base int, err error) {
		if err == nil {
			q.stored.Add(int64(len(entries)))
		}
		done(seq, base, err)
	})
}

// openIntake starts the ingest actor with an embedded, synchronously written journal in a
// directory. Closing the intake keeps the directory.
func openIntake(directory string) (*intake, error) {
	ctx := context.Background()
	store, err := jetstream.Open(ctx, jetstream.Options{Dir: directory})
	if err != nil {
		return nil, err
	}
	queue, ledger, err := openQueue(ctx, store)
	if err != nil {
		return nil, err
	}
	in := &intake{}
	kit := actorkit.New(zap.NewNop(), nil)
	listening := make(chan netip.AddrPort, 1)
	options := &ingest.Options{
		Kit: kit, Log: zap.NewNop(), Metrics: ingest.NewMetrics(metrics.New(buildinfo.Read())),
		Queue: countingQueue{queue, &in.stored}, ReceiveBuffer: receiveBuffer,
		Rules: ingest.Rules{MaxMessageSize: 65_507, QueueSize: 1 << 30, BackpressureThreshold: 100},
		Listen: func(ctx context.Context) (ingest.Socket, error) {
			return udp.Listen(ctx, udp.ListenOptions{Host: "127.0.0.1", ReceiveBuffer: receiveBuffer})
		},
		OnListening: func(s ingest.Socket) { listening <- s.Addr() },
	}
	pid := kit.System.Root.Spawn(options.Props())
	in.address = <-listening
	in.close = func() {
		_ = kit.System.Root.StopFuture(pid).Wait()
		_ = queue.Close(ctx)
		_ = ledger.Close(ctx)
		_ = store.Close()
	}
	return in, nil
}

func openQueue(ctx context.Context, store journal.Store) (*journal.Queue, *journal.Ledger, error) {
	state, err := store.Open(ctx, "ledger", journal.Limits{})
	if err != nil {
		return nil, nil, fmt.Errorf("open the ledger: %w", err)
	}
	ledger, err := journal.OpenLedger(ctx, state, journal.LedgerOptions{})
	if err != nil {
		return nil, nil, fmt.Errorf("read the ledger: %w", err)
	}
	events, err := store.Open(ctx, "events", journal.Limits{})
	if err != nil {
		return nil, nil, fmt.Errorf("open the events log: %w", err)
	}
	queue, err := journal.OpenQueue(ctx, "events", events, ledger, journal.QueueOptions{})
	return queue, ledger, err
}

// count returns how many events are durable.
func (i *intake) count() int { return int(i.stored.Load()) }
