package journaltest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"butler/internal/journal"
)

var ledgerTests = []test{
	{"shows a commit once it is done", testCommit},
	{"finds everything after a restart", testLedgerReopened},
	{"keeps the order of commits", testCommitOrder},
	{"keeps large values on disk and returns them", testLargeValues},
	{"refuses what fits no record", testCommitTooLarge},
	{"compacts without losing anything", testCompaction},
	{"ends with ErrClosed", testLedgerClosed},
}

const ledgerName = "STATE"

func (p *place) ledger(t *testing.T) *journal.Ledger {
	t.Helper()
	for {
		log, err := p.store.Open(t.Context(), ledgerName, journal.Limits{})
		if err != nil {
			t.Fatalf("open log: %v", err)
		}
		l, err := journal.OpenLedger(t.Context(), log, journal.LedgerOptions{})
		if err == nil {
			return l
		}
		if !errors.Is(err, journal.ErrUnavailable) {
			t.Fatalf("open ledger: %v", err)
		}
	}
}

// closing is a Ledger or a Queue.
type closing interface {
	Close(ctx context.Context) error
}

func closeAll(t *testing.T, all ...closing) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Minute)
	defer cancel()
	for _, c := range all {
		if err := c.Close(ctx); err != nil {
			t.Errorf("close: %v", err)
		}
	}
}

// commit commits and waits. Its caller's memory is used again at once.
func commit(t *testing.T, l *journal.Ledger, ops ...journal.Op) {
	t.Helper()
	done := make(chan error, 1)
	l.Commit(ops, func(err error) { done <- err })
	for i, op := range ops {
		clear(op.Value)
		ops[i] = journal.Op{}
	}
	if err := <-done; err != nil {
		t.Fatalf("commit: %v", err)
	}
}

func put(b journal.Bucket, key, value string) journal.Op {
	return journal.Op{Bucket: b, Key: key, Value: []byte(value)}
}

func remove(b journal.Bucket, key string) journal.Op { return journal.Op{Bucket: b, Key: key} }

// content returns what Range shows of a bucket.
func content(t *testing.T, l *journal.Ledger, b journal.Bucket) map[string]string {
	t.Helper()
	for {
		got := map[string]string{}
		err := l.Range(b, func(key string, value []byte) bool {
			got[key] = string(value)
			return true
		})
		if err == nil {
			if l.Len(b) != len(got) {
				t.Errorf("bucket %s: length %d, but %d keys", b, l.Len(b), len(got))
			}
			return got
		}
		if !errors.Is(err, journal.ErrUnavailable) {
			t.Fatalf("range over %s: %v", b, err)
		}
	}
}

func wantContent(t *testing.T, l *journal.Ledger, b journal.Bucket, want map[string]string) {
	t.Helper()
	if diff := cmp.Diff(want, content(t, l, b)); diff != "" {
		t.Errorf("bucket %s (-want +got):\n%s", b, diff)
	}
}

func testCommit(t *testing.T, p *place) {
	l := p.ledger(t)
	defer closeAll(t, l)
	if _, ok, err := l.Get("notice", "a"); ok || err != nil {
		t.Errorf("unknown key: want nothing, got %v, %v", ok, err)
	}
	commit(t, l, put("notice", "a", "1"), put("notice", "b", ""), put("kv", "a", "other bucket"))
	for _, want := range []journal.Op{put("notice", "a", "1"), put("notice", "b", ""), put("kv", "a", "other bucket")} {
		got, ok, err := l.Get(want.Bucket, want.Key)
		if !ok || err != nil || !bytes.Equal(got, want.Value) {
			t.Errorf("%s %s: want %q, got %q, %v, %v", want.Bucket, want.Key, want.Value, got, ok, err)
		}
	}
	commit(t, l, put("notice", "a", "2"), remove("notice", "b"), remove("notice", "never there"))
	wantContent(t, l, "notice", map[string]string{"a": "2"})
	if got := l.Stats(); got.Keys != 2 || got.Commits != 2 || got.LiveBytes == 0 || got.LogBytes == 0 {
		t.Errorf("stats: want 2 keys and 2 commits with their sizes, got %+v", got)
	}
	if err := l.Writable(); err != nil {
		t.Errorf("after a commit: want healthy, got %v", err)
	}
}

func testLedgerReopened(t *testing.T, p *place) {
	l := p.ledger(t)
	commit(t, l, put("x", "a", "1"), put("x", "b", "1"), put("y", "c", "1"))
	commit(t, l, put("x", "a", "2"), remove("x", "b"))
	before := l.Stats()
	closeAll(t, l)
	p.reopen(t)
	l = p.ledger(t)
	defer closeAll(t, l)
	wantContent(t, l, "x", map[string]string{"a": "2"})
	wantContent(t, l, "y", map[string]string{"c": "1"})
	if after := l.Stats(); after.Keys != before.Keys || after.LiveBytes != before.LiveBytes {
		t.Errorf("stats after the restart: want %+v, got %+v", before, after)
	}
}

func testCommitOrder(t *testing.T, p *place) {
	l := p.ledger(t)
	const n = 500
	done := make(chan int, n)
	for i := range n {
		l.Commit([]journal.Op{put("x", "a", fmt.Sprint(i)), put("x", fmt.Sprint(i), "")}, func(err error) {
			if err != nil {
				i = -1
			}
			done <- i
		})
	}
	for want := range n {
		if got := <-done; got != want {
			t.Fatalf("callback %d: got that of %d", want, got)
		}
	}
	if got := content(t, l, "x"); got["a"] != fmt.Sprint(n-1) || len(got) != n+1 {
		t.Errorf("want the last value and %d keys, got %s and %d", n+1, got["a"], len(got))
	}
	if s := l.Stats(); s.Records >= s.Commits {
		t.Errorf("group commit: want fewer records than commits, got %+v", s)
	}
	closeAll(t, l)
}

func testLargeValues(t *testing.T, p *place) {
	l := p.ledger(t)
	want := map[string]string{}
	for i := range 40 {
		key := fmt.Sprint(i)
		want[key] = key + string(bytes.Repeat([]byte{byte(i)}, 511*(i%3)*100))
		commit(t, l, put("x", key, want[key]))
	}
	wantContent(t, l, "x", want)
	closeAll(t, l)
	p.reopen(t)
	l = p.ledger(t)
	defer closeAll(t, l)
	wantContent(t, l, "x", want)
}

func testCommitTooLarge(t *testing.T, p *place) {
	l := p.ledger(t)
	defer closeAll(t, l)
	done := make(chan error, 2)
	l.Commit([]journal.Op{put("x", "small", "1"), {Bucket: "x", Key: "large", Value: make([]byte, 20<<20)}}, func(err error) { done <- err })
	l.Commit([]journal.Op{put("x", "next", "1")}, func(err error) { done <- err })
	if err := <-done; !errors.Is(err, journal.ErrTooLarge) {
		t.Errorf("20 MiB: want %v, got %v", journal.ErrTooLarge, err)
	}
	if err := <-done; err != nil {
		t.Errorf("the commit behind it: %v", err)
	}
	wantContent(t, l, "x", map[string]string{"next": "1"})
}

func testCompaction(t *testing.T, p *place) {
	l := p.ledger(t)
	want := map[string]string{}
	for i := range 20 {
		want[fmt.Sprint("old ", i)] = fmt.Sprint(i)
	}
	for key, value := range want {
		commit(t, l, put("x", key, value))
	}
	large := noise(1<<20, 0)
	for i := range 24 {
		key := fmt.Sprint("new ", i%2)
		want[key] = large + fmt.Sprint(i)
		commit(t, l, put("x", key, want[key]), put("x", "gone", "1"))
	}
	commit(t, l, remove("x", "gone"))
	for _, log := 0, l.Stats().LogBytes; log > 16<<20; log = l.Stats().LogBytes {
		time.Sleep(time.Millisecond) // the ledger compacts by itself, between commits
	}
	if s := l.Stats(); s.Moved == 0 {
		t.Errorf("want entries moved, got %+v", s)
	}
	wantContent(t, l, "x", maps.Clone(want))
	closeAll(t, l)
	p.reopen(t)
	l = p.ledger(t)
	defer closeAll(t, l)
	wantContent(t, l, "x", want)
}

func testLedgerClosed(t *testing.T, p *place) {
	l := p.ledger(t)
	done := make(chan error, 2)
	l.Commit([]journal.Op{put("x", "a", "1")}, func(err error) { done <- err })
	closeAll(t, l, l)
	if err := <-done; err != nil {
		t.Errorf("commit before Close: %v", err)
	}
	l.Commit([]journal.Op{put("x", "b", "1")}, func(err error) { done <- err })
	if err := <-done; !errors.Is(err, journal.ErrClosed) {
		t.Errorf("commit after Close: want %v, got %v", journal.ErrClosed, err)
	}
	wantContent(t, l, "x", map[string]string{"a": "1"})
}
