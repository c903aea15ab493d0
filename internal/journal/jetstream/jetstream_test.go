package jetstream_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"butler/internal/journal"
	"butler/internal/journal/jetstream"
	"butler/internal/journal/journaltest"
)

func open(t *testing.T, opts jetstream.Options) *jetstream.Store {
	t.Helper()
	s, err := jetstream.Open(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func openLog(t *testing.T, s journal.Store, limits journal.Limits) journal.Log {
	t.Helper()
	log, err := s.Open(t.Context(), "EVENTS", limits)
	if err != nil {
		t.Fatal(err)
	}
	return log
}

// count returns the number of records in a log, and checks that none is missing in between.
func count(t *testing.T, log journal.Log) int {
	t.Helper()
	n := 0
	err := log.Read(t.Context(), 1, func(seq journal.Seq, _ []byte) error {
		if n++; seq != journal.Seq(n) {
			t.Errorf("record %d comes where %d should", seq, n)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// eventually retries an append with the same id while storage fails.
func eventually(t *testing.T, log journal.Log, id string) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for {
		_, err := log.Append(t.Context(), id, []byte(id))
		if err == nil {
			return
		}
		if time.Now().After(deadline) || !errors.Is(err, journal.ErrUnavailable) && !errors.Is(err, journal.ErrFull) {
			t.Fatalf("append %s: %v", id, err)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func TestStore_conforms(t *testing.T) {
	journaltest.Run(t, journaltest.Home{New: func(t *testing.T) func() journal.Store {
		return opener(t, jetstream.Options{Dir: t.TempDir()})
	}})
}

func opener(t *testing.T, opts jetstream.Options) func() journal.Store {
	return func() journal.Store {
		s, err := jetstream.Open(t.Context(), opts)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
}

func TestOpen_saysWhatIsWrongWithTheDirectory(t *testing.T) {
	taken := t.TempDir()
	open(t, jetstream.Options{Dir: taken})
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	rows := []struct {
		name string
		dir  string
		says []string
	}{
		{"none", "", []string{"needs a directory"}},
		{"used by another process", taken, []string{taken, "in use by another process", fmt.Sprint("pid ", os.Getpid())}},
		{"below a file", filepath.Join(file, "journal"), []string{"create journal directory", file}},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			_, err := jetstream.Open(t.Context(), jetstream.Options{Dir: row.dir})
			for _, says := range row.says {
				if err == nil || !strings.Contains(err.Error(), says) {
					t.Errorf("want an error that says %q, got %v", says, err)
				}
			}
		})
	}
}

func TestOpen_makesAPrivateDirectory(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "journal")
	open(t, jetstream.Options{Dir: dir})
	info, err := os.Stat(dir)
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Mode().Perm(); got != 0o700 && runtime.GOOS != "windows" { // it has no modes
		t.Errorf("mode: want 0700, got %o", got)
	}
}

func TestStore_refusesARecordThatIsTooLarge(t *testing.T) {
	log := openLog(t, open(t, jetstream.Options{Dir: t.TempDir()}), journal.Limits{})
	if _, err := log.Append(t.Context(), "1", make([]byte, 20<<20)); !errors.Is(err, journal.ErrTooLarge) {
		t.Errorf("want %v, got %v", journal.ErrTooLarge, err)
	}
}

func TestStore_changesTheLimitOfALog(t *testing.T) {
	s := open(t, jetstream.Options{Dir: t.TempDir()})
	openLog(t, s, journal.Limits{MaxBytes: 1 << 20})
	log := openLog(t, s, journal.Limits{MaxBytes: 1 << 10})
	if _, err := log.Append(t.Context(), "1", make([]byte, 2<<10)); !errors.Is(err, journal.ErrFull) {
		t.Errorf("want %v, got %v", journal.ErrFull, err)
	}
}

func TestStore_opensItsStorageAgainWhenItWasDisabled(t *testing.T) {
	core, lines := observer.New(zap.InfoLevel)
	s := open(t, jetstream.Options{Dir: t.TempDir(), Logger: zap.New(core)})
	events := openLog(t, s, journal.Limits{})
	other, err := s.Open(t.Context(), "LEDGER", journal.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, events, "before")
	if err := s.DisableStorage(); err != nil {
		t.Fatal(err)
	}
	eventually(t, events, "after")
	eventually(t, events, "before") // the reopened server knows the id
	eventually(t, other, "after")
	if n := count(t, events); n != 2 {
		t.Errorf("want 2 records, got %d", n)
	}
	for _, message := range []string{"journal storage failed and will be opened again", "journal storage opened again"} {
		if lines.FilterMessage(message).Len() != 1 {
			t.Errorf("want one line %q, got %v", message, lines.All())
		}
	}
}

func TestStore_readsWhatATornWriteLeft(t *testing.T) {
	dir := t.TempDir()
	s := open(t, jetstream.Options{Dir: dir})
	log := openLog(t, s, journal.Limits{})
	for i := range 10 {
		eventually(t, log, fmt.Sprint(i))
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	blocks, err := filepath.Glob(filepath.Join(dir, "jetstream", "*", "streams", "*", "msgs", "*.blk"))
	if err != nil || len(blocks) == 0 {
		t.Fatalf("no block files: %v", err)
	}
	// A killed process has not written this index, either.
	if err := os.Remove(filepath.Join(filepath.Dir(blocks[0]), "index.db")); err != nil {
		t.Fatal(err)
	}
	file, err := os.OpenFile(blocks[len(blocks)-1], os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = file.Write([]byte("\x90\x00\x00\x00half of a record that never was acknow"))
	if err := errors.Join(err, file.Close()); err != nil {
		t.Fatal(err)
	}
	log = openLog(t, open(t, jetstream.Options{Dir: dir}), journal.Limits{})
	if n := count(t, log); n != 10 {
		t.Errorf("want the 10 acknowledged records, got %d", n)
	}
	eventually(t, log, "after")
	if n := count(t, log); n != 11 {
		t.Errorf("want 11 records, got %d", n)
	}
}
