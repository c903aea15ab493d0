package jetstream_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"butler/internal/journal"
	"butler/internal/journal/jetstream"
)

// torn is a journal as the service uses it: events in a queue, state in a ledger.
type torn struct {
	*yard
	store  *jetstream.Store
	ledger *journal.Ledger
	queue  *journal.Queue
}

func openTorn(t *testing.T, dir string) *torn {
	t.Helper()
	y := &torn{yard: &yard{t: t, dir: dir}}
	store, err := jetstream.Open(t.Context(), jetstream.Options{Dir: dir, SyncInterval: time.Minute}) // one of many, and none needs a sync
	if err != nil {
		t.Fatal(err)
	}
	y.store = store
	y.ledger = y.openLedger()
	log, err := y.store.Open(t.Context(), "events", journal.Limits{})
	if err == nil {
		y.queue, err = journal.OpenQueue(t.Context(), "events", log, y.ledger, journal.QueueOptions{KeepFor: time.Hour})
	}
	if err != nil {
		t.Fatal(err)
	}
	return y
}

func (y *torn) openLedger() *journal.Ledger {
	y.t.Helper()
	log, err := y.store.Open(y.t.Context(), "ledger", journal.Limits{})
	if err != nil {
		y.t.Fatal(err)
	}
	ledger, err := journal.OpenLedger(y.t.Context(), log, journal.LedgerOptions{})
	if err != nil {
		y.t.Fatal(err)
	}
	return ledger
}

// write adds one record with all the texts to each log, and waits for both.
func (y *torn) write(texts ...string) {
	y.t.Helper()
	done := make(chan error, 2)
	var entries [][]byte
	var ops []journal.Op
	for _, text := range texts {
		entries = append(entries, []byte(text))
		ops = append(ops, journal.Op{Bucket: "test", Key: text, Value: []byte("of " + text)})
	}
	y.queue.Append(entries, func(_ journal.Seq, _ int, err error) { done <- err })
	y.ledger.Commit(ops, func(err error) { done <- err })
	if err := errors.Join(<-done, <-done); err != nil {
		y.t.Fatal(err)
	}
}

func (y *torn) end() {
	y.t.Helper()
	ctx := y.t.Context()
	if err := errors.Join(y.queue.Close(ctx), y.ledger.Close(ctx)); err != nil {
		y.t.Fatal(err)
	}
	y.close(y.store)
}

// holds returns the events and the state.
func (y *torn) holds() (events, state []string) {
	y.t.Helper()
	err := errors.Join(
		y.queue.Range(y.t.Context(), 1, func(r journal.Record) error {
			for _, entry := range r.Entries {
				events = append(events, string(entry))
			}
			return nil
		}),
		y.ledger.Range("test", func(key string, value []byte) bool {
			if string(value) != "of "+key {
				y.t.Errorf("want the whole value of %s, got %q", key, value)
			}
			state = append(state, key)
			return true
		}))
	if err != nil {
		y.t.Fatal(err)
	}
	return events, slices.Sorted(slices.Values(state))
}

// lastBlock returns the block file of a log, and where its last record begins and ends.
func lastBlock(t *testing.T, dir, stream string) (path string, begin, end int) {
	t.Helper()
	path = filepath.Join("jetstream", "$G", "streams", stream, "msgs", "1.blk")
	body, err := os.ReadFile(filepath.Join(dir, path))
	if err != nil {
		t.Fatal(err)
	}
	const hasHeaders = 1 << 31
	for at := 0; at < len(body); {
		begin = at
		at += int(binary.LittleEndian.Uint32(body[at:]) &^ hasHeaders)
	}
	return path, begin, len(body)
}

// similar returns the texts of a record that is worth compressing.
func similar() []string {
	var texts []string
	for n := range 128 {
		texts = append(texts, fmt.Sprintf("/scheduler-task-failed/;node1;Daily sales;Sales;LAB\\joe;%08x-b5a6-7890-1234-567890abcdef;WARN;Max retries reached", n))
	}
	return texts
}

// TestOpen_keepsEveryCompleteRecordWhereverTheLastIsCut cuts both logs of a killed
// process at every byte of their last record; a long record is cut near both ends, and
// at intervals in between.
func TestOpen_keepsEveryCompleteRecordWhereverTheLastIsCut(t *testing.T) {
	for name, row := range map[string]struct {
		last []string
		// ends is the number of bytes at each end that are cut one by one, step the
		// distance between the other cuts.
		ends, step int
		compressed bool
	}{
		"a small record":           {last: []string{"three"}, step: 1},
		"a compressed one of many": {last: similar(), ends: 32, step: 101, compressed: true},
	} {
		t.Run(name, func(t *testing.T) {
			c := cutsOf(t, row.last)
			if last := c.body(t, "BUTLER_events"); bytes.Contains(last, []byte(row.last[len(row.last)-1])) == row.compressed {
				t.Fatalf("want the last record compressed: %v, got %q", row.compressed, last)
			}
			c.ends, c.step = row.ends, row.step
			if testing.Short() {
				c.ends, c.step = min(c.ends, 3), max(5*c.step, 13)
			}
			c.everywhere(t)
		})
	}
}

// tail is the journal of a killed process, with one more record in each log, to be cut.
type tail struct {
	dir string
	// last are the texts in the last record.
	last []string
	// files holds the bounds of the last record of each log, by the path of its file.
	files      map[string][2]int
	ends, step int
}

// cutsOf returns a journal that ends with a record of these texts.
func cutsOf(t *testing.T, last []string) *tail {
	t.Helper()
	whole := filepath.Join(t.TempDir(), "whole")
	y := openTorn(t, whole)
	y.write("one")
	y.write("two")
	y.write(last...)
	killed := t.TempDir() // what a process leaves that is killed now
	if err := os.CopyFS(filepath.Join(killed, "journal"), os.DirFS(whole)); err != nil {
		t.Fatal(err)
	}
	y.end()
	c := &tail{dir: filepath.Join(killed, "journal"), last: last, files: map[string][2]int{}}
	for _, stream := range []string{"BUTLER_events", "BUTLER_ledger"} {
		path, begin, end := lastBlock(t, c.dir, stream)
		c.files[path] = [2]int{begin, end}
	}
	return c
}

// body returns the last record of a log.
func (c *tail) body(t *testing.T, stream string) []byte {
	t.Helper()
	path, begin, _ := lastBlock(t, c.dir, stream)
	body, err := os.ReadFile(filepath.Join(c.dir, path))
	if err != nil {
		t.Fatal(err)
	}
	return body[begin:]
}

// everywhere cuts both logs at the same distance from the beginning of their last record,
// and then from its end.
func (c *tail) everywhere(t *testing.T) {
	t.Helper()
	longest := 0
	for _, place := range c.files {
		longest = max(longest, place[1]-place[0])
	}
	for n := 0; n <= longest; {
		c.wantsWhole(t, func(place [2]int) int { return min(place[0]+n, place[1]) })
		if n < c.ends {
			n++
		} else {
			n += c.step
		}
	}
	for n := range min(c.ends, longest) {
		c.wantsWhole(t, func(place [2]int) int { return max(place[1]-n, place[0]) })
	}
}

// wantsWhole opens a truncated copy of the journal, and checks that it finds everything
// that is whole.
func (c *tail) wantsWhole(t *testing.T, cut func(place [2]int) int) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "cut")
	if err := os.CopyFS(dir, os.DirFS(c.dir)); err != nil {
		t.Fatal(err)
	}
	want, cuts := map[string][]string{}, map[string]int{}
	for path, place := range c.files {
		stream := filepath.Base(filepath.Dir(filepath.Dir(path)))
		want[stream], cuts[stream] = []string{"one", "two"}, cut(place)-place[0]
		if cut(place) == place[1] {
			want[stream] = append(want[stream], c.last...)
		}
		if err := os.Truncate(filepath.Join(dir, path), int64(cut(place))); err != nil {
			t.Fatal(err)
		}
	}
	y := openTorn(t, dir)
	defer y.end()
	if damage := y.store.Damage(); damage != nil {
		t.Errorf("cut after %v: want a write that was under way taken for that, got %+v", cuts, damage)
	}
	events, state := y.holds()
	if diff := cmp.Diff(want["BUTLER_events"], events); diff != "" {
		t.Errorf("cut after %v: events (-want +got):\n%s", cuts, diff)
	}
	slices.Sort(want["BUTLER_ledger"])
	if diff := cmp.Diff(want["BUTLER_ledger"], state); diff != "" {
		t.Errorf("cut after %v: state (-want +got):\n%s", cuts, diff)
	}
	y.write("after")
	if events, state = y.holds(); !slices.Contains(events, "after") || !slices.Contains(state, "after") {
		t.Errorf("cut after %v: want the next record taken, got %v and %v", cuts, events, state)
	}
}
