//go:build linux

package jetstream_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"butler/internal/journal"
	"butler/internal/journal/jetstream"
)

func TestMain(m *testing.M) {
	if runChild() {
		return
	}
	goleak.VerifyTestMain(m)
}

// The tests in this file run the test binary again, as a process to be killed or starved.
const (
	childMode = "BUTLER_JOURNAL_CHILD"
	childDir  = "BUTLER_JOURNAL_DIR"
	childRun  = "BUTLER_JOURNAL_RUN"
)

// runChild plays the role that the environment requests, if any.
func runChild() bool {
	var err error
	switch os.Getenv(childMode) {
	case "append":
		err = appendForever(os.Getenv(childDir), os.Getenv(childRun))
	case "flicker":
		err = flicker(os.Getenv(childDir), os.Getenv(childRun))
	case "starve":
		err = starve(os.Getenv(childDir))
	default:
		return false
	}
	fmt.Println("error:", err)
	return true
}

func child(t *testing.T, mode, dir, run string) (*exec.Cmd, io.Reader) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), childMode+"="+mode, childDir+"="+dir, childRun+"="+run)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd, out
}

// appendForever appends from several goroutines and prints every sequence number returned.
func appendForever(dir, run string) error {
	ctx := context.Background()
	s, err := jetstream.Open(ctx, jetstream.Options{Dir: dir})
	if err != nil {
		return err
	}
	log, err := s.Open(ctx, "EVENTS", journal.Limits{})
	if err != nil {
		return err
	}
	var all sync.WaitGroup
	for w := range 4 {
		all.Go(func() {
			for i := 0; ; i++ {
				id := fmt.Sprintf("%s-%d-%d", run, w, i)
				seq, err := log.Append(ctx, id, []byte(id+strings.Repeat(".", i%3000)))
				if err != nil {
					fmt.Println("error:", err)
					return
				}
				fmt.Println(seq, id)
			}
		})
	}
	all.Wait()
	return nil
}

func TestStore_losesNothingAcknowledgedWhenKilled(t *testing.T) {
	dir := t.TempDir()
	acked := map[journal.Seq]string{}
	for run := range 5 {
		cmd, out := child(t, "append", dir, fmt.Sprint(run))
		lines := bufio.NewScanner(out)
		enough := 20 + rand.IntN(200)
		for n := 0; lines.Scan(); n++ {
			var seq journal.Seq
			var id string
			if _, err := fmt.Sscan(lines.Text(), &seq, &id); err != nil {
				t.Fatalf("child says %q", lines.Text())
			}
			acked[seq] = id
			if n == enough {
				if err := cmd.Process.Kill(); err != nil { // the rest of its output was acknowledged, too
					t.Fatal(err)
				}
			}
		}
		if err := cmd.Wait(); err == nil {
			t.Fatal("the child ended by itself")
		}
		found := map[journal.Seq]string{}
		s := open(t, jetstream.Options{Dir: dir})
		err := openLog(t, s, journal.Limits{}).Read(t.Context(), 1, func(seq journal.Seq, record []byte) error {
			found[seq] = strings.TrimRight(string(record), ".")
			return nil
		})
		if err := errors.Join(err, s.Close()); err != nil {
			t.Fatal(err)
		}
		for seq, id := range acked {
			if found[seq] != id {
				t.Errorf("run %d: record %d was acknowledged as %s, the log has %q", run, seq, id, found[seq])
			}
		}
	}
}

// starve fills a log until files may not grow any more, and then lets them grow again.
func starve(dir string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	s, err := jetstream.Open(ctx, jetstream.Options{Dir: dir})
	if err != nil {
		return err
	}
	defer s.Close()
	log, err := s.Open(ctx, "EVENTS", journal.Limits{})
	if err != nil {
		return err
	}
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		return err
	}
	small := limit
	small.Cur = 1 << 20
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &small); err != nil {
		return err
	}
	n := 0
	for ; err == nil; n++ {
		_, err = log.Append(ctx, fmt.Sprint(n), make([]byte, 100<<10))
	}
	fmt.Println("refused:", n, err)
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		return err
	}
	for n--; ; time.Sleep(10 * time.Millisecond) {
		seq, err := log.Append(ctx, fmt.Sprint(n), make([]byte, 100<<10))
		if ctx.Err() != nil {
			return err
		}
		if err == nil {
			fmt.Println("accepted:", seq)
			return nil
		}
	}
}

func TestStore_recoversFromAWriteError(t *testing.T) {
	dir := t.TempDir()
	cmd, out := child(t, "starve", dir, "")
	said, err := io.ReadAll(out)
	if err := errors.Join(err, cmd.Wait()); err != nil {
		t.Fatalf("child: %v\n%s", err, said)
	}
	if !strings.Contains(string(said), "unavailable: journal server:") || !strings.Contains(string(said), "accepted: ") || !strings.Contains(string(said), "error: <nil>") {
		t.Fatalf("child says\n%s", said)
	}
	var refused int
	if _, err := fmt.Sscanf(string(said), "refused: %d", &refused); err != nil {
		t.Fatal(err)
	}
	log := openLog(t, open(t, jetstream.Options{Dir: dir}), journal.Limits{})
	if n := count(t, log); n != refused {
		t.Errorf("want %d records, got %d", refused, n)
	}
}
