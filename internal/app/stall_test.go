package app_test

import (
	"cmp"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"
)

// The machine under a crash test may be busy with other things, and then whatever the
// service does takes as long as the service cannot know. A timer of the test comes late
// in such a time, or a record of the test is long on its way to the same disk.
const (
	stallEvery = 100 * time.Millisecond
	// stallFrom is how much longer that has to take to be noted.
	stallFrom = 200 * time.Millisecond
)

// watchMachine notes until the end of the test when the machine stood still. The
// returned function returns what it has noted so far.
func watchMachine(t *testing.T) func() []span {
	t.Helper()
	probe, err := os.Create(filepath.Join(t.TempDir(), "record"))
	must(t, err)
	var mu sync.Mutex
	var noted []span
	stop := make(chan struct{})
	var done sync.WaitGroup
	done.Go(func() {
		for tick := time.NewTimer(stallEvery); ; tick.Reset(stallEvery) {
			from := time.Now()
			select {
			case <-stop:
				return
			case <-tick.C:
			}
			_, err := probe.WriteAt(make([]byte, 512), 0)
			if err = cmp.Or(err, probe.Sync()); err != nil {
				t.Errorf("find out how long a record takes: %v", err)
				return
			}
			mu.Lock()
			noted = noteStall(noted, from, time.Now())
			mu.Unlock()
		}
	})
	t.Cleanup(func() {
		close(stop)
		done.Wait()
		_ = probe.Close()
	})
	return func() []span {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(noted)
	}
}

// noteStall adds a round of the watch that took too long, without what it takes anyway.
func noteStall(noted []span, from, to time.Time) []span {
	if to.Sub(from) < stallEvery+stallFrom {
		return noted
	}
	return append(noted, span{from.Add(stallEvery), to})
}

// union returns spans without what they share, in order.
func union(spans []span) []span {
	sorted := slices.SortedFunc(slices.Values(spans), func(a, b span) int { return a.from.Compare(b.from) })
	var out []span
	for _, s := range sorted {
		if last := len(out) - 1; last >= 0 && !s.from.After(out[last].to) {
			if s.to.After(out[last].to) {
				out[last].to = s.to
			}
			continue
		}
		out = append(out, s)
	}
	return out
}

// total returns how long spans are together.
func total(spans []span) (d time.Duration) {
	for _, s := range spans {
		d += s.to.Sub(s.from)
	}
	return d
}

func TestNoteStall_countsWhatTookTooLong(t *testing.T) {
	start := time.Date(2026, 5, 6, 12, 0, 0, 0, time.UTC)
	for took, want := range map[time.Duration]time.Duration{
		stallEvery: 0, stallEvery + stallFrom - 1: 0, stallEvery + stallFrom: stallFrom, time.Minute: time.Minute - stallEvery,
	} {
		if got := total(noteStall(nil, start, start.Add(took))); got != want {
			t.Errorf("a round of %s: want %s noted, got %s", took, want, got)
		}
	}
}

func TestUnion_countsEveryMomentOnce(t *testing.T) {
	at := func(seconds int) time.Time { return time.Unix(int64(seconds), 0) }
	got := union([]span{{at(10), at(12)}, {at(1), at(4)}, {at(3), at(6)}, {at(2), at(3)}, {at(12), at(13)}})
	want := []span{{at(1), at(6)}, {at(10), at(13)}}
	if !slices.Equal(got, want) || total(got) != 8*time.Second {
		t.Errorf("want %v, got %v", want, got)
	}
}
