// Package journaltest is the conformance suite of journal.Store: what the port
// promises, and that the Ledger and the Queue keep their promises on top.
//
// It guarantees that a store which passes may be exchanged for another. A
// failing write is tried again with the same id, as the port asks for, so that
// stores with injected faults run the same suite. It must never depend on how a
// store works inside.
package journaltest

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"

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
