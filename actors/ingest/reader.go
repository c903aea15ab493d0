package ingest

import (
	"errors"
	"net"
	"sync/atomic"
	"time"

	"butler/internal/udp"
	"butler/messages"
)

// reader reads one socket on a goroutine of its own. Every batch takes a credit;
// without one it does not read, and datagrams wait in the kernel's buffer. The rest of
// a closed socket is read without credit.
type reader struct {
	id      uint64
	socket  Socket
	onBurst func()
	credits chan struct{}
	done    chan struct{}
	// lent is 1 while there is one credit more than Credits; see lend.
	lent atomic.Int32
	// closed and dropped are only used by the owner. dropped is what the kernel had
	// dropped at the last look.
	closed  bool
	dropped uint64
	// abandoned is set when the owner has ended and does not wait for ReaderStopped.
	abandoned atomic.Bool
}

func newReader(id uint64, socket Socket, onBurst func()) *reader {
	return &reader{id: id, socket: socket, onBurst: onBurst, credits: make(chan struct{}, Credits), done: make(chan struct{})}
}

// run posts batches until the socket is closed or cannot be read, and then
// ReaderStopped, unless it was abandoned.
func (r *reader) run(post func(any)) {
	err := r.read(post)
	r.socket.Close()
	if r.abandoned.Load() {
		return
	}
	stopped := messages.ReaderStopped{Reader: r.id, At: time.Now()}
	if err != nil {
		stopped.Failure = messages.Failure{Kind: messages.FailureUnavailable, Text: err.Error()}
	}
	post(stopped)
}

// lost returns how many datagrams the kernel has dropped since the last call.
func (r *reader) lost() uint64 {
	before, total := r.dropped, r.socket.Dropped()
	r.dropped = max(before, total)
	return r.dropped - before
}

func (r *reader) read(post func(any)) error {
	for {
		select {
		case r.credits <- struct{}{}:
		case <-r.done: // the socket is closed: read the little that is left, which would be lost
		}
		batch, err := r.socket.ReadBatch()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return err
		}
		if r.onBurst != nil && len(batch) == udp.BatchSize {
			r.onBurst()
		}
		post(messages.DatagramsReceived{Reader: r.id, Datagrams: batch, At: time.Now()})
	}
}

// release releases the credit of a batch, if it took one. It may be called from any goroutine.
func (r *reader) release() {
	select {
	case <-r.credits:
	default:
	}
}

// releaseStored is release for a batch that was written to the journal. If a credit
// was lent, that one ends instead.
func (r *reader) releaseStored() {
	if r.lent.CompareAndSwap(1, 0) {
		return
	}
	r.release()
}

// lend adds a credit when all are taken by batches that wait for the journal. Without
// it nothing would be read until the journal can be written again, so datagrams would
// not be refused and counted but dropped by the kernel. Only the owner calls it.
func (r *reader) lend() {
	if len(r.credits) < cap(r.credits) || r.lent.Load() > 0 {
		return
	}
	select {
	case <-r.credits:
		r.lent.Store(1)
	default: // a credit was released meanwhile
	}
}

// close makes run end. Only the owner calls it.
func (r *reader) close() {
	if r.closed {
		return
	}
	r.closed = true
	close(r.done)
	r.socket.Close()
}

// abandon is close by an owner that ends.
func (r *reader) abandon() {
	r.abandoned.Store(true)
	r.close()
}
