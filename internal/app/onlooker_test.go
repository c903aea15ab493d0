package app_test

import (
	"cmp"
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
// has just been started is smaller than one that has seen a backlog, so what is below
// the floor is never too much: in two minutes no process gets old, and from run to run
// the second half was between half as large as the first and twice as large.
const (
	peakShare, peakSlack, peakFloor = 1.5, 64 << 20, 640 << 20
	heapShare, heapSlack, heapFloor = 1.5, 16 << 20, 128 << 20
)

// growth tells what grew: the peak of what is resident or the median of what lives in
// the second half, or what lives after everything has drained.
func (w *onlooker) growth() (seen string, problems []string) {
	resident, live := func(r reading) int64 { return r.bytes }, func(r reading) int64 { return r.live }
	first, second := half(w.memory, false, resident), half(w.memory, true, resident)
	early, late := half(w.memory, false, live), half(w.memory, true, live)
	if len(first) == 0 || len(second) == 0 || len(early) == 0 || len(late) == 0 {
		return "", []string{"want readings of the memory in both halves, got none"}
	}
	end := w.memory[len(w.memory)-1]
	for _, r := range w.memory { // the last ones may be without what lives
		end.live = cmp.Or(r.live, end.live)
	}
	low, peak, before, after := first[len(first)-1], second[len(second)-1], early[len(early)/2], late[len(late)/2]
	if peak > atMost(low, peakShare, peakSlack, peakFloor) {
		problems = append(problems, fmt.Sprintf("want memory flat, the peak of the second half is %d MiB after %d MiB", peak>>20, low>>20))
	}
	if limit := atMost(before, heapShare, heapSlack, heapFloor); after > limit || end.live > limit {
		problems = append(problems, fmt.Sprintf("want the live heap flat, it is %d MiB in the second half and %d MiB at the end after %d MiB in the first",
			after>>20, end.live>>20, before>>20))
	}
	return fmt.Sprintf("resident memory: at most %d MiB in the first half and %d MiB in the second, %d MiB at the end\n"+
		"live heap: %d MiB in the middle of the first half and %d MiB of the second (tenths: %d and %d), %d MiB at the end",
		low>>20, peak>>20, end.bytes>>20,
		before>>20, after>>20, early[len(early)/10]>>20, late[len(late)/10]>>20, end.live>>20), problems
}

// atMost is how much may be there after so much.
func atMost(before int64, share float64, slack, floor int64) int64 {
	return max(int64(float64(before)*share)+slack, floor)
}

func TestOnlooker_seesMemoryThatGrows(t *testing.T) {
	const mib = 1 << 20
	run := func(first, second, end reading) []string {
		w := &onlooker{}
		for range 10 {
			w.memory = append(w.memory, first)
		}
		for range 8 {
			w.memory = append(w.memory, second)
		}
		w.memory = append(w.memory, end, reading{bytes: end.bytes}) // when nobody told what lives any more
		_, problems := w.growth()
		return problems
	}
	for name, c := range map[string]struct {
		first, second, end reading
		want               int
	}{
		"flat":             {reading{900 * mib, 200 * mib}, reading{910 * mib, 205 * mib}, reading{800 * mib, 190 * mib}, 0},
		"young":            {reading{200 * mib, 40 * mib}, reading{600 * mib, 80 * mib}, reading{400 * mib, 120 * mib}, 0},
		"resident":         {reading{500 * mib, 90 * mib}, reading{850 * mib, 90 * mib}, reading{850 * mib, 90 * mib}, 1},
		"live":             {reading{500 * mib, 90 * mib}, reading{510 * mib, 160 * mib}, reading{510 * mib, 90 * mib}, 1},
		"live at the end":  {reading{500 * mib, 90 * mib}, reading{510 * mib, 90 * mib}, reading{510 * mib, 160 * mib}, 1},
		"nothing was read": {want: 1},
	} {
		if got := run(c.first, c.second, c.end); len(got) != c.want {
			t.Errorf("%s: want %d problems, got %q", name, c.want, got)
		}
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
