package journaltest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"butler/internal/journal"
)

var logTests = []test{
	{"reads back what was appended, in order, from 1", testAppendRead},
	{"adds nothing for an id it has", testSameID},
	{"remembers an id over a restart", testSameIDReopened},
	{"begins reading where it is told", testReadFrom},
	{"stops reading at the visitor's error", testReadStops},
	{"reads up to the end at the time of the call", testReadEnd},
	{"trims the front only", testTrim},
	{"never gives a place twice", testTrimTo(4)},
	{"leaves places out when it is trimmed behind its end", testTrimTo(100)},
	{"keeps bounds over a restart", testBoundsReopened},
	{"keeps logs apart", testTwoLogs},
	{"takes large records", testLarge},
	{"takes appends from many", testConcurrent},
	{"reads while others append", testReadWhileAppending},
	{"is full at its limit and has room after a trim", testFull},
	{"answers a cancelled context", testCancelled},
	{"answers ErrClosed after Close", testClosed},
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

// testTrimTo trims everything: what comes next has the place that was named,
// in a store that was opened again, too.
func testTrimTo(next int) func(*testing.T, *place) {
	return func(t *testing.T, p *place) {
		log, end := p.log(t, journal.Limits{}), journal.Seq(next)
		fill(t, log, 1, 3)
		trim(t, log, end)
		wantBounds(t, log, end, end)
		wantRecords(t, log, 1, nil)
		p.reopen(t)
		log = p.log(t, journal.Limits{})
		wantBounds(t, log, end, end)
		fill(t, log, next, 2)
		wantBounds(t, log, end, end+2)
		wantRecords(t, log, 1, entries(next, 2))
	}
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
