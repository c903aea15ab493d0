package jetstream_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"butler/internal/journal"
	"butler/internal/journal/jetstream"
)

// yard is a journal whose files are damaged while it is closed.
type yard struct {
	t    *testing.T
	dir  string
	logs *observer.ObservedLogs
}

// recordText is long, so that a few hundred records need several blocks (of 8 MB).
func recordText(n int) string { return fmt.Sprintf("record %d %s", n, strings.Repeat("x", 40_000)) }

func newYard(t *testing.T, records int) *yard {
	t.Helper()
	y := &yard{t: t, dir: filepath.Join(t.TempDir(), "journal [1]")}
	store := y.open()
	log := openLog(t, store, journal.Limits{})
	for n := 1; n <= records; n++ {
		if _, err := log.Append(t.Context(), fmt.Sprint(n), []byte(recordText(n))); err != nil {
			t.Fatal(err)
		}
	}
	y.close(store)
	return y
}

func (y *yard) open() *jetstream.Store {
	y.t.Helper()
	core, logs := observer.New(zap.InfoLevel)
	y.logs = logs
	store, err := jetstream.Open(y.t.Context(), jetstream.Options{Dir: y.dir, Logger: zap.New(core)})
	if err != nil {
		y.t.Fatal(err)
	}
	return store
}

func (y *yard) close(s *jetstream.Store) {
	y.t.Helper()
	if err := s.Close(); err != nil {
		y.t.Fatal(err)
	}
}

// kill makes the diary look as if the last process had not closed the store.
func (y *yard) kill() {
	y.t.Helper()
	y.change(filepath.Join(y.dir, "DIARY"), func(body []byte) []byte {
		return bytes.Replace(body, []byte(`"closed":true`), []byte(`"closed":false`), 1)
	})
}

// closeAsIfKilled closes the store, but restores the diary from before that.
func (y *yard) closeAsIfKilled(s *jetstream.Store) {
	y.t.Helper()
	path := filepath.Join(y.dir, "DIARY")
	noted, err := os.ReadFile(path)
	if err != nil {
		y.t.Fatal(err)
	}
	y.close(s)
	y.change(path, func([]byte) []byte { return noted })
}

func (y *yard) remove(path string) {
	y.t.Helper()
	if err := os.RemoveAll(path); err != nil {
		y.t.Fatal(err)
	}
}

func (y *yard) stream() string {
	return filepath.Join(y.dir, "jetstream", "$G", "streams", "BUTLER_EVENTS")
}

// blocks returns the block files, in order.
func (y *yard) blocks() []string {
	y.t.Helper()
	entries, err := os.ReadDir(filepath.Join(y.stream(), "msgs"))
	var files []string
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".blk") {
			files = append(files, filepath.Join(y.stream(), "msgs", e.Name()))
		}
	}
	if err != nil || len(files) == 0 {
		y.t.Fatalf("no blocks: %v", err)
	}
	slices.SortFunc(files, func(a, b string) int { return len(a)*100 + strings.Compare(a, b) - len(b)*100 })
	return files
}

// change rewrites a file.
func (y *yard) change(file string, how func([]byte) []byte) {
	y.t.Helper()
	body, err := os.ReadFile(file)
	if err == nil {
		err = os.WriteFile(file, how(body), 0o600)
	}
	if err != nil {
		y.t.Fatal(err)
	}
}

// flip changes one bit of the text of a record.
func flip(n int) func([]byte) []byte {
	return func(body []byte) []byte {
		at := bytes.Index(body, []byte(fmt.Sprintf("record %d xxx", n)))
		if at < 0 {
			panic(fmt.Sprintf("record %d is not in this block", n))
		}
		body[at+100] ^= 4
		return body
	}
}

// readable returns the readable records from 1 to n, and checks their text.
func readable(t *testing.T, log journal.Log) []int {
	t.Helper()
	var out []int
	err := log.Read(t.Context(), 1, func(seq journal.Seq, body []byte) error {
		if string(body) != recordText(int(seq)) {
			t.Errorf("record %d reads %.20q", seq, body)
		}
		out = append(out, int(seq))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func without(n int, gone ...int) []int {
	var out []int
	for i := 1; i <= n; i++ {
		if !slices.Contains(gone, i) {
			out = append(out, i)
		}
	}
	return out
}

func TestOpen_keepsEverythingThatIsWholeInADamagedDirectory(t *testing.T) {
	const records = 600
	last := func(y *yard) string { b := y.blocks(); return b[len(b)-1] }
	holds := func(file string, n int) bool {
		body, _ := os.ReadFile(file)
		return bytes.Contains(body, []byte(fmt.Sprintf("record %d xxx", n)))
	}
	for _, row := range []struct {
		name   string
		damage func(*yard)
		gone   []int
		// bytes says whether unreadable bytes are found, and a copy is kept.
		bytes bool
	}{
		{"a bit of the first record", func(y *yard) { y.change(y.blocks()[0], flip(1)) }, []int{1}, true},
		{"a bit in the middle of the first block", func(y *yard) { y.change(y.blocks()[0], flip(7)) }, []int{7}, true},
		{"bits of two records", func(y *yard) { y.change(y.blocks()[0], flip(7)); y.change(y.blocks()[0], flip(9)) }, []int{7, 9}, true},
		{"the length of a record", func(y *yard) {
			y.change(y.blocks()[0], func(body []byte) []byte {
				at := bytes.Index(body, []byte("record 8 xxx"))
				head := bytes.LastIndex(body[:at], []byte("BUTLER.EVENTS")) - 22
				copy(body[head:], []byte{0xff, 0xff, 0xff, 0x7f})
				return body
			})
		}, []int{8}, true},
		{"a page of zeros", func(y *yard) {
			y.change(y.blocks()[0], func(body []byte) []byte {
				at := bytes.Index(body, []byte("record 20 xxx"))
				clear(body[at : at+60_000])
				return body
			})
		}, []int{20, 21}, true},
		{"a bit in the last block", func(y *yard) { y.change(last(y), flip(records-2)) }, []int{records - 2}, true},
		{"a bit of the last record", func(y *yard) { y.change(last(y), flip(records)) }, []int{records}, true},
		{"the last block cut off", func(y *yard) {
			y.change(last(y), func(body []byte) []byte { return body[:bytes.Index(body, []byte("record 599 xxx"))] })
		}, []int{599, 600}, true},
		{"the last block cut off where a record ends", func(y *yard) {
			y.change(last(y), func(body []byte) []byte {
				at := bytes.Index(body, []byte("record 599 xxx"))
				return body[:bytes.LastIndex(body[:at], []byte("BUTLER.EVENTS"))-22]
			})
		}, []int{599, 600}, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			y := newYard(t, records)
			if blocks := y.blocks(); len(blocks) < 2 || holds(blocks[0], records) {
				t.Fatalf("want several blocks, got %v", blocks)
			}
			row.damage(y)
			store := y.open()
			log := openLog(t, store, journal.Limits{})
			if got, want := readable(t, log), without(records, row.gone...); !slices.Equal(got, want) {
				t.Errorf("want %d records without %v, got %d", len(want), row.gone, len(got))
			}
			damage := store.Damage()
			if len(damage) != 1 || damage[0].Log != "EVENTS" || (damage[0].Bytes > 0) != row.bytes || damage[0].Lost != int64(len(row.gone)) {
				t.Errorf("want %d lost records told, got %+v", len(row.gone), damage)
			}
			if n := y.logs.FilterMessageSnippet("files of the journal are damaged").Len(); n != 1 {
				t.Errorf("want one error in the log, got %d", n)
			}
			if store.Kept() == "" {
				t.Error("want what was found kept for the operator")
			}
			if expected := log.(journal.Remembered).Expected(); expected != records+1 {
				t.Errorf("want it known that the next record was %d, got %d", records+1, expected)
			}
			y.close(store)

			again := y.open()
			defer y.close(again)
			if damage := again.Damage(); damage != nil {
				t.Errorf("want damage told once, got %+v", damage)
			}
			if again.Kept() == "" {
				t.Error("want the copy kept until somebody removes it")
			}
		})
	}
}

func TestOpen_tellsOfFilesThatAreGone(t *testing.T) {
	const records = 600
	// remove removes a block and returns the number of its records.
	remove := func(y *yard, block string) int {
		body, err := os.ReadFile(block)
		if err == nil {
			err = os.Remove(block)
		}
		if err != nil {
			y.t.Fatal(err)
		}
		return bytes.Count(body, []byte("record "))
	}
	for _, row := range []struct {
		name string
		loss func(*yard) int
	}{
		{"the first block", func(y *yard) int { return remove(y, y.blocks()[0]) }},
		{"a block in the middle", func(y *yard) int { return remove(y, y.blocks()[1]) }},
		{"the last block", func(y *yard) int { b := y.blocks(); return remove(y, b[len(b)-1]) }},
		{"all blocks", func(y *yard) (n int) {
			for _, b := range y.blocks() {
				n += remove(y, b)
			}
			return n
		}},
		{"the directory of the log", func(y *yard) int { y.remove(y.stream()); return records }},
		{"the directory of the log, and the copy of its description", func(y *yard) int {
			y.remove(y.stream())
			y.remove(filepath.Join(y.dir, "meta"))
			return records
		}},
		{"everything of the server", func(y *yard) int { y.remove(filepath.Join(y.dir, "jetstream")); return records }},
	} {
		for _, end := range []string{"closed", "killed"} {
			t.Run(row.name+" after it was "+end, func(t *testing.T) {
				y := newYard(t, records)
				if end == "killed" {
					y.kill()
				}
				lost := row.loss(y)
				store := y.open()
				defer func() { y.close(store) }()
				if damage := store.Damage(); len(damage) != 1 || damage[0].Log != "EVENTS" || damage[0].Lost != int64(lost) {
					t.Errorf("want %d lost records told, got %+v", lost, damage)
				}
				log := openLog(t, store, journal.Limits{})
				if got := readable(t, log); len(got) != records-lost {
					t.Errorf("want the other %d records, got %d", records-lost, len(got))
				}
				if expected := log.(journal.Remembered).Expected(); expected != records+1 {
					t.Errorf("want it known that the next record was %d, got %d", records+1, expected)
				}
				y.close(store)
				if store = y.open(); store.Damage() != nil {
					t.Errorf("want it told once, got %+v", store.Damage())
				}
			})
		}
	}
}

func TestOpen_tellsALossOnceAlsoWhenItIsKilledBeforeItGoesOn(t *testing.T) {
	y := newYard(t, 600)
	blocks := y.blocks()
	y.remove(blocks[len(blocks)-1])
	y.close(y.open())
	y.kill()
	store := y.open()
	log := openLog(t, store, journal.Limits{})
	if expected := log.(journal.Remembered).Expected(); expected != 601 {
		t.Errorf("want the place of the next record still known, got %d", expected)
	}
	if _, err := log.Append(t.Context(), "more", []byte("more")); err != nil {
		t.Fatal(err)
	}
	y.close(store)
	y.kill()
	store = y.open()
	defer y.close(store)
	if damage := store.Damage(); damage != nil {
		t.Errorf("want nothing told again, got %+v", damage)
	}
}

func TestStore_takesTheWordOfAReaderThatRecordsAreLost(t *testing.T) {
	y := newYard(t, 3)
	store := y.open()
	defer y.close(store)
	lost := journal.Damage{Log: "EVENTS", Lost: 4}
	store.Tell(lost)
	if damage := store.Damage(); len(damage) != 1 || damage[0] != lost {
		t.Errorf("want %+v, got %+v", lost, damage)
	}
	if n := y.logs.FilterMessageSnippet("files of the journal are damaged").Len(); n != 1 || store.Kept() == "" {
		t.Errorf("want one error in the log and a note for the operator, got %d and %q", n, store.Kept())
	}
}

func TestOpen_putsBackTheDescriptionOfALog(t *testing.T) {
	for _, name := range []string{"meta.inf", "meta.sum"} {
		t.Run(name, func(t *testing.T) {
			y := newYard(t, 10)
			y.change(filepath.Join(y.stream(), name), func(body []byte) []byte { body[len(body)/2] ^= 1; return body })
			store := y.open()
			defer y.close(store)
			if got := readable(t, openLog(t, store, journal.Limits{})); len(got) != 10 {
				t.Errorf("want all 10 records, got %v", got)
			}
		})
	}
	t.Run("without a copy", func(t *testing.T) {
		y := newYard(t, 10)
		if err := os.RemoveAll(filepath.Join(y.dir, "meta")); err != nil {
			t.Fatal(err)
		}
		y.change(filepath.Join(y.stream(), "meta.inf"), func([]byte) []byte { return nil })
		if _, err := jetstream.Open(t.Context(), jetstream.Options{Dir: y.dir}); err == nil || !strings.Contains(err.Error(), "restore") {
			t.Errorf("want a log with records never replaced by an empty one, got %v", err)
		}
	})
}

func TestOpen_takesTheTornEndOfAKilledProcessForWhatItIs(t *testing.T) {
	y := newYard(t, 10)
	y.kill()
	blocks := y.blocks()
	y.change(blocks[len(blocks)-1], func(body []byte) []byte { return append(body, body[:100]...) })
	store := y.open()
	defer y.close(store)
	if damage := store.Damage(); damage != nil {
		t.Errorf("want no damage, got %+v", damage)
	}
	if got := readable(t, openLog(t, store, journal.Limits{})); len(got) != 10 {
		t.Errorf("want all 10 records, got %v", got)
	}
}

func TestOpen_findsNothingInAJournalThatWasUsedWell(t *testing.T) {
	for _, end := range []struct {
		name string
		stop func(*yard, *jetstream.Store)
	}{{"closed", (*yard).close}, {"killed", (*yard).closeAsIfKilled}} {
		t.Run(end.name, func(t *testing.T) {
			y := newYard(t, 300)
			store := y.open()
			log := openLog(t, store, journal.Limits{})
			for _, before := range []journal.Seq{2, 150, 299, 301, 500} {
				if err := log.Trim(t.Context(), before); err != nil {
					t.Fatal(err)
				}
				end.stop(y, store)
				store = y.open()
				if damage := store.Damage(); damage != nil {
					t.Errorf("after trimming to %d: want no damage, got %+v", before, damage)
				}
				log = openLog(t, store, journal.Limits{})
			}
			if _, err := log.Append(t.Context(), "more", []byte("more")); err != nil {
				t.Fatal(err)
			}
			end.stop(y, store)
			store = y.open()
			defer y.close(store)
			if damage := store.Damage(); damage != nil || store.Kept() != "" {
				t.Errorf("want no damage, got %+v", damage)
			}
		})
	}
}
