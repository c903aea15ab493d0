// Package journaltest is the conformance suite of journal.Store: what the port
// promises, and that the Ledger and the Queue keep their promises on top.
//
// It guarantees that a store which passes may be exchanged for another. A
// failing write is tried again with the same id, as the port asks for, so that
// stores with injected faults run the same suite. It must never depend on how a
// store works inside.
package journaltest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"butler/internal/journal"
)

// Home is a place for one store.
type Home struct {
	// New prepares an empty place and returns what opens the store in it, again
	// and again. A store is closed before the next one is opened.
	New func(t *testing.T) (open func() journal.Store)
	// Bubble runs every test in a synctest bubble; the store must allow that.
	Bubble bool
}

// Run checks the port and the structures on top of it.
func Run(t *testing.T, home Home) {
	t.Helper()
	suites := []struct {
		name  string
		tests []test
	}{
		{"log", logTests},
		{"ledger", ledgerTests},
		{"queue", queueTests},
	}
	for _, suite := range suites {
		t.Run(suite.name, func(t *testing.T) {
			for _, tt := range suite.tests {
				t.Run(tt.name, func(t *testing.T) { home.run(t, tt.check) })
			}
		})
	}
}

type test struct {
	name  string
	check func(t *testing.T, p *place)
}

func (h Home) run(t *testing.T, check func(*testing.T, *place)) {
	t.Helper()
	one := func(t *testing.T) {
		t.Helper()
		p := &place{open: h.New(t)}
		p.store = p.open()
		defer p.close(t)
		check(t, p)
	}
	if h.Bubble {
		synctest.Test(t, one)
		return
	}
	one(t)
}

// place is a store under test that can be closed and opened again.
type place struct {
	open  func() journal.Store
	store journal.Store
}

func (p *place) close(t *testing.T) {
	t.Helper()
	if err := p.store.Close(); err != nil {
		t.Errorf("close store: %v", err)
	}
}

func (p *place) reopen(t *testing.T) {
	t.Helper()
	p.close(t)
	p.store = p.open()
}

const logName = "EVENTS"

func (p *place) log(t *testing.T, limits journal.Limits) journal.Log {
	t.Helper()
	log, err := p.store.Open(t.Context(), logName, limits)
	if err != nil {
		t.Fatalf("open log: %v", err)
	}
	return log
}

var logTests = []test{
	{"reads back what was appended, in order, from 1", testAppendRead},
	{"adds nothing for an id it has", testSameID},
	{"remembers an id over a restart", testSameIDReopened},
	{"begins reading where it is told", testReadFrom},
	{"stops reading at the visitor's error", testReadStops},
	{"reads up to the end at the time of the call", testReadEnd},
	{"trims the front only", testTrim},
	{"never gives a place twice", testTrimAll},
	{"leaves places out when it is trimmed behind its end", testTrimBehindTheEnd},
	{"keeps bounds over a restart", testBoundsReopened},
	{"keeps logs apart", testTwoLogs},
	{"takes large records", testLarge},
	{"takes appends from many", testConcurrent},
	{"reads while others append", testReadWhileAppending},
	{"is full at its limit and has room after a trim", testFull},
	{"answers a cancelled context", testCancelled},
	{"answers ErrClosed after Close", testClosed},
}

// appendOne appends and does not give up while storage is merely unavailable.
func appendOne(t *testing.T, log journal.Log, id string, record []byte) journal.Seq {
	t.Helper()
	for {
		seq, err := log.Append(t.Context(), id, record)
		if err == nil {
			return seq
		}
		if !errors.Is(err, journal.ErrUnavailable) {
			t.Fatalf("append %s: %v", id, err)
		}
	}
}

func fill(t *testing.T, log journal.Log, from, n int) {
	t.Helper()
	for i := from; i < from+n; i++ {
		appendOne(t, log, fmt.Sprintf("id-%d", i), body(i))
	}
}

func body(i int) []byte { return fmt.Appendf(nil, "record %d\x00\xff\r\n", i) }

type entry struct {
	Seq  journal.Seq
	Body string
}

// readAll reads everything from seq on, again if storage was unavailable.
func readAll(t *testing.T, log journal.Log, from journal.Seq) []entry {
	t.Helper()
	for {
		var got []entry
		err := log.Read(t.Context(), from, func(seq journal.Seq, record []byte) error {
			got = append(got, entry{seq, string(record)})
			return nil
		})
		if err == nil {
			return got
		}
		if !errors.Is(err, journal.ErrUnavailable) {
			t.Fatalf("read from %d: %v", from, err)
		}
	}
}

func entries(from, n int) []entry {
	var want []entry
	for i := from; i < from+n; i++ {
		want = append(want, entry{journal.Seq(i), string(body(i))})
	}
	return want
}

func trim(t *testing.T, log journal.Log, before journal.Seq) {
	t.Helper()
	for {
		err := log.Trim(t.Context(), before)
		if err == nil {
			return
		}
		if !errors.Is(err, journal.ErrUnavailable) {
			t.Fatalf("trim before %d: %v", before, err)
		}
	}
}

func wantBounds(t *testing.T, log journal.Log, first, next journal.Seq) {
	t.Helper()
	if f, n := log.Bounds(); f != first || n != next {
		t.Errorf("bounds: want %d and %d, got %d and %d", first, next, f, n)
	}
}

func wantRecords(t *testing.T, log journal.Log, from journal.Seq, want []entry) {
	t.Helper()
	if diff := cmp.Diff(want, readAll(t, log, from)); diff != "" {
		t.Errorf("records from %d (-want +got):\n%s", from, diff)
	}
}

func testAppendRead(t *testing.T, p *place) {
	log := p.log(t, journal.Limits{})
	wantBounds(t, log, 1, 1)
	wantRecords(t, log, 1, nil)
	for i := 1; i <= 40; i++ {
		if seq := appendOne(t, log, fmt.Sprint(i), body(i)); seq != journal.Seq(i) {
			t.Fatalf("place of record %d: got %d", i, seq)
		}
	}
	wantBounds(t, log, 1, 41)
	wantRecords(t, log, 1, entries(1, 40))
	if log.Bytes() < 40*int64(len(body(1))) {
		t.Errorf("size: %d bytes are less than what was appended", log.Bytes())
	}
}

func testSameID(t *testing.T, p *place) {
	log := p.log(t, journal.Limits{})
	fill(t, log, 1, 2)
	if seq := appendOne(t, log, "id-1", body(1)); seq != 1 {
		t.Errorf("place of the repeated record: want 1, got %d", seq)
	}
	wantRecords(t, log, 1, entries(1, 2))
	wantBounds(t, log, 1, 3)
}

func testSameIDReopened(t *testing.T, p *place) {
	fill(t, p.log(t, journal.Limits{}), 1, 2)
	p.reopen(t)
	log := p.log(t, journal.Limits{})
	if seq := appendOne(t, log, "id-2", body(2)); seq != 2 {
		t.Errorf("place of the repeated record: want 2, got %d", seq)
	}
	wantRecords(t, log, 1, entries(1, 2))
}

func testReadFrom(t *testing.T, p *place) {
	log := p.log(t, journal.Limits{})
	fill(t, log, 1, 30)
	wantRecords(t, log, 0, entries(1, 30))
	wantRecords(t, log, 12, entries(12, 19))
	wantRecords(t, log, 30, entries(30, 1))
	wantRecords(t, log, 31, nil)
	wantRecords(t, log, 1000, nil)
}

func testReadStops(t *testing.T, p *place) {
	log := p.log(t, journal.Limits{})
	fill(t, log, 1, 5)
	stop := errors.New("enough")
	for {
		seen := 0
		err := log.Read(t.Context(), 1, func(journal.Seq, []byte) error {
			if seen++; seen == 3 {
				return stop
			}
			return nil
		})
		if errors.Is(err, journal.ErrUnavailable) {
			continue
		}
		if !errors.Is(err, stop) || seen != 3 {
			t.Errorf("want the visitor's error after 3 records, got %v after %d", err, seen)
		}
		return
	}
}

func testReadEnd(t *testing.T, p *place) {
	log := p.log(t, journal.Limits{})
	fill(t, log, 1, 3)
	for seen := 0; seen == 0; {
		err := log.Read(t.Context(), 1, func(seq journal.Seq, _ []byte) error {
			seen++
			fill(t, log, 3+seen, 1)
			return nil
		})
		if err != nil && !errors.Is(err, journal.ErrUnavailable) {
			t.Fatal(err)
		}
		if seen > 3 {
			t.Errorf("want the 3 records there were when reading began, got %d", seen)
		}
	}
	wantRecords(t, log, 1, entries(1, 6))
}

func testTrim(t *testing.T, p *place) {
	log := p.log(t, journal.Limits{})
	fill(t, log, 1, 10)
	before := log.Bytes()
	trim(t, log, 4)
	trim(t, log, 4)
	trim(t, log, 2)
	wantBounds(t, log, 4, 11)
	wantRecords(t, log, 1, entries(4, 7))
	if log.Bytes() >= before {
		t.Errorf("size after trimming: want less than %d, got %d", before, log.Bytes())
	}
	fill(t, log, 11, 1)
	wantRecords(t, log, 9, entries(9, 3))
}

func testTrimAll(t *testing.T, p *place) {
	log := p.log(t, journal.Limits{})
	fill(t, log, 1, 3)
	trim(t, log, 4)
	wantBounds(t, log, 4, 4)
	wantRecords(t, log, 1, nil)
	p.reopen(t)
	log = p.log(t, journal.Limits{})
	wantBounds(t, log, 4, 4)
	fill(t, log, 4, 2)
	wantBounds(t, log, 4, 6)
	wantRecords(t, log, 1, entries(4, 2))
}

func testTrimBehindTheEnd(t *testing.T, p *place) {
	log := p.log(t, journal.Limits{})
	fill(t, log, 1, 3)
	trim(t, log, 100)
	wantBounds(t, log, 100, 100)
	wantRecords(t, log, 1, nil)
	p.reopen(t)
	log = p.log(t, journal.Limits{})
	wantBounds(t, log, 100, 100)
	fill(t, log, 100, 2)
	wantRecords(t, log, 1, entries(100, 2))
}

func testBoundsReopened(t *testing.T, p *place) {
	log := p.log(t, journal.Limits{})
	fill(t, log, 1, 20)
	trim(t, log, 8)
	p.reopen(t)
	log = p.log(t, journal.Limits{})
	wantBounds(t, log, 8, 21)
	wantRecords(t, log, 1, entries(8, 13))
	fill(t, log, 21, 1)
	wantRecords(t, log, 20, entries(20, 2))
}

func testTwoLogs(t *testing.T, p *place) {
	one := p.log(t, journal.Limits{})
	two, err := p.store.Open(t.Context(), "LEDGER", journal.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	fill(t, one, 1, 2)
	fill(t, two, 1, 1)
	wantBounds(t, one, 1, 3)
	wantBounds(t, two, 1, 2)
	trim(t, two, 2)
	wantRecords(t, one, 1, entries(1, 2))
}

func testLarge(t *testing.T, p *place) {
	log := p.log(t, journal.Limits{})
	large := bytes.Repeat([]byte("0123456789abcdef"), 8<<20/16)
	appendOne(t, log, "large", large)
	appendOne(t, log, "small", body(2))
	p.reopen(t)
	got := readAll(t, p.log(t, journal.Limits{}), 1)
	if len(got) != 2 || got[0].Body != string(large) || got[1].Body != string(body(2)) {
		t.Errorf("a record of %d bytes and a small one do not come back: got %d records", len(large), len(got))
	}
}

func testConcurrent(t *testing.T, p *place) {
	log := p.log(t, journal.Limits{})
	const writers, each = 8, 10
	want := make([]entry, writers*each+1)
	var all sync.WaitGroup
	for w := range writers {
		all.Go(func() {
			for i := range each {
				id := fmt.Sprintf("%d-%d", w, i)
				seq := appendOne(t, log, id, []byte(id))
				want[seq] = entry{seq, id} // a place given twice is a race, too
			}
		})
	}
	all.Wait()
	wantRecords(t, log, 1, want[1:])
}

func testReadWhileAppending(t *testing.T, p *place) {
	log := p.log(t, journal.Limits{})
	var writer sync.WaitGroup
	writer.Go(func() { fill(t, log, 1, 100) })
	for n := 0; n < 100; {
		got := readAll(t, log, 1)
		if !slices.Equal(got, entries(1, len(got))) || len(got) < n {
			t.Fatalf("reading during appends: got %d records that are not the first ones", len(got))
		}
		n = len(got)
		time.Sleep(time.Microsecond) // in a bubble the writer only goes on when everybody waits
	}
	writer.Wait()
}

func testFull(t *testing.T, p *place) {
	log := p.log(t, journal.Limits{MaxBytes: 64 << 10})
	record := make([]byte, 4<<10)
	n := 0
	for {
		_, err := log.Append(t.Context(), fmt.Sprint(n), record)
		if errors.Is(err, journal.ErrFull) {
			break
		}
		if errors.Is(err, journal.ErrUnavailable) {
			continue
		}
		if n++; err != nil || n > 16 {
			t.Fatalf("want %v within 16 records of 4 KiB, got %v after %d", journal.ErrFull, err, n)
		}
	}
	if n < 8 {
		t.Errorf("full after %d records of 4 KiB", n)
	}
	trim(t, log, 5)
	appendOne(t, log, "after", body(1))
	if got := readAll(t, log, 1); len(got) != n-4+1 || got[len(got)-1].Body != string(body(1)) {
		t.Errorf("after the trim: want %d records, got %d", n-4+1, len(got))
	}
}

func testCancelled(t *testing.T, p *place) {
	log := p.log(t, journal.Limits{})
	fill(t, log, 1, 1)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := log.Append(ctx, "x", body(2)); err == nil {
		t.Error("append with a cancelled context: want an error")
	}
	if err := log.Read(ctx, 1, func(journal.Seq, []byte) error { return nil }); err == nil {
		t.Error("read with a cancelled context: want an error")
	}
}

func testClosed(t *testing.T, p *place) {
	log := p.log(t, journal.Limits{})
	fill(t, log, 1, 1)
	p.close(t)
	if _, err := log.Append(t.Context(), "x", body(2)); !errors.Is(err, journal.ErrClosed) {
		t.Errorf("append: want %v, got %v", journal.ErrClosed, err)
	}
	if err := log.Read(t.Context(), 1, func(journal.Seq, []byte) error { return nil }); !errors.Is(err, journal.ErrClosed) {
		t.Errorf("read: want %v, got %v", journal.ErrClosed, err)
	}
	if err := log.Trim(t.Context(), 2); !errors.Is(err, journal.ErrClosed) {
		t.Errorf("trim: want %v, got %v", journal.ErrClosed, err)
	}
	if _, err := p.store.Open(t.Context(), "LATE", journal.Limits{}); !errors.Is(err, journal.ErrClosed) {
		t.Errorf("open: want %v, got %v", journal.ErrClosed, err)
	}
	p.store = p.open()
}
