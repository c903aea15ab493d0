package app_test

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"butler/internal/sim/sink"
)

// onlooker is what was seen of a running service from outside, and noted by
// another process at once: its journal is not asked what it has acknowledged.
type onlooker struct {
	// accepted is how many datagrams the processes said they had on disk, at least.
	accepted int
	memory   []reading
}

// reading is the resident memory of the process at a time, in bytes.
type reading struct {
	at    time.Time
	bytes int64
}

// observe watches the service until the returned function is called.
func (v *service) observe() func() *onlooker {
	w, stop := &onlooker{}, make(chan struct{})
	var done sync.WaitGroup
	done.Go(func() {
		tick := time.NewTicker(200 * time.Millisecond)
		defer tick.Stop()
		last := 0.0
		for {
			select {
			case <-stop:
				w.accepted += int(last)
				return
			case <-tick.C:
			}
			if m := v.metrics(); m != nil {
				now := m["butler_event_ingest_duration_seconds_count"] // observed when an event is on disk
				if now < last {                                        // another process
					w.accepted += int(last)
				}
				last = now
			}
			if bytes := residentMemory(int(v.pid.Load())); bytes > 0 {
				w.memory = append(w.memory, reading{time.Now(), bytes})
			}
		}
	})
	return func() *onlooker {
		close(stop)
		done.Wait()
		return w
	}
}

// residentMemory returns what a process occupies, 0 when it is gone.
func residentMemory(pid int) int64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	var size, resident int64
	if err != nil {
		return 0
	}
	if _, err := fmt.Sscan(string(text), &size, &resident); err != nil {
		return 0
	}
	return resident * int64(os.Getpagesize())
}

// peak returns the largest reading.
func peak(readings []reading) (bytes int64) {
	for _, r := range readings {
		bytes = max(bytes, r.bytes)
	}
	return bytes
}

// wantsFlatMemory fails when the peak of the second half is far above that of the first.
func (w *onlooker) wantsFlatMemory(t *testing.T) {
	t.Helper()
	if len(w.memory) < 2 {
		t.Fatal("want readings of the memory, got none")
	}
	const step, noise = 1.5, 64 << 20
	half := len(w.memory) / 2
	first, second := peak(w.memory[:half]), peak(w.memory[half:])
	t.Logf("resident memory: at most %d MiB in the first half and %d MiB in the second, %d MiB at the end",
		first>>20, second>>20, w.memory[len(w.memory)-1].bytes>>20)
	if float64(second) > float64(first)*step+noise {
		t.Errorf("want memory flat, the peak of the second half is %d MiB after %d MiB", second>>20, first>>20)
	}
}

// sinkMQTT is the broker.
const sinkMQTT = "mqtt"

// readPublications reads what reached the broker.
func (o *oracle) readPublications(publications []sink.Publication) {
	for _, p := range publications {
		what, ok := strings.CutPrefix(p.Topic, "chaos/")
		if !ok { // what the service tells of itself
			continue
		}
		found := mark.FindSubmatch(p.Payload)
		if found == nil {
			o.problem("a publication to %s tells of no event: %.200q", p.Topic, p.Payload)
			continue
		}
		notice := sinkMQTT + "/" + what
		o.receipts = append(o.receipts, receipt{
			sink: sinkMQTT, notice: notice, instance: notice, execution: strings.ToLower(string(found[1])), at: p.At,
		})
	}
}
