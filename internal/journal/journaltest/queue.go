package journaltest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"butler/internal/journal"
)

var queueTests = []test{
	{"hands out what was appended, in order", testQueueOrder},
	{"tells where each entry lies", testQueuePlaces},
	{"waits for records", testQueueWaits},
	{"waits for acknowledgements when its credit is used up", testQueueCredit},
	{"hands out again what was not acknowledged", testQueueRedelivers},
	{"goes on where the consumer was", testQueueFloor},
	{"serves a consumer that lags far behind", testQueueBehind},
	{"describes its backlog exactly", testQueueStats},
	{"keeps handled records readable", testQueueKeeps},
	{"drops handled records by size, never others", testQueueKeepBytes},
	{"makes room in a full log", testQueueFull},
	{"refuses what its log can never hold", testQueueTooLarge},
	{"ends with ErrClosed", testQueueClosed},
}

// queued is a queue with the ledger that holds its place.
type queued struct {
	*journal.Queue
	ledger *journal.Ledger
	log    journal.Log
}

func (p *place) queue(t *testing.T, limits journal.Limits, opts journal.QueueOptions) queued {
	t.Helper()
	ledger, log := p.ledger(t), p.log(t, limits)
	for {
		q, err := journal.OpenQueue(t.Context(), "test", log, ledger, opts)
		if err == nil {
			return queued{q, ledger, log}
		}
		if !errors.Is(err, journal.ErrUnavailable) {
			t.Fatalf("open queue: %v", err)
		}
	}
}

func (q queued) close(t *testing.T) {
	t.Helper()
	closeAll(t, q.Queue, q.ledger)
}

// push appends texts as one call and waits for their place.
func (q queued) push(t *testing.T, texts ...string) (seq journal.Seq, base int) {
	t.Helper()
	var batch [][]byte
	for _, text := range texts {
		batch = append(batch, []byte(text))
	}
	done := make(chan error, 1)
	q.Append(batch, func(s journal.Seq, b int, err error) {
		seq, base = s, b
		done <- err
	})
	if err := <-done; err != nil {
		t.Fatalf("append: %v", err)
	}
	return seq, base
}

func (q queued) next(t *testing.T) journal.Record {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	r, err := q.Next(ctx)
	if err != nil {
		t.Fatalf("next: %v", err)
	}
	return r
}

// nextText returns the entries of the next record as text.
func (q queued) nextText(t *testing.T) []string {
	t.Helper()
	return texts(q.next(t))
}

func texts(r journal.Record) []string {
	var out []string
	for _, e := range r.Entries {
		out = append(out, string(e))
	}
	return out
}

// nothing checks that Next has nothing to give at present.
func (q queued) nothing(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if r, err := q.Next(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("next: want nothing, got record %d, %v", r.Seq, err)
	}
}

// eventually waits for what the queue does by itself.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("it does not come true that %s", what)
		}
		time.Sleep(time.Millisecond)
	}
}

func testQueueOrder(t *testing.T, p *place) {
	q := p.queue(t, journal.Limits{}, journal.QueueOptions{})
	defer q.close(t)
	const n = 300
	for i := range n {
		q.Append([][]byte{fmt.Append(nil, i), nil}, func(journal.Seq, int, error) {})
	}
	var got []string
	for len(got) < 2*n {
		got = append(got, q.nextText(t)...)
	}
	for i := range n {
		if got[2*i] != fmt.Sprint(i) || got[2*i+1] != "" {
			t.Fatalf("entry %d: got %q and %q", i, got[2*i], got[2*i+1])
		}
	}
}

func testQueuePlaces(t *testing.T, p *place) {
	q := p.queue(t, journal.Limits{}, journal.QueueOptions{})
	defer q.close(t)
	type position struct {
		seq  journal.Seq
		base int
	}
	const n = 100
	positions := make(chan position, n)
	for i := range n {
		q.Append([][]byte{fmt.Append(nil, i, " a"), fmt.Append(nil, i, " b")}, func(seq journal.Seq, base int, _ error) { positions <- position{seq, base} })
	}
	records := map[journal.Seq][]string{}
	for i := range n {
		at := <-positions
		for records[at.seq] == nil {
			r := q.next(t)
			records[r.Seq] = texts(r)
		}
		want := []string{fmt.Sprint(i, " a"), fmt.Sprint(i, " b")}
		if got := records[at.seq][at.base : at.base+2]; !slices.Equal(got, want) {
			t.Fatalf("entries at %+v: want %q, got %q", at, want, got)
		}
	}
}

func testQueueWaits(t *testing.T, p *place) {
	q := p.queue(t, journal.Limits{}, journal.QueueOptions{})
	defer q.close(t)
	q.nothing(t)
	q.Append([][]byte{[]byte("late")}, func(journal.Seq, int, error) {})
	if got := q.nextText(t); !slices.Equal(got, []string{"late"}) {
		t.Errorf("got %q", got)
	}
	q.nothing(t)
}

func testQueueCredit(t *testing.T, p *place) {
	q := p.queue(t, journal.Limits{}, journal.QueueOptions{MaxUnacked: 2})
	defer q.close(t)
	for i := range 4 {
		q.push(t, fmt.Sprint(i))
	}
	first, second := q.next(t), q.next(t)
	q.nothing(t)
	q.Ack(second.Seq, second.Seq)
	third := q.next(t)
	q.nothing(t)
	q.Ack(first.Seq, third.Seq, 999)
	if got := q.nextText(t); !slices.Equal(got, []string{"3"}) {
		t.Errorf("got %q", got)
	}
}

func testQueueRedelivers(t *testing.T, p *place) {
	q := p.queue(t, journal.Limits{}, journal.QueueOptions{})
	for i := range 4 {
		q.push(t, fmt.Sprint(i))
	}
	if q.next(t).Again {
		t.Error("first record: want it given for the first time, got it as given again")
	}
	acked := q.next(t)
	q.Ack(acked.Seq, acked.Seq+1) // the second one was not given and cannot be handled
	q.close(t)
	p.reopen(t)
	q = p.queue(t, journal.Limits{}, journal.QueueOptions{})
	defer q.close(t)
	q.push(t, "4")
	for i := range 5 {
		r := q.next(t)
		if got := texts(r); !slices.Equal(got, []string{fmt.Sprint(i)}) {
			t.Errorf("record %d after the restart: got %q", i, got)
		}
		if want := i < 4; r.Again != want {
			t.Errorf("record %d after the restart: want Again %t, got %t", i, want, r.Again)
		}
	}
	q.nothing(t)
}

func testQueueFloor(t *testing.T, p *place) {
	q := p.queue(t, journal.Limits{}, journal.QueueOptions{KeepFor: time.Hour})
	for i := range 5 {
		q.push(t, fmt.Sprint(i))
	}
	a, b, c := q.next(t), q.next(t), q.next(t)
	q.Ack(c.Seq, a.Seq)
	eventually(t, "the floor follows the first record", func() bool { return q.Floor() == b.Seq })
	q.Ack(b.Seq)
	q.close(t)
	if q.Floor() != c.Seq+1 {
		t.Errorf("floor after Close: want %d, got %d", c.Seq+1, q.Floor())
	}
	p.reopen(t)
	q = p.queue(t, journal.Limits{}, journal.QueueOptions{KeepFor: time.Hour})
	defer q.close(t)
	if got := q.nextText(t); !slices.Equal(got, []string{"3"}) {
		t.Errorf("first record after the restart: got %q", got)
	}
}

func testQueueBehind(t *testing.T, p *place) {
	q := p.queue(t, journal.Limits{}, journal.QueueOptions{})
	defer q.close(t)
	const n = 24
	filler := noise(1<<20, 0)
	var want []string
	for i := range n {
		want = append(want, fmt.Sprint(i))
		q.push(t, want[i], filler)
	}
	for i := range n {
		r := q.next(t)
		if len(r.Entries) != 2 || string(r.Entries[0]) != want[i] || !bytes.Equal(r.Entries[1], []byte(filler)) {
			t.Fatalf("record %d: got %d entries, the first %.20q", i, len(r.Entries), r.Entries[0])
		}
		q.Ack(r.Seq)
	}
	q.nothing(t)
}

func testQueueStats(t *testing.T, p *place) {
	q := p.queue(t, journal.Limits{}, journal.QueueOptions{})
	if got := q.Stats(); got.Pending != 0 || got.Entries != 0 || !got.Oldest.IsZero() {
		t.Errorf("empty queue: got %+v", got)
	}
	before := time.Now()
	q.push(t, "a", "b", "c")
	between := time.Now()
	time.Sleep(2 * time.Millisecond)
	q.push(t, "d")
	if got := q.Stats(); got.Pending != 2 || got.Entries != 4 || got.Oldest.Before(before) || got.Oldest.After(between) || got.Bytes == 0 {
		t.Errorf("two records: got %+v", got)
	}
	first, second := q.next(t), q.next(t)
	q.Ack(second.Seq)
	if got := q.Stats(); got.Pending != 1 || got.Entries != 3 || got.Oldest.After(between) {
		t.Errorf("after the second was handled: got %+v", got)
	}
	q.close(t)
	p.reopen(t)
	q = p.queue(t, journal.Limits{}, journal.QueueOptions{})
	defer q.close(t)
	if got := q.Stats(); got.Pending != 2 || got.Entries != 4 || got.Oldest.After(between) {
		t.Errorf("after a restart, where order of handling is not remembered: got %+v", got)
	}
	if r := q.next(t); r.Seq != first.Seq {
		t.Errorf("after a restart: want record %d, got %d", first.Seq, r.Seq)
	}
}

func testQueueKeeps(t *testing.T, p *place) {
	q := p.queue(t, journal.Limits{}, journal.QueueOptions{KeepFor: time.Hour})
	q.push(t, "a")
	q.push(t, "b")
	q.Ack(q.next(t).Seq)
	q.close(t)
	p.reopen(t)
	q = p.queue(t, journal.Limits{}, journal.QueueOptions{KeepFor: time.Hour})
	wantRange(t, q, "a", "b")
	q.close(t)

	q = p.queue(t, journal.Limits{}, journal.QueueOptions{})
	defer q.close(t)
	eventually(t, "what is handled is dropped at once", func() bool { first, _ := q.log.Bounds(); return first == 2 })
	wantRange(t, q, "b")
}

func wantRange(t *testing.T, q queued, want ...string) {
	t.Helper()
	for {
		var got []string
		err := q.Range(t.Context(), 0, func(r journal.Record) error {
			got = append(got, texts(r)...)
			return nil
		})
		if errors.Is(err, journal.ErrUnavailable) {
			continue
		}
		if err != nil {
			t.Fatalf("range: %v", err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("kept records (-want +got):\n%s", diff)
		}
		return
	}
}

func testQueueKeepBytes(t *testing.T, p *place) {
	q := p.queue(t, journal.Limits{}, journal.QueueOptions{KeepFor: time.Hour, KeepBytes: 64 << 10})
	defer q.close(t)
	for i := range 6 {
		q.push(t, noise(8<<10, i))
		q.Ack(q.next(t).Seq)
	}
	for i := range 12 {
		q.push(t, noise(8<<10, i))
	}
	eventually(t, "the log holds nothing handled", func() bool { first, _ := q.log.Bounds(); return first == 7 })
	if got := q.Stats(); got.Pending != 12 {
		t.Errorf("want all 12 unhandled records, got %+v", got)
	}
}

func testQueueFull(t *testing.T, p *place) {
	q := p.queue(t, journal.Limits{MaxBytes: 128 << 10}, journal.QueueOptions{KeepFor: time.Hour})
	defer q.close(t)
	for i := range 40 { // more than twice what fits, handled at once
		q.push(t, noise(8<<10, i))
		q.Ack(q.next(t).Seq)
	}
	for i := range 24 {
		q.Append([][]byte{[]byte(noise(8<<10, i))}, func(journal.Seq, int, error) {})
	}
	eventually(t, "the queue says that it is full", func() bool { return errors.Is(q.Writable(), journal.ErrFull) })
	for got := 0; got < 24; { // handling is what makes room
		r := q.next(t)
		got += len(r.Entries)
		q.Ack(r.Seq)
	}
	eventually(t, "the queue is healthy again", func() bool { return q.Writable() == nil })
	if got := q.Stats(); got.Pending != 0 {
		t.Errorf("want nothing left, got %+v", got)
	}
}

func testQueueTooLarge(t *testing.T, p *place) {
	q := p.queue(t, journal.Limits{MaxBytes: 128 << 10}, journal.QueueOptions{})
	defer q.close(t)
	done := make(chan error, 1)
	q.Append([][]byte{make([]byte, 130<<10)}, func(_ journal.Seq, _ int, err error) { done <- err })
	if err := <-done; !errors.Is(err, journal.ErrTooLarge) {
		t.Errorf("want %v, got %v", journal.ErrTooLarge, err)
	}
	q.push(t, "small")
	if got := q.nextText(t); !slices.Equal(got, []string{"small"}) {
		t.Errorf("the entry behind it: got %q", got)
	}
}

func testQueueClosed(t *testing.T, p *place) {
	q := p.queue(t, journal.Limits{}, journal.QueueOptions{})
	ended := make(chan error, 1)
	go func() {
		_, err := q.Next(context.WithoutCancel(t.Context()))
		ended <- err
	}()
	q.close(t)
	if err := <-ended; !errors.Is(err, journal.ErrClosed) {
		t.Errorf("next: want %v, got %v", journal.ErrClosed, err)
	}
	q.Append([][]byte{[]byte("late")}, func(_ journal.Seq, _ int, err error) { ended <- err })
	if err := <-ended; !errors.Is(err, journal.ErrClosed) {
		t.Errorf("append: want %v, got %v", journal.ErrClosed, err)
	}
}

// noise returns n bytes that no compression makes shorter, others for every seed.
func noise(n, seed int) string {
	out := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{byte(seed)}).Read(out) // it never fails
	return string(out)
}
