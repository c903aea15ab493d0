package ingest

import (
	"errors"
	"net"
	"sync/atomic"
	"time"

	"butler/internal/udp"
	"butler/messages"
)

// reader reads one socket on a goroutine of its own. Every batch costs a credit;
// without one it does not read, and the kernel's buffer holds what comes. What is
// left in a closed socket is read whether there is credit or not.
type reader struct {
	id      uint64
	socket  Socket
	onRush  func()
	credits chan struct{}
	done    chan struct{}
	// lent is 1 while a credit is used that no batch has given back.
	lent atomic.Int32
	// closed belongs to the owner.
	closed bool
	// abandoned is set when the owner is gone and nobody waits for ReaderStopped.
	abandoned atomic.Bool
}

func newReader(id uint64, socket Socket, onRush func()) *reader {
	return &reader{id: id, socket: socket, onRush: onRush, credits: make(chan struct{}, Credits), done: make(chan struct{})}
}

// run posts batches until the socket is closed or cannot be read, and
// ReaderStopped as the last message of all, if anybody waits for it.
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

func (r *reader) read(post func(any)) error {
	for {
		select {
		case r.credits <- struct{}{}:
		case <-r.done: // the socket is closed: what it still has is little, and would be lost
		}
		batch, err := r.socket.ReadBatch()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return err
		}
		if r.onRush != nil && len(batch) == udp.BatchSize {
			r.onRush()
		}
		post(messages.DatagramsReceived{Reader: r.id, Datagrams: batch, At: time.Now()})
	}
}

// release gives one credit back, if the batch had one. It may be called from any goroutine.
func (r *reader) release() {
	select {
	case <-r.credits:
	default:
	}
}

// stored is release for a batch that took its time: if a credit was lent
// meanwhile, this one settles it.
func (r *reader) stored() {
	if r.lent.CompareAndSwap(1, 0) {
		return
	}
	r.release()
}

// lend allows one batch more when all credits stand for batches that the journal
// does not take. Without it nothing would be read, and so nothing be refused and
// counted, until the journal takes something again. It is for the owner.
func (r *reader) lend() {
	if len(r.credits) < cap(r.credits) || r.lent.Load() > 0 {
		return
	}
	select {
	case <-r.credits:
		r.lent.Store(1)
	default: // what was stored at this moment gave its credit back
	}
}

// close makes run end. It is for the owner.
func (r *reader) close() {
	if r.closed {
		return
	}
	r.closed = true
	close(r.done)
	r.socket.Close()
}

// abandon is close by an owner that will not be there any more.
func (r *reader) abandon() {
	r.abandoned.Store(true)
	r.close()
}
