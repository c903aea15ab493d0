package app

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"testing"
	"time"
)

func TestGCPercent_boundsTheGarbageOfALargeHeap(t *testing.T) {
	const mib = 1 << 20
	for _, row := range []struct {
		name string
		live uint64
		want int
	}{
		{"nothing is known yet", 0, 300},
		{"an idle service", 12 * mib, 300},
		{"the largest heap that may have four times its size", 128 * mib, 300},
		{"a heap with as much garbage as there may be", 384 * mib, 100},
		{"a large heap", 512 * mib, 75},
		{"a heap that is collected as often as is worth it", 1536 * mib, 25},
		{"a huge heap", 64 << 30, 25},
	} {
		if got := gcPercent(row.live); got != row.want {
			t.Errorf("%s: want %d %%, got %d", row.name, row.want, got)
		}
	}
}

// The test lets a heap of its own become large, and small again.
func TestTuneRuntime_followsTheHeap(t *testing.T) {
	before := debug.SetGCPercent(100)
	t.Cleanup(func() { debug.SetGCPercent(before) })
	t.Setenv("GOGC", "")
	tuneCollector()
	large := make([]byte, 256<<20)
	within(t, "a large heap", func(percent int) bool { return percent <= 150 })
	runtime.KeepAlive(large)
	large = nil
	within(t, "a small heap", func(percent int) bool { return percent == maxGCPercent })
	_ = large
}

// within collects until the percentage is what it should be.
func within(t *testing.T, what string, right func(int) bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); ; {
		runtime.GC()
		sample := []metrics.Sample{{Name: "/gc/gogc:percent"}}
		metrics.Read(sample)
		percent := int(sample[0].Value.Uint64())
		if right(percent) {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%s: %d %%", what, percent)
		}
	}
}

func TestTuneRuntime_leavesAThreadToTheIntake(t *testing.T) {
	before := runtime.GOMAXPROCS(0)
	t.Cleanup(func() { runtime.GOMAXPROCS(before) })
	t.Setenv("GOMAXPROCS", "7")
	spareProcessor()
	if got := runtime.GOMAXPROCS(0); got != before {
		t.Errorf("want what the operator has set, got %d where it was %d", got, before)
	}
	t.Setenv("GOMAXPROCS", "")
	spareProcessor()
	if got := runtime.GOMAXPROCS(0); got != before+1 {
		t.Errorf("want one thread more than %d, got %d", before, got)
	}
}
