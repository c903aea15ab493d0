package app

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

// GOGC is set so that there may be up to mostGarbage of garbage, within these bounds. A
// small heap may grow to four times its live size, which trades some tens of megabytes
// for less work under load; a large one, with a million followed executions, must not.
const (
	maxGCPercent = 300
	minGCPercent = 25
	mostGarbage  = 384 << 20
)

// gcPercent returns the value of GOGC for a number of live bytes.
func gcPercent(live uint64) int {
	if live == 0 {
		return maxGCPercent
	}
	return int(min(max(mostGarbage*100/live, minGCPercent), maxGCPercent))
}

// TuneRuntime sets up the scheduler and the garbage collector for the service. The
// environment variables GOMAXPROCS and GOGC take precedence.
func TuneRuntime() {
	spareProcessor()
	tuneCollector()
}

// spareProcessor sets GOMAXPROCS to one more than there are cores. Actors use at most as
// many as there are cores, so the goroutine that reads the socket gets a thread at once,
// and the scheduler of the system shares the cores among the threads.
func spareProcessor() {
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) + 1)
	}
}

// tuneCollector sets the garbage collector, now and after every collection.
func tuneCollector() {
	if os.Getenv("GOGC") != "" {
		return
	}
	debug.SetGCPercent(maxGCPercent)
	afterGC(&collected{percent: maxGCPercent})
}

// collected is an object without references, so that every collection runs its
// finalizer. It is larger than the tiny objects of the allocator, which share a block
// with others that would keep it alive.
type collected struct {
	percent int
	_       [3]uint64
}

// afterGC makes the next collection set the percentage for the one after it.
func afterGC(c *collected) {
	runtime.SetFinalizer(c, func(c *collected) {
		if percent := gcPercent(liveHeap()); percent != c.percent {
			debug.SetGCPercent(percent)
			c.percent = percent
		}
		afterGC(c)
	})
}

// liveHeap returns the size of the heap that the last collection found live.
func liveHeap() uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}
