package app

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

// The garbage collector runs when garbage has reached a percentage of the live heap:
// that of mostGarbage, in bytes, within these bounds. A small heap may grow to four
// times the live heap, which costs some tens of megabytes and saves work under load.
// A large one, such as that of a million followed executions, must not.
const (
	maxGCPercent = 300
	minGCPercent = 25
	mostGarbage  = 384 << 20
)

// gcPercent returns the percentage for a live heap of so many bytes.
func gcPercent(live uint64) int {
	if live == 0 {
		return maxGCPercent
	}
	return int(min(max(mostGarbage*100/live, minGCPercent), maxGCPercent))
}

// TuneRuntime sets the scheduler and the garbage collector of the process for the
// service. The environment variables GOMAXPROCS and GOGC take precedence.
func TuneRuntime() {
	spareProcessor()
	tuneCollector()
}

// spareProcessor sets GOMAXPROCS to one more than the number of cores. The actors use
// as many threads as there are cores, so the goroutine that reads the socket finds a
// free thread at once, and the operating system divides the cores between them.
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

// collected is an object that nothing refers to, so its finalizer runs after every
// collection. The padding keeps it out of the blocks that tiny objects share: an
// object next to it could keep it alive.
type collected struct {
	percent int
	_       [3]uint64
}

// afterGC sets the percentage for the next collection after each collection.
func afterGC(c *collected) {
	runtime.SetFinalizer(c, func(c *collected) {
		if percent := gcPercent(liveHeap()); percent != c.percent {
			debug.SetGCPercent(percent)
			c.percent = percent
		}
		afterGC(c)
	})
}

// liveHeap returns the live bytes after the last collection.
func liveHeap() uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}
