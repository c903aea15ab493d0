package ingest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/zap/zaptest/observer"

	"butler/internal/actorkit"
	"butler/internal/actorkit/actortest"
	"butler/internal/journal"
	"butler/internal/udp"
	"butler/messages"
)

var _ Queue = (*journal.Queue)(nil)

var (
	_ Socket  = (*udp.Socket)(nil)
	_ Sources = (*udp.AllowList)(nil)
)

// wire is a socket that reads what a test puts in.
type wire struct {
	batches chan []messages.Datagram
	broken  chan error
	closed  chan struct{}
	once    sync.Once
	// rest is what a closed socket still has.
	rest chan []messages.Datagram

	mu    sync.Mutex
	drops uint64
	reads int
}

func newWire() *wire {
	return &wire{
		batches: make(chan []messages.Datagram, 1000), rest: make(chan []messages.Datagram, 1000),
		broken: make(chan error, 1), closed: make(chan struct{}),
	}
}

func (w *wire) ReadBatch() ([]messages.Datagram, error) {
	select {
	case <-w.closed:
		select {
		case batch := <-w.rest:
			return batch, nil
		default:
			return nil, net.ErrClosed
		}
	case err := <-w.broken:
		return nil, err
	case batch := <-w.batches:
		w.mu.Lock()
		defer w.mu.Unlock()
		w.reads++
		return batch, nil
	}
}

func (w *wire) Addr() netip.AddrPort { return netip.MustParseAddrPort("10.11.12.13:9998") }
func (w *wire) ReceiveBuffer() int   { return 212992 }

func (w *wire) Dropped() uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.drops
}

func (w *wire) Close() error {
	w.once.Do(func() { close(w.closed) })
	return nil
}

func (w *wire) drop(n uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.drops = n
}

func (w *wire) read() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.reads
}

func (w *wire) isClosed() bool {
	select {
	case <-w.closed:
		return true
	default:
		return false
	}
}

// fakeQueue stores when a test says so, or at once.
type fakeQueue struct {
	mu      sync.Mutex
	hold    bool
	health  error
	waiting int
	stored  [][]byte
	open    []func(error)
}

func (q *fakeQueue) Append(entries [][]byte, done func(journal.Seq, int, error)) {
	q.mu.Lock()
	defer q.mu.Unlock()
	finish := func(err error) {
		if err == nil {
			q.stored = append(q.stored, entries...)
		}
		go done(1, 0, err)
	}
	if q.hold {
		q.open = append(q.open, finish)
		return
	}
	finish(nil)
}

func (q *fakeQueue) Stats() journal.QueueStats {
	q.mu.Lock()
	defer q.mu.Unlock()
	return journal.QueueStats{Entries: q.waiting}
}

func (q *fakeQueue) Writable() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.health
}

// finish ends n appends that are held, with err.
func (q *fakeQueue) finish(n int, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for range n {
		q.open[0](err)
		q.open = q.open[1:]
	}
}

func (q *fakeQueue) set(change func(*fakeQueue)) {
	q.mu.Lock()
	defer q.mu.Unlock()
	change(q)
}

func (q *fakeQueue) count() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.stored)
}

// keeper is a quarantine that a test can look into.
type keeper struct {
	mu   sync.Mutex
	kept []messages.QuarantinedDatagram
}

func (k *keeper) Put(d messages.QuarantinedDatagram, kept func()) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.kept = append(k.kept, d)
	kept()
}

// intake is the actor in a bubble with everything around it.
type intake struct {
	t      *testing.T
	pid    *actor.PID
	opts   *Options
	queue  *fakeQueue
	keeper *keeper
	logs   *observer.ObservedLogs
	reg    *prometheus.Registry
	probe  *actortest.Probe

	mu       sync.Mutex
	wires    []*wire
	refuse   []error
	listened []netip.AddrPort
	failures []error
}

// inBubble runs test against a started actor.
func inBubble(t *testing.T, change, test func(*intake)) {
	synctest.Test(t, func(t *testing.T) {
		kit, logs, stats := actortest.Kit(t)
		in := &intake{t: t, queue: &fakeQueue{}, keeper: &keeper{}, logs: logs, reg: prometheus.NewRegistry()}
		in.opts = &Options{
			Kit: kit, Log: kit.Log, Metrics: NewMetrics(in.reg), Queue: in.queue, Quarantine: in.keeper,
			Rules: rules(), Listen: in.listen, ReceiveBuffer: 4 << 20,
			OnListening: func(s Socket) { in.listened = append(in.listened, s.Addr()) },
			OnFailed:    func(err error) { in.failures = append(in.failures, err) },
		}
		if change != nil {
			change(in)
		}
		in.probe = actortest.Spawn(t, kit, "asker", nil)
		pid, err := kit.System.Root.SpawnNamed(in.opts.Props(), "ingest")
		if err != nil {
			t.Fatal(err)
		}
		in.pid = pid
		synctest.Wait()
		test(in)
		kit.System.Root.Stop(pid)
		kit.System.Root.Stop(in.probe.PID)
		in.sleep(2 * time.Second) // the runtime sums dead letters up for a second
		for i, w := range in.wires {
			if !w.isClosed() {
				t.Errorf("socket %d is left open", i)
			}
		}
		if bugs := stats.Bugs(); bugs != 0 {
			t.Errorf("%d panics nobody announced", bugs)
		}
	})
}

func (in *intake) listen(context.Context) (Socket, error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if len(in.refuse) > 0 {
		err := in.refuse[0]
		in.refuse = in.refuse[1:]
		return nil, err
	}
	w := newWire()
	in.wires = append(in.wires, w)
	return w, nil
}

func (in *intake) wire() *wire {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.wires[len(in.wires)-1]
}

func (in *intake) sockets() int {
	in.mu.Lock()
	defer in.mu.Unlock()
	return len(in.wires)
}

func (in *intake) receive(batch ...messages.Datagram) {
	in.wire().batches <- batch
	synctest.Wait()
}

func (in *intake) sleep(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func (in *intake) snapshot() messages.IngestSnapshot {
	in.t.Helper()
	in.opts.Kit.System.Root.Send(in.pid, messages.InspectIngest{ReplyTo: messages.Ref{Address: in.probe.PID.Address, ID: in.probe.PID.Id}})
	synctest.Wait()
	replies := actortest.Of[messages.InspectIngestReply](in.probe)
	if len(replies) == 0 {
		in.t.Fatal("no answer to InspectIngest")
	}
	return replies[len(replies)-1].Ingest
}

func (in *intake) closeIntake() {
	in.opts.Kit.System.Root.Send(in.pid, messages.CloseIntake{ReplyTo: messages.Ref{Address: in.probe.PID.Address, ID: in.probe.PID.Id}})
	synctest.Wait()
}

func (in *intake) closedReplies() int { return len(actortest.Of[messages.CloseIntakeReply](in.probe)) }

// lines returns the log lines with that message.
func (in *intake) lines(message string) []observer.LoggedEntry {
	return in.logs.FilterMessage(message).All()
}

// metric returns the sum of a family, or of its series with the label value.
func (in *intake) metric(name, label string) float64 {
	in.t.Helper()
	families, err := in.reg.Gather()
	if err != nil {
		in.t.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() != name {
			continue
		}
		var sum float64
		for _, m := range family.GetMetric() {
			if label != "" && (len(m.GetLabel()) == 0 || m.GetLabel()[0].GetValue() != label) {
				continue
			}
			sum += m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
		return sum
	}
	in.t.Fatalf("no metric %s", name)
	return 0
}

func TestIngest_journalsWhatIsAccepted(t *testing.T) {
	inBubble(t, nil, func(in *intake) {
		in.receive(batchOf(good, "nonsense", engine, good)...)
		if got := in.queue.count(); got != 2 {
			t.Errorf("%d entries are stored, want 2", got)
		}
		for name, want := range map[string]float64{
			"butler_udp_packets_received_total": 4, "butler_events_received_total": 3, "butler_events_invalid_total": 1,
			"butler_event_ingest_duration_seconds": 2, "butler_events_quarantined_total": 1, "butler_udp_receive_buffer_bytes": 212992,
		} {
			if got := in.metric(name, ""); got != want {
				t.Errorf("%s is %v, want %v", name, got, want)
			}
		}
		want := messages.IngestSnapshot{
			Listening: true, Address: "10.11.12.13:9998", Received: 4, Queued: 4, Stored: 2, Processed: 1, Failed: 1, QueueMaxSize: 200,
		}
		got := in.snapshot()
		got.At = time.Time{}
		if got != want {
			t.Errorf("snapshot\n%+v, want\n%+v", got, want)
		}
	})
}

func TestIngest_makesOneAppendOfABatch(t *testing.T) {
	inBubble(t, func(in *intake) { in.queue.hold = true }, func(in *intake) {
		in.receive(batchOf(good, good, good)...)
		if got := len(in.queue.open); got != 1 {
			t.Errorf("%d appends, want 1", got)
		}
		in.queue.finish(1, nil)
	})
}

func TestIngest_readsNoMoreThanItHasCreditFor(t *testing.T) {
	inBubble(t, func(in *intake) { in.queue.hold = true }, func(in *intake) {
		for range Credits + 10 {
			in.wire().batches <- batchOf(good)
		}
		synctest.Wait()
		if got := in.wire().read(); got != Credits {
			t.Fatalf("%d batches are read while nothing is stored, want %d", got, Credits)
		}
		in.queue.finish(3, nil)
		synctest.Wait()
		if got := in.wire().read(); got != Credits+3 {
			t.Errorf("%d batches are read after three were stored, want %d", got, Credits+3)
		}
		in.queue.finish(Credits, nil)
		synctest.Wait()
		in.queue.finish(7, nil)
		synctest.Wait()
		if got := in.queue.count(); got != Credits+10 {
			t.Errorf("%d are stored, want all %d", got, Credits+10)
		}
	})
}

func TestIngest_refusesThoughAllCreditWaitsForASickJournal(t *testing.T) {
	inBubble(t, func(in *intake) { in.queue.hold = true }, func(in *intake) {
		const more = 10
		for range Credits + more {
			in.wire().batches <- batchOf(good)
		}
		synctest.Wait()
		in.queue.set(func(q *fakeQueue) { q.health = errors.New("disk is full") })
		in.sleep(2 * upkeepEvery)
		if got := in.metric("butler_udp_packets_rejected_total", "journal_unavailable"); got != more {
			t.Errorf("%v datagrams are refused while all credit waits, want %d", got, more)
		}
		in.queue.set(func(q *fakeQueue) { q.health = nil })
		for range Credits + more {
			in.wire().batches <- batchOf(good)
		}
		synctest.Wait()
		in.queue.finish(Credits, nil)
		synctest.Wait()
		if got, most := len(in.queue.open), Credits; got != most {
			t.Errorf("%d batches wait for the journal after it has recovered, want the lent credit settled and %d", got, most)
		}
		in.queue.finish(Credits, nil)
		synctest.Wait()
		in.queue.finish(len(in.queue.open), nil)
		synctest.Wait()
		if got, want := in.queue.count(), 2*Credits+more; got != want {
			t.Errorf("%d are stored, want all %d that were not refused", got, want)
		}
	})
}

func TestIngest_givesCreditBackForWhatIsRefused(t *testing.T) {
	inBubble(t, func(in *intake) { in.queue.hold = true }, func(in *intake) {
		for range 3 * Credits {
			in.wire().batches <- batchOf("nonsense", engine)
		}
		synctest.Wait()
		if got := in.wire().read(); got != 3*Credits {
			t.Errorf("%d batches are read, want %d", got, 3*Credits)
		}
	})
}

func TestIngest_refusesLoudlyWhileTheJournalIsSick(t *testing.T) {
	inBubble(t, nil, func(in *intake) {
		in.queue.set(func(q *fakeQueue) { q.health = errors.New("disk is full") })
		in.receive(batchOf(good, good, engine)...)
		lines := in.lines("datagram refused")
		if len(lines) != 1 || lines[0].Level.String() != "error" || lines[0].ContextMap()["detail"] != "disk is full" {
			t.Errorf("lines: %+v, want one error", lines)
		}
		in.sleep(61 * time.Second)
		if more := in.lines("more datagrams refused"); len(more) != 1 || more[0].Level.String() != "error" || more[0].ContextMap()["count"] != int64(1) {
			t.Errorf("summary: %+v, want one more", more)
		}
		in.queue.set(func(q *fakeQueue) { q.health = nil })
		in.receive(batchOf(good)...)
		if got := in.queue.count(); got != 1 {
			t.Errorf("%d are stored after recovery, want 1", got)
		}
		if got := in.metric("butler_udp_packets_rejected_total", "journal_unavailable"); got != 2 {
			t.Errorf("counted %v, want 2", got)
		}
	})
}

func TestIngest_tellsARefusalOnceAndThenTheSum(t *testing.T) {
	inBubble(t, nil, func(in *intake) {
		for range 500 {
			in.wire().batches <- batchOf("/un\x1bknown/;a", strings.Repeat("x", 2000))
		}
		synctest.Wait()
		if got := len(in.lines("datagram refused")); got != 2 {
			t.Errorf("%d lines, want one per reason", got)
		}
		if text := in.lines("datagram refused")[0].ContextMap()["text"]; text != "/unknown/;a" {
			t.Errorf("the line shows %q, want it sanitised", text)
		}
		in.sleep(61 * time.Second)
		more := in.lines("more datagrams refused")
		if len(more) != 2 || more[0].ContextMap()["count"] != int64(499) || more[0].ContextMap()["reason"] != "oversize" || more[0].ContextMap()["source"] != "10.0.0.1" {
			t.Errorf("summaries: %+v", more)
		}
		if got := in.metric("butler_udp_packets_rejected_total", "oversize") + in.metric("butler_events_invalid_total", "unknown_type"); got != 1000 {
			t.Errorf("%v are counted, want 1000", got)
		}
		if got := len(in.keeper.kept); got != 2*keepBurst {
			t.Errorf("%d are in quarantine, want %d", got, 2*keepBurst)
		}
	})
}

func TestIngest_warnsOfABacklogAndOfItsEnd(t *testing.T) {
	inBubble(t, nil, func(in *intake) {
		in.queue.set(func(q *fakeQueue) { q.waiting = 190 })
		in.sleep(2 * time.Second)
		if got := len(in.lines("event backlog is long; nothing is lost, it waits on disk")); got != 1 {
			t.Errorf("%d warnings, want 1", got)
		}
		if !in.snapshot().BackpressureActive || in.metric("butler_udp_backpressure_active", "") != 1 {
			t.Error("back-pressure is not shown")
		}
		in.receive(batchOf(good)...)
		if got := in.queue.count(); got != 1 {
			t.Error("an event was dropped because others wait")
		}
		in.sleep(time.Minute)
		if got := len(in.lines("event backlog is still long")); got != 1 {
			t.Errorf("%d repetitions, want 1", got)
		}
		in.queue.set(func(q *fakeQueue) { q.waiting = 0 })
		in.sleep(2 * time.Second) // without any datagram
		if got := len(in.lines("event backlog is worked off")); got != 1 || in.snapshot().BackpressureActive {
			t.Errorf("the end was told %d times", got)
		}
	})
}

func TestIngest_countsWhatTheKernelDrops(t *testing.T) {
	inBubble(t, nil, func(in *intake) {
		in.wire().drop(7)
		in.sleep(2 * time.Second)
		in.wire().drop(9)
		in.sleep(2 * time.Second)
		if lines := in.lines("datagrams lost: the UDP receive buffer was full"); len(lines) != 1 || lines[0].ContextMap()["count"] != uint64(7) {
			t.Errorf("lines: %+v", lines)
		}
		if got := in.metric("butler_udp_kernel_dropped_packets_total", ""); got != 9 || in.snapshot().KernelDropped != 9 {
			t.Errorf("counted %v, want 9", got)
		}
		in.sleep(time.Minute)
		if got := len(in.lines("datagrams lost: the UDP receive buffer was full")); got != 2 {
			t.Errorf("%d lines, want the rest to be told", got)
		}
	})
}

func TestIngest_countsWhatTheKernelDropsOfAReplacedSocket(t *testing.T) {
	inBubble(t, nil, func(in *intake) {
		former := in.wire()
		former.drop(3)
		next, err := in.listen(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		in.opts.Kit.System.Root.Send(in.pid, Changed{Rules: rules(), Socket: next, Listen: in.listen})
		synctest.Wait()
		former.drop(5)
		in.wire().drop(4)
		in.sleep(2 * time.Second)
		if got := in.snapshot().KernelDropped; got != 9 {
			t.Errorf("while both sockets are read: counted %d, want 9", got)
		}
		former.drop(6)
		in.sleep(LingerFor)
		in.wire().drop(8)
		in.sleep(2 * time.Second)
		if got := in.metric("butler_udp_kernel_dropped_packets_total", ""); !former.isClosed() || got != 14 {
			t.Errorf("counted %v, want 14", got)
		}
	})
}

func TestIngest_warnsOfASmallReceiveBuffer(t *testing.T) {
	inBubble(t, nil, func(in *intake) {
		if got := in.logs.FilterMessageSnippet("receive buffer is smaller than wanted").Len(); got != 1 {
			t.Errorf("%d warnings, want 1", got)
		}
		if !slices.Equal(in.listened, []netip.AddrPort{in.wire().Addr()}) {
			t.Errorf("told of %v", in.listened)
		}
	})
}

func TestIngest_doesNotStartWithoutItsSocket(t *testing.T) {
	taken := errors.New("address already in use")
	inBubble(t, func(in *intake) { in.refuse = []error{taken} }, func(in *intake) {
		if len(in.failures) != 1 || !errors.Is(in.failures[0], taken) {
			t.Errorf("told of %v, want the cause", in.failures)
		}
		gaveUp := in.logs.FilterMessage("actor gave up on a known fault").All()
		if len(gaveUp) != 1 || gaveUp[0].ContextMap()["err"] != "start the UDP server: address already in use" {
			t.Errorf("faults: %+v, want one with the cause", gaveUp)
		}
		// Supervision starts it again, and then it works.
		in.sleep(time.Minute)
		in.receive(batchOf(good)...)
		if got := in.queue.count(); got != 1 {
			t.Errorf("%d are stored after the restart, want 1", got)
		}
	})
}

func TestIngest_opensALostSocketAgain(t *testing.T) {
	inBubble(t, nil, func(in *intake) {
		in.refuse = []error{errors.New("still down"), errors.New("still down")}
		first := in.wire()
		first.drop(5)
		in.receive(batchOf(good)...)
		first.broken <- errors.New("network is down")
		synctest.Wait()
		if in.snapshot().Listening || !first.isClosed() {
			t.Error("a broken socket counts as listening")
		}
		if got := len(in.lines("UDP socket failed")); got != 1 {
			t.Errorf("%d lines, want 1", got)
		}
		in.sleep(reopen.Ceiling(1) + reopen.Ceiling(2) + reopen.Ceiling(3))
		if in.sockets() != 2 || len(in.failures) != 3 || len(in.listened) != 2 {
			t.Fatalf("%d sockets, failures %v", in.sockets(), in.failures)
		}
		in.wire().drop(2)
		in.receive(batchOf(good)...)
		in.sleep(2 * time.Second)
		if got := in.snapshot(); got.Stored != 2 || got.KernelDropped != 7 {
			t.Errorf("stored %d, dropped %d, want 2 and 7", got.Stored, got.KernelDropped)
		}
	})
}

func TestIngest_closesWhenEverythingReadIsStored(t *testing.T) {
	inBubble(t, func(in *intake) { in.queue.hold = true }, func(in *intake) {
		in.receive(batchOf(good, good)...)
		in.receive(batchOf(good)...)
		in.closeIntake()
		if !in.wire().isClosed() {
			t.Error("the socket is open")
		}
		if in.closedReplies() != 0 {
			t.Error("told to be done while two batches are on their way")
		}
		in.queue.finish(1, nil)
		synctest.Wait()
		if in.closedReplies() != 0 {
			t.Error("told to be done while a batch is on its way")
		}
		in.queue.finish(1, nil)
		synctest.Wait()
		if in.closedReplies() != 1 || in.queue.count() != 3 {
			t.Errorf("%d answers, %d stored, want 1 and 3", in.closedReplies(), in.queue.count())
		}
		in.closeIntake()
		if in.closedReplies() != 2 {
			t.Error("asked again, it does not answer")
		}
		in.sleep(time.Hour)
		if in.sockets() != 1 || in.snapshot().Listening {
			t.Error("it opened the socket again")
		}
	})
}

func TestIngest_storesWhatAClosedSocketStillHas(t *testing.T) {
	inBubble(t, func(in *intake) { in.queue.hold = true }, func(in *intake) {
		for range Credits {
			in.receive(batchOf(good)...)
		}
		in.wire().rest <- batchOf(good, good)
		in.wire().rest <- batchOf(good)
		in.closeIntake()
		in.queue.finish(Credits+2, nil)
		synctest.Wait()
		if got := in.queue.count(); in.closedReplies() != 1 || got != Credits+3 {
			t.Errorf("%d answers, %d stored, want 1 and %d", in.closedReplies(), got, Credits+3)
		}
	})
}

func TestIngest_saysWhatAClosedJournalDidNotTake(t *testing.T) {
	inBubble(t, func(in *intake) { in.queue.hold = true }, func(in *intake) {
		in.receive(batchOf(good, good)...)
		in.queue.finish(1, journal.ErrClosed)
		synctest.Wait()
		lines := in.lines("accepted datagrams are lost: the journal did not take them")
		if len(lines) != 1 || lines[0].ContextMap()["count"] != int64(2) {
			t.Errorf("lines: %+v", lines)
		}
		if got := in.snapshot().Stored; got != 0 {
			t.Errorf("%d count as stored", got)
		}
	})
}

// names is a list of sources whose answer a test changes.
type names struct {
	mu      sync.Mutex
	entries []string
	err     error
	asked   int
}

func (n *names) Resolve(ctx context.Context, last *udp.Set) (*udp.Set, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.asked++
	if n.err != nil {
		return nil, n.err
	}
	list, err := udp.NewAllowList(n.entries, nil)
	if err != nil {
		return nil, err
	}
	return list.Resolve(ctx, last)
}

func (n *names) now(err error, entries ...string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.entries, n.err = entries, err
}

func TestIngest_refusesForeignSourcesAndFollowsTheList(t *testing.T) {
	who := &names{entries: []string{"10.0.0.1"}}
	inBubble(t, func(in *intake) { in.opts.Sources = who }, func(in *intake) {
		in.receive(from(node, good), from(alien, good))
		if got := in.queue.count(); got != 1 {
			t.Errorf("%d are stored, want 1", got)
		}
		who.now(nil, "10.9.9.9")
		in.sleep(resolveEvery)
		in.receive(from(node, good), from(alien, good))
		if got := in.snapshot(); got.Stored != 2 || got.RefusedSource != 2 {
			t.Errorf("stored %d, refused %d, want 2 and 2", got.Stored, got.RefusedSource)
		}
		who.now(errors.New("DNS is down"))
		in.sleep(resolveEvery)
		in.receive(from(node, good), from(alien, good))
		if got := in.snapshot(); got.Stored != 3 || got.RefusedSource != 3 {
			t.Errorf("without DNS the last list is not kept: stored %d, refused %d", got.Stored, got.RefusedSource)
		}
		if who.asked != 3 {
			t.Errorf("looked up %d times, want 3", who.asked)
		}
	})
}

// dns answers for one name once it works, and is silent until then.
type dns struct {
	mu    sync.Mutex
	works bool
	asked int
}

func (d *dns) LookupNetIP(ctx context.Context, _, _ string) ([]netip.Addr, error) {
	d.mu.Lock()
	works := d.works
	d.asked++
	d.mu.Unlock()
	if works {
		return []netip.Addr{node.Addr()}, nil
	}
	<-ctx.Done()
	return nil, ctx.Err()
}

func (d *dns) set(works bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.works = works
}

// allowed is an allow-list of one address that sends nothing here, and of a name.
func allowed(t *testing.T, resolver udp.Resolver) *udp.AllowList {
	t.Helper()
	list, err := udp.NewAllowList([]string{"10.77.77.77", "sense-01"}, resolver)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestIngest_startsWithoutANameOfWhichNothingIsHeard(t *testing.T) {
	resolver := &dns{}
	inBubble(t, func(in *intake) { in.opts.Sources = allowed(t, resolver) }, func(in *intake) {
		in.sleep(ResolveWithin)
		if in.sockets() != 1 || len(in.failures) != 0 {
			t.Fatalf("%d sockets after %s, failures %v; want one for the address that is known", in.sockets(), ResolveWithin, in.failures)
		}
		in.receive(from(node, good))
		if got := in.snapshot(); got.RefusedSource != 1 {
			t.Errorf("%d refused, want 1 while the name has no address", got.RefusedSource)
		}
		resolver.set(true)
		in.sleep(time.Minute) // not the five of a list that is complete
		in.receive(from(node, good))
		if got := in.snapshot(); got.Stored != 1 {
			t.Errorf("%d stored, want 1 once the name has an address", got.Stored)
		}
		before := resolver.asked
		in.sleep(resolveEvery - time.Minute)
		if more := resolver.asked - before; more > 1 {
			t.Errorf("looked up %d times in five minutes although the list is complete", more)
		}
	})
}

func TestIngest_asksSeldomerForANameThatStaysWithoutAnAnswer(t *testing.T) {
	resolver := &dns{}
	inBubble(t, func(in *intake) { in.opts.Sources = allowed(t, resolver) }, func(in *intake) {
		in.sleep(time.Hour)
		if resolver.asked < 12 || resolver.asked > 20 {
			t.Errorf("looked up %d times in an hour", resolver.asked)
		}
	})
}

func TestIngest_aChangeForgetsNoAddressOfANameWithoutAnAnswer(t *testing.T) {
	resolver := &dns{works: true}
	list := allowed(t, resolver)
	inBubble(t, func(in *intake) { in.opts.Sources = list }, func(in *intake) {
		resolver.set(false)
		bounded, cancel := context.WithTimeout(in.t.Context(), ResolveWithin)
		defer cancel()
		set, err := list.Resolve(bounded, nil)
		if err != nil {
			t.Fatal(err)
		}
		in.opts.Kit.System.Root.Send(in.pid, Changed{Rules: rules(), Sources: list, Allowed: set})
		synctest.Wait()
		in.receive(from(node, good))
		if got := in.snapshot(); got.Stored != 1 || got.RefusedSource != 0 {
			t.Errorf("%d stored, %d refused; want the node let in as before", got.Stored, got.RefusedSource)
		}
	})
}

// The timer may have fired before the change that stops it.
func TestIngest_aLookUpThatIsDueEndsWithItsConfiguration(t *testing.T) {
	former, present := &names{entries: []string{"10.0.0.1"}}, &names{entries: []string{"10.0.0.1"}}
	for name, next := range map[string]Sources{"every source is accepted": nil, "another list": present} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(in *intake) { in.opts.Sources = former }, func(in *intake) {
				in.opts.Kit.System.Root.Send(in.pid, Changed{Rules: rules(), Sources: next})
				in.opts.Kit.System.Root.Send(in.pid, resolveDue{former})
				in.sleep(resolveEvery / 2)
				if in.sockets() != 1 || in.wire().isClosed() {
					t.Errorf("%d sockets were opened, want the first one still in use", in.sockets())
				}
				if present.asked != 0 {
					t.Errorf("the new list was looked up %d times before its time", present.asked)
				}
			})
		})
	}
}

func TestIngest_failsClosedWithoutAnySource(t *testing.T) {
	who := &names{err: udp.ErrNoSources}
	inBubble(t, func(in *intake) { in.opts.Sources = who }, func(in *intake) {
		if in.sockets() != 0 {
			t.Error("a socket was opened although nobody may send")
		}
		if len(in.failures) == 0 || !errors.Is(in.failures[0], udp.ErrNoSources) {
			t.Errorf("told of %v, want ErrNoSources", in.failures)
		}
	})
}

func TestIngest_anInstanceAfterACrashStoresWhatTheLastOneRead(t *testing.T) {
	inBubble(t, func(in *intake) { in.opts.Quarantine = &bomb{} }, func(in *intake) {
		first := in.wire()                   // once: the crash may put another in its place at any moment
		first.batches <- batchOf("nonsense") // sets the bomb off
		first.batches <- batchOf(good)
		first.batches <- batchOf(good, good)
		synctest.Wait()
		in.sleep(time.Second)
		read := first.read()
		if got, want := in.queue.count(), []int{0, 0, 1, 3}[read]; got != want {
			t.Errorf("%d events of %d batches are stored, want %d", got, read, want)
		}
		if in.sockets() != 2 || !first.isClosed() {
			t.Errorf("%d sockets, want the first closed and a second", in.sockets())
		}
		in.receive(batchOf(good)...)
		in.closeIntake()
		if in.closedReplies() != 1 {
			t.Error("closing waits for batches of the instance that crashed")
		}
	})
}

func TestIngest_aCrashLosesNoEventOfItsBatch(t *testing.T) {
	inBubble(t, func(in *intake) { in.opts.Quarantine = &bomb{} }, func(in *intake) {
		in.receive(batchOf(good, "nonsense", good)...)
		if got := in.queue.count(); got != 2 {
			t.Errorf("%d events are stored, want 2", got)
		}
		in.sleep(time.Second)
	})
}

func TestIngest_anInstanceAfterACrashKnowsWhoMaySend(t *testing.T) {
	list, err := udp.NewAllowList([]string{node.Addr().String()}, nil)
	if err != nil {
		t.Fatal(err)
	}
	inBubble(t, func(in *intake) { in.opts.Sources, in.opts.Quarantine = list, &bomb{} }, func(in *intake) {
		in.opts.Kit.System.Root.Send(in.pid, messages.DatagramsReceived{Datagrams: batchOf("nonsense"), At: time.Now()})
		in.opts.Kit.System.Root.Send(in.pid, messages.DatagramsReceived{Datagrams: []messages.Datagram{from(alien, good)}, At: time.Now()})
		in.sleep(time.Second)
		if got := in.metric("butler_udp_packets_rejected_total", "source"); got != 1 || in.queue.count() != 0 {
			t.Errorf("%v refused and %d stored of a sender that may not send", got, in.queue.count())
		}
	})
}

func TestIngest_opensALostSocketAgainThoughItHasCrashed(t *testing.T) {
	inBubble(t, func(in *intake) { in.opts.Quarantine = &bomb{} }, func(in *intake) {
		in.refuse = []error{errors.New("still down"), errors.New("still down")}
		in.receive(batchOf("nonsense")...)
		in.sleep(time.Minute)
		if gaveUp := in.lines("actor gave up on a known fault"); len(gaveUp) != 1 || in.sockets() != 2 {
			t.Errorf("%d sockets, want a second one after two failures and no further restart: %v", in.sockets(), gaveUp)
		}
	})
}

func TestIngest_staysClosedThoughItCrashesMeanwhile(t *testing.T) {
	inBubble(t, func(in *intake) { in.opts.Quarantine = &bomb{} }, func(in *intake) {
		in.queue.set(func(q *fakeQueue) { q.hold = true })
		in.receive(batchOf(good)...)
		in.closeIntake()
		in.opts.Kit.System.Root.Send(in.pid, messages.DatagramsReceived{Datagrams: batchOf("nonsense"), At: time.Now()})
		in.sleep(time.Second)
		if in.closedReplies() != 0 || in.sockets() != 1 {
			t.Errorf("%d answers and %d sockets before what was read is stored, want none and the first", in.closedReplies(), in.sockets())
		}
		in.queue.finish(1, nil)
		synctest.Wait()
		if in.closedReplies() != 1 || in.sockets() != 1 {
			t.Errorf("%d answers and %d sockets, want one of each", in.closedReplies(), in.sockets())
		}
	})
}

func TestIngest_endsClosingThoughItCrashesBeforeItsReaderHasEnded(t *testing.T) {
	inBubble(t, func(in *intake) { in.opts.Quarantine = &bomb{} }, func(in *intake) {
		root, asker := in.opts.Kit.System.Root, messages.Ref{Address: in.probe.PID.Address, ID: in.probe.PID.Id}
		root.Send(in.pid, messages.CloseIntake{ReplyTo: asker})
		root.Send(in.pid, messages.DatagramsReceived{Datagrams: batchOf("nonsense"), At: time.Now()})
		in.sleep(3 * time.Second)
		if in.closedReplies() != 1 || in.sockets() != 1 {
			t.Errorf("%d answers and %d sockets, want one of each", in.closedReplies(), in.sockets())
		}
	})
}

// bomb crashes the actor once, for a known reason.
type bomb struct{ once sync.Once }

func (b *bomb) Put(messages.QuarantinedDatagram, func()) {
	b.once.Do(func() { actorkit.Fail(errors.New("boom")) })
}

func TestIngest_closesASocketThatComesTooLate(t *testing.T) {
	inBubble(t, func(in *intake) {
		listen := in.opts.Listen
		in.opts.Listen = func(ctx context.Context) (Socket, error) {
			time.Sleep(time.Second)
			return listen(ctx)
		}
	}, func(in *intake) {
		in.closeIntake()
		if in.closedReplies() != 1 {
			t.Error("closing waits for a socket that is not there yet")
		}
		in.sleep(2 * time.Second)
		if in.sockets() != 1 || !in.wire().isClosed() || in.snapshot().Listening {
			t.Error("the late socket is used")
		}
	})
}

func TestMetrics_boundTheNodes(t *testing.T) {
	m := NewMetrics(prometheus.NewRegistry())
	for i := range 3 * maxNodes {
		m.event(&accepted{family: messages.FamilyFailed, host: strings.Repeat("n", i)})
	}
	if got := len(m.lastEventByNode); got != maxNodes {
		t.Errorf("%d nodes have a series, want %d", got, maxNodes)
	}
}

// Whoever may send events can name as many nodes as he likes.
func TestMetrics_nodesThatAreSilentMakeRoom(t *testing.T) {
	m, at := NewMetrics(prometheus.NewRegistry()), time.Date(2026, 5, 6, 12, 0, 0, 0, time.UTC)
	told := func(host string, at time.Time) bool {
		m.event(&accepted{family: messages.FamilyFailed, host: host, datagram: messages.Datagram{At: at}})
		return m.lastEventByNode[host] != nil
	}
	for i := range maxNodes {
		told(fmt.Sprint("forged-", i), at)
	}
	if told("node", at.Add(forgetNode)) {
		t.Error("a node has a series although there is no room")
	}
	told("forged-0", at.Add(forgetNode))
	if !told("node", at.Add(forgetNode+2*time.Hour)) || len(m.lastEventByNode) != 2 {
		t.Errorf("want the node and the other one that still sends, got %d", len(m.lastEventByNode))
	}
	if got := testutil.CollectAndCount(m.lastEvent); got != 3 { // with that of all others
		t.Errorf("want three series, got %d", got)
	}
}

func TestIngest_tellsOfABurstWhenAReadBringsAllItCan(t *testing.T) {
	var bursts atomic.Int64
	inBubble(t, func(in *intake) { in.opts.OnBurst = func() { bursts.Add(1) } }, func(in *intake) {
		full := batchOf(slices.Repeat([]string{good}, udp.BatchSize)...)
		in.receive(full[1:]...)
		if got := bursts.Load(); got != 0 {
			t.Errorf("want no burst while a read brings less, got %d", got)
		}
		in.receive(full...)
		if got := bursts.Load(); got != 1 {
			t.Errorf("want one burst told, got %d", got)
		}
	})
}
