package journal_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"butler/internal/journal"
	"butler/internal/journal/memory"
)

// countedLog counts the records that are written to a log, and refuses them while it fails.
type countedLog struct {
	journal.Log
	records atomic.Int64
	failing atomic.Bool
}

func (c *countedLog) Append(ctx context.Context, id string, record []byte) (journal.Seq, error) {
	if c.failing.Load() {
		return 0, journal.ErrUnavailable
	}
	c.records.Add(1)
	return c.Log.Append(ctx, id, record)
}

func openNotes(t *testing.T, store journal.Store, opts journal.NotesOptions) (*journal.Notes, *countedLog) {
	t.Helper()
	log, err := store.Open(t.Context(), "notes", journal.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	c := &countedLog{Log: log}
	return journal.OpenNotes(t.Context(), c, opts), c
}

func noted(t *testing.T, n *journal.Notes) []string {
	t.Helper()
	var out []string
	if err := n.Range(t.Context(), func(r journal.Record) error {
		for _, e := range r.Entries {
			out = append(out, string(e))
		}
		return r.Damage
	}); err != nil {
		t.Fatalf("read the notes: %v", err)
	}
	return out
}

func flushed(t *testing.T, n *journal.Notes) {
	t.Helper()
	if err := n.Flush(t.Context()); err != nil {
		t.Fatalf("flush: %v", err)
	}
}

func closed(t *testing.T, n *journal.Notes) {
	t.Helper()
	if err := n.Close(t.Context()); err != nil {
		t.Fatalf("close: %v", err)
	}
}

func TestNotes_writesWhatComesTogetherAsOneRecord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, log := openNotes(t, memory.New(), journal.NotesOptions{KeepFor: time.Hour})
		for i := range 100 {
			n.Add(fmt.Appendf(nil, "note %d", i))
			time.Sleep(5 * time.Millisecond)
		}
		if got := log.records.Load(); got != 0 {
			t.Errorf("%d records were written within half a second, want none", got)
		}
		time.Sleep(time.Second)
		if got := log.records.Load(); got != 1 {
			t.Errorf("100 notes made %d records, want 1", got)
		}
		if got := noted(t, n); len(got) != 100 || got[99] != "note 99" {
			t.Errorf("read %d notes, the last %q", len(got), got[len(got)-1])
		}
		closed(t, n)
	})
}

func TestNotes_areReadableAfterFlushAndAfterClose(t *testing.T) {
	store := memory.New()
	n, _ := openNotes(t, store, journal.NotesOptions{KeepFor: time.Hour, Every: time.Hour})
	n.Add([]byte("one"))
	flushed(t, n)
	if got := noted(t, n); !slices.Equal(got, []string{"one"}) {
		t.Errorf("after Flush the notes are %q, want one", got)
	}
	n.Add([]byte("two"))
	closed(t, n)
	n.Add([]byte("late"))
	if got := n.Stats().Dropped; got != 1 {
		t.Errorf("%d notes were dropped after Close, want 1", got)
	}
	if err := n.Flush(t.Context()); !errors.Is(err, journal.ErrClosed) {
		t.Errorf("Flush after Close is %v, want ErrClosed", err)
	}
	again, _ := openNotes(t, store.Reopen(), journal.NotesOptions{KeepFor: time.Hour})
	defer closed(t, again)
	if got := noted(t, again); !slices.Equal(got, []string{"one", "two"}) {
		t.Errorf("after a restart the notes are %q, want both", got)
	}
}

func TestNotes_leaveOutWhatDoesNotFitWhileTheLogFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, log := openNotes(t, memory.New(), journal.NotesOptions{KeepFor: time.Hour, MaxWaiting: 100})
		log.failing.Store(true)
		n.Add([]byte("first"))
		if err := n.Flush(t.Context()); !errors.Is(err, journal.ErrUnavailable) {
			t.Errorf("Flush of a failing log is %v, want ErrUnavailable", err)
		}
		for range 5 {
			n.Add([]byte(strings.Repeat("x", 40)))
		}
		if s := n.Stats(); s.Dropped != 3 || s.Failures == 0 {
			t.Errorf("dropped %d after %d failures, want 3 after some", s.Dropped, s.Failures)
		}
		log.failing.Store(false)
		flushed(t, n)
		if got := noted(t, n); len(got) != 3 || got[0] != "first" {
			t.Errorf("the notes are %q, want first and two more", got)
		}
		closed(t, n)
	})
}

func TestNotes_areKeptForTheirTimeAndWithinTheirBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, _ := openNotes(t, memory.New(), journal.NotesOptions{KeepFor: time.Hour})
		n.Add([]byte("old"))
		time.Sleep(59 * time.Minute)
		n.Add([]byte("new"))
		flushed(t, n)
		if got := noted(t, n); !slices.Equal(got, []string{"old", "new"}) {
			t.Errorf("within their time the notes are %q", got)
		}
		time.Sleep(5 * time.Minute)
		if got := noted(t, n); !slices.Equal(got, []string{"new"}) {
			t.Errorf("after an hour the notes are %q, want the new one", got)
		}
		closed(t, n)
	})
	synctest.Test(t, func(t *testing.T) {
		n, log := openNotes(t, memory.New(), journal.NotesOptions{KeepFor: time.Hour, KeepBytes: 2000})
		for i := range 100 {
			n.Add(fmt.Appendf(nil, "%0100d", i))
			flushed(t, n)
			time.Sleep(time.Second)
		}
		if got := log.Bytes(); got > 2000 {
			t.Errorf("the log has %d bytes, want at most 2000", got)
		}
		if got := noted(t, n); len(got) == 0 || got[len(got)-1] != fmt.Sprintf("%0100d", 99) {
			t.Errorf("the newest note is gone")
		}
		closed(t, n)
	})
}

func TestNotes_makeRecordsOfABoundedSize(t *testing.T) {
	n, log := openNotes(t, memory.New(), journal.NotesOptions{KeepFor: time.Hour, Every: time.Hour})
	defer closed(t, n)
	for range 50 {
		n.Add(make([]byte, 100<<10))
	}
	flushed(t, n)
	if got := log.records.Load(); got != 3 {
		t.Errorf("5 MB of notes made %d records, want 3", got)
	}
	if got := noted(t, n); len(got) != 50 {
		t.Errorf("read %d notes, want 50", len(got))
	}
}

// In a flood several records wait for the disk, and the memory of each serves another one.
func TestNotes_keepsEveryEntryOfAFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, log := openNotes(t, memory.New(), journal.NotesOptions{KeepFor: time.Hour})
		var want []string
		for round := range 3 {
			log.failing.Store(round == 1)
			for i := range 100 { // 10 MB are five records
				want = append(want, fmt.Sprintf("round %d entry %d %s", round, i, strings.Repeat("x", 100_000)))
				n.Add([]byte(want[len(want)-1]))
				synctest.Wait()
			}
			log.failing.Store(false)
			for n.Flush(t.Context()) != nil {
				time.Sleep(time.Second)
			}
		}
		if got := noted(t, n); !slices.Equal(got, want) {
			t.Errorf("%d entries are kept, want %d, each as it was added", len(got), len(want))
		}
		if err := n.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
}

func TestNotes_readsTheNewestRecordsOnly(t *testing.T) {
	notes, _ := openNotes(t, memory.New(), journal.NotesOptions{KeepFor: time.Hour})
	defer func() { _ = notes.Close(t.Context()) }()
	for _, entry := range []string{"a", "b", "c"} {
		notes.Add([]byte(entry))
		flushed(t, notes)
	}
	for records, want := range map[int]string{0: "", 1: "c", 2: "bc", 3: "abc", 9: "abc"} {
		got := ""
		older, err := notes.Tail(t.Context(), records, func(r journal.Record) error {
			for _, e := range r.Entries {
				got += string(e)
			}
			return nil
		})
		if err != nil || got != want || older != (records < 3) {
			t.Errorf("%d records: want %q, got %q, older %v, %v", records, want, got, older, err)
		}
	}
}
