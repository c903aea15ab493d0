//go:build linux

package jetstream_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"butler/internal/journal"
	"butler/internal/journal/jetstream"
)

// flickerLogs are the logs of the run; the last one is trimmed continuously.
var flickerLogs = []string{"events", "ledger", "trail"}

// flicker appends to several logs while the disk takes writes completely, in part or not
// at all, and prints every sequence number returned. In the end the disk takes everything.
func flicker(dir, run string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	s, err := jetstream.Open(ctx, jetstream.Options{Dir: dir})
	if err != nil {
		return err
	}
	var all sync.WaitGroup
	over := make(chan struct{})
	for _, name := range flickerLogs {
		log, err := s.Open(ctx, name, journal.Limits{})
		if err != nil {
			return err
		}
		all.Go(func() { appendThrough(ctx, log, name, run, over) })
		if name == flickerLogs[len(flickerLogs)-1] {
			all.Go(func() { trimThrough(ctx, log, over) })
		}
	}
	if err := spoil(rand.New(rand.NewPCG(1, uint64(len(run)))), 2*time.Second); err != nil {
		return err
	}
	close(over)
	all.Wait()
	return errors.Join(ctx.Err(), s.Close())
}

// appendThrough appends until the trouble is over and one more record is stored. A failed
// append is retried, as the journal's queue does.
func appendThrough(ctx context.Context, log journal.Log, name, run string, over <-chan struct{}) {
	for i := 0; ctx.Err() == nil; i++ {
		ended := false
		select {
		case <-over:
			ended = true
		default:
		}
		id := fmt.Sprintf("%s-%s-%d", run, name, i)
		record := []byte(id + strings.Repeat(".", 1+i*977%20_000))
		seq, err := log.Append(ctx, id, record)
		for err != nil && ctx.Err() == nil {
			time.Sleep(5 * time.Millisecond)
			seq, err = log.Append(ctx, id, record)
		}
		if err == nil {
			fmt.Println(name, seq, id)
		}
		if ended {
			return
		}
	}
}

func trimThrough(ctx context.Context, log journal.Log, over <-chan struct{}) {
	tick := time.NewTicker(30 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-over:
			return
		case <-tick.C:
		}
		if _, next := log.Bounds(); next > 20 {
			_ = log.Trim(ctx, next-20) // a full disk may refuse that
		}
	}
}

// spoil lets files grow, grow a little, or not at all, in turn.
func spoil(random *rand.Rand, length time.Duration) error {
	var limit unix.Rlimit
	if err := unix.Getrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		return err
	}
	for end := time.Now().Add(length); time.Now().Before(end); {
		small := limit
		small.Cur = uint64(random.IntN(3 << 20))
		for _, l := range []unix.Rlimit{small, limit} {
			if err := unix.Setrlimit(syscall.RLIMIT_FSIZE, &l); err != nil {
				return err
			}
			time.Sleep(time.Duration(5+random.IntN(200)) * time.Millisecond)
		}
	}
	return nil
}

func TestStore_keepsWhatItAcknowledgedOnADiskThatComesAndGoes(t *testing.T) {
	dir := t.TempDir()
	acked := map[string]string{}
	for run := range 3 {
		cmd, out := child(t, "flicker", dir, strings.Repeat("r", run+1))
		var said string
		for lines := bufio.NewScanner(out); lines.Scan(); {
			var name, id string
			var seq journal.Seq
			if n, _ := fmt.Sscan(lines.Text(), &name, &seq, &id); n == 3 && !strings.HasPrefix(lines.Text(), "error:") {
				acked[fmt.Sprint(name, " ", seq)] = id
				continue
			}
			said = lines.Text()
		}
		if err := cmd.Wait(); err != nil || said != "error: <nil>" {
			t.Fatalf("run %d: child ended with %v and says %q", run, err, said)
		}
		s := open(t, jetstream.Options{Dir: dir})
		if damage := s.Damage(); len(damage) > 0 {
			t.Errorf("run %d left what looks like damage: %+v", run, damage)
		}
		for _, name := range flickerLogs {
			log, err := s.Open(t.Context(), name, journal.Limits{})
			if err != nil {
				t.Fatal(err)
			}
			found := map[journal.Seq]string{}
			err = log.Read(t.Context(), 1, func(seq journal.Seq, record []byte) error {
				found[seq] = strings.TrimRight(string(record), ".")
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			first, next := log.Bounds()
			for seq := first; seq < next; seq++ {
				if id := acked[fmt.Sprint(name, " ", seq)]; id != "" && found[seq] != id {
					t.Errorf("run %d: record %d of %s was acknowledged as %s, the log has %q", run, seq, name, id, found[seq])
				}
			}
			for key := range acked {
				var seq journal.Seq
				if _, err := fmt.Sscanf(key, name+" %d", &seq); err == nil && seq >= next {
					t.Errorf("run %d: record %d of %s was acknowledged, the log ends before %d", run, seq, name, next)
				}
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if len(acked) < 100 {
		t.Errorf("only %d records were acknowledged: the run shows nothing", len(acked))
	}
}
