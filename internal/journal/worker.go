package journal

import (
	"context"
	"fmt"
	"time"
)

// worker is the goroutine of a Queue, Ledger or Notes. It sleeps until there is work,
// and ends when its owner is closed.
type worker struct {
	wake     chan struct{} // one slot
	abandon  context.CancelFunc
	finished chan struct{}
}

func newWorker() worker {
	return worker{wake: make(chan struct{}, 1), finished: make(chan struct{})}
}

// start runs run on the goroutine. Its context keeps the values of ctx but not its
// cancellation: only stop cancels it.
func (w *worker) start(ctx context.Context, run func(context.Context)) {
	life, abandon := context.WithCancel(context.WithoutCancel(ctx))
	w.abandon = abandon
	go func() {
		defer close(w.finished)
		defer abandon()
		run(life)
	}()
}

// nudge ends the current sleep, or else the next one.
func (w *worker) nudge() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// sleep waits for a nudge, and for d unless it is never.
func (w *worker) sleep(ctx context.Context, d time.Duration) {
	var due <-chan time.Time
	if d != never {
		timer := time.NewTimer(d)
		defer timer.Stop()
		due = timer.C
	}
	select {
	case <-w.wake:
	case <-due:
	case <-ctx.Done():
	}
}

// stop waits until run returns, and cancels its context when ctx ends first, which is
// an error. The owner must refuse new work already. what names the remaining work in
// the error.
func (w *worker) stop(ctx context.Context, what string) error {
	w.nudge()
	select {
	case <-w.finished:
		return nil
	case <-ctx.Done():
	}
	w.abandon()
	<-w.finished
	return fmt.Errorf("wait for %s: %w", what, context.Cause(ctx))
}
