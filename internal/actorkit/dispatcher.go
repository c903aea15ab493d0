package actorkit

import (
	"runtime"
	"sync"
)

// dispatcher runs mailboxes on a bounded number of goroutines. One that has
// emptied a mailbox takes the next waiting one along, so that under load
// goroutines and their grown stacks are reused; idle ones end. An actor never
// blocks, so a few are enough.
type dispatcher struct {
	limit int

	mu      sync.Mutex
	running int
	waiting []func()
	next    int
}

// throughput is how many messages of one mailbox are handled before others get a turn.
const throughput = 300

// newDispatcher works on one mailbox per core at the same time, which is one less than
// there may be threads: that one is the intake's, see app.TuneRuntime. More would not
// be faster, and every goroutine that is ready to run makes those that read
// sockets wait for their turn: with sixteen a core, a burst of 150,000 datagrams
// a second lost a quarter in the kernel (make bench BENCH=decisions).
func newDispatcher() *dispatcher { return &dispatcher{limit: max(2, runtime.GOMAXPROCS(0)-1)} }

// Schedule implements actor.Dispatcher.
func (d *dispatcher) Schedule(run func()) {
	d.mu.Lock()
	if d.running >= d.limit {
		d.waiting = append(d.waiting, run)
		d.mu.Unlock()
		return
	}
	d.running++
	d.mu.Unlock()
	go d.work(run)
}

// Throughput implements actor.Dispatcher.
func (d *dispatcher) Throughput() int { return throughput }

func (d *dispatcher) work(run func()) {
	for run != nil {
		run()
		run = d.take()
	}
}

// take returns the next waiting mailbox; nil ends the goroutine that asks.
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
