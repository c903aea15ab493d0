package app_test

import (
	"fmt"
	"os"
	"slices"
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

// reading is the resident memory of the process and what lives of its heap, in bytes.
type reading struct{ bytes, live int64 }

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
			m := v.metrics()
			if m != nil {
				now := m["butler_event_ingest_duration_seconds_count"] // observed when an event is on disk
				if now < last {                                        // another process
					w.accepted += int(last)
				}
				last = now
			}
			if bytes := residentMemory(int(v.pid.Load())); bytes > 0 {
				w.memory = append(w.memory, reading{bytes, m.liveHeap()})
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

// half returns what was read in the first or the second half of a run, in ascending order.
func half(readings []reading, second bool, of func(reading) int64) (all []int64) {
	for i, r := range readings {
		if n := of(r); second == (i >= len(readings)/2) && n > 0 {
			all = append(all, n)
		}
	}
	slices.Sort(all)
	return all
}

// How far memory may grow from the first half of a run to the second. A process that
// has just been started is smaller than one that has seen a backlog, so the peaks
// are far apart from run to run; what lives is not.
const (
	peakShare, peakSlack = 1.5, 64 << 20
	heapShare, heapSlack = 1.5, 16 << 20
)

// wantsFlatMemory fails when the peak of what is resident or the median of what lives
// is far larger in the second half, or when more lives after everything has drained.
func (w *onlooker) wantsFlatMemory(t *testing.T) {
	t.Helper()
	resident, live := func(r reading) int64 { return r.bytes }, func(r reading) int64 { return r.live }
	first, second := half(w.memory, false, resident), half(w.memory, true, resident)
	early, late := half(w.memory, false, live), half(w.memory, true, live)
	if len(first) == 0 || len(second) == 0 || len(early) == 0 || len(late) == 0 {
		t.Fatal("want readings of the memory in both halves, got none")
	}
	end := w.memory[len(w.memory)-1]
	peak, before, after := second[len(second)-1], early[len(early)/2], late[len(late)/2]
	t.Logf("resident memory: at most %d MiB in the first half and %d MiB in the second, %d MiB at the end",
		first[len(first)-1]>>20, peak>>20, end.bytes>>20)
	t.Logf("live heap: %d MiB in the middle of the first half and %d MiB of the second (tenths: %d and %d), %d MiB at the end",
		before>>20, after>>20, early[len(early)/10]>>20, late[len(late)/10]>>20, end.live>>20)
	if float64(peak) > float64(first[len(first)-1])*peakShare+peakSlack {
		t.Errorf("want memory flat, the peak of the second half is %d MiB after %d MiB", peak>>20, first[len(first)-1]>>20)
	}
	if limit := float64(before)*heapShare + heapSlack; float64(after) > limit || float64(end.live) > limit {
		t.Errorf("want the live heap flat, it is %d MiB in the second half and %d MiB at the end after %d MiB in the first", after>>20, end.live>>20, before>>20)
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
