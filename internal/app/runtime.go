package app

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

// How much garbage there may be before it is collected, in percent of what is live:
// as much as mostGarbage, within these bounds. A small heap may grow to four times
// what is live, which trades some tens of megabytes for less work under load; a
// large one, of a million executions that are followed, must not.
const (
	maxGCPercent = 300
	minGCPercent = 25
	mostGarbage  = 384 << 20
)

// gcPercent returns the percentage for a heap of which so many bytes are live.
func gcPercent(live uint64) int {
	if live == 0 {
		return maxGCPercent
	}
	return int(min(max(mostGarbage*100/live, minGCPercent), maxGCPercent))
}

// TuneRuntime sets scheduler and garbage collector for a process that is the service.
// An operator's GOMAXPROCS and GOGC win.
func TuneRuntime() {
	spareProcessor()
	tuneCollector()
}

// spareProcessor lets one thread more run than there are cores. Actors use as many as
// there are cores, so that the goroutine which reads the socket finds a thread at once, and
// shares the cores as the system's scheduler sees fit, which knows who has waited.
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

// collected is an object that nobody holds, so every collection finds it. It has a
// place of its own in memory: the smallest objects share one with others, which hold it.
type collected struct {
	percent int
	_       [3]uint64
}

// afterGC lets the next collection set the percentage for the one after it.
func afterGC(c *collected) {
	runtime.SetFinalizer(c, func(c *collected) {
		if percent := gcPercent(liveHeap()); percent != c.percent {
			debug.SetGCPercent(percent)
			c.percent = percent
		}
		afterGC(c)
	})
}

// liveHeap returns what the last collection has left.
func liveHeap() uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}
