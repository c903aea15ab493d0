package actorkit

import (
	"runtime"
	"slices"
	"sync"
)

// dispatcher runs mailboxes on a bounded number of goroutines. A goroutine that is done
// with a mailbox takes the next waiting one, so that under load goroutines and their
// grown stacks are reused; idle ones end. An actor waits for nothing but, briefly, reads of
// the local journal (ADR 4), so a few are enough.
type dispatcher struct {
	limit int

	mu      sync.Mutex
	running int
	waiting []func()
	next    int
}

// throughput is the number of messages of one mailbox that are handled before the next
// mailbox is run.
const throughput = 300

// newDispatcher returns a dispatcher with one goroutine per core. GOMAXPROCS is one
// more than that, which leaves a thread for the intake; see app.TuneRuntime. More
// goroutines would not be faster, and the goroutines that read sockets would wait for
// them: with sixteen per core, the kernel dropped a quarter of a burst of 150,000
// datagrams a second (make bench BENCH=decisions).
func newDispatcher() *dispatcher { return &dispatcher{limit: max(2, runtime.GOMAXPROCS(0)-1)} }

// Schedule implements actor.Dispatcher.
func (d *dispatcher) Schedule(run func()) {
	d.mu.Lock()
	if d.running >= d.limit {
		d.wait(run)
		d.mu.Unlock()
		return
	}
	d.running++
	d.mu.Unlock()
	go d.work(run)
}

// wait appends a mailbox. The room of those that were taken is used again before more is
// allocated, as the queue of a busy system may never be empty.
func (d *dispatcher) wait(run func()) {
	if len(d.waiting) == cap(d.waiting) && d.next > len(d.waiting)/2 {
		d.waiting = slices.Delete(d.waiting, 0, d.next)
		d.next = 0
	}
	d.waiting = append(d.waiting, run)
}

// Throughput implements actor.Dispatcher.
func (d *dispatcher) Throughput() int { return throughput }

func (d *dispatcher) work(run func()) {
	for run != nil {
		run()
		run = d.take()
	}
}

// take returns the next waiting mailbox, or nil, on which the goroutine has to end.
func (d *dispatcher) take() func() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.next == len(d.waiting) {
		d.waiting, d.next = d.waiting[:0], 0
		if cap(d.waiting) > keepCapacity*keepCapacity {
			d.waiting = nil
		}
		d.running--
		return nil
	}
	run := d.waiting[d.next]
	d.waiting[d.next] = nil
	d.next++
	return run
}
