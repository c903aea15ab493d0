package ingest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"butler/internal/actorkit"
	"butler/internal/backoff"
	"butler/internal/logx"
	"butler/internal/udp"
	"butler/messages"
)

// The life of a socket: opened, read, replaced by another one, lost, closed.

const (
	// openWithin bounds the opening of a socket: the look-ups and the bind.
	openWithin = 30 * time.Second
	// LingerFor is how long a replaced socket is still read, so that nothing in the
	// kernel's buffer is lost and senders have time to switch to the new one.
	LingerFor = 10 * time.Second
)

// reopen is the back-off for opening a socket again.
var reopen = backoff.Policy{Base: 250 * time.Millisecond, Max: 30 * time.Second}

// open resolves the sources and opens the socket, outside of the actor.
func (a *ingest) open(ctx actor.Context) {
	if a.shared.closing || a.reader != nil {
		return
	}
	last, opts := a.shared.sources, a.opts
	started := a.effects.Run(ctx, openWithin, func(bounded context.Context) any {
		return opts.bind(bounded, last)
	})
	if !started {
		a.retry(ctx)
	}
}

// bind resolves the sources and opens the socket. It blocks.
func (o *Options) bind(ctx context.Context, last *udp.Set) (result bound) {
	result.from = o.Sources
	if o.Sources != nil {
		bounded, cancel := context.WithTimeout(ctx, ResolveWithin)
		result.sources, result.err = o.Sources.Resolve(bounded, last)
		cancel()
		if result.err != nil {
			return result
		}
	}
	socket, err := o.Listen(ctx)
	if err != nil {
		return bound{err: err}
	}
	if ctx.Err() != nil {
		// Too late: nobody will take the socket.
		return bound{err: errors.Join(ctx.Err(), socket.Close())}
	}
	result.socket = socket
	return result
}

// opened starts the reader. If the socket has never been open, a failure is fatal, so
// that the service does not seem to work; a socket that was lost is opened again and
// again.
func (a *ingest) opened(ctx actor.Context, m bound) {
	if a.shared.closing || a.reader != nil {
		if m.socket != nil {
			m.socket.Close()
		}
		return
	}
	if m.err != nil {
		a.failed(m.err)
		if !a.shared.listened {
			actorkit.Fail(fmt.Errorf("start the UDP server: %w", m.err))
		}
		a.retry(ctx)
		return
	}
	a.shared.listened, a.shared.failures = true, 0
	if m.from == a.opts.Sources { // else the configuration has changed meanwhile
		a.setSources(m.sources)
	}
	if a.opts.Sources != nil {
		a.resolveLater(ctx)
	}
	a.read(ctx, m.socket)
}

// read starts the reader of a socket.
func (a *ingest) read(ctx actor.Context, socket Socket) {
	a.reader = newReader(a.shared.readers.Add(1), socket, a.opts.OnBurst)
	go a.reader.run(actorkit.Poster(ctx))
	a.report.listening(socket.Addr(), socket.ReceiveBuffer(), a.opts.ReceiveBuffer)
	if a.opts.OnListening != nil {
		a.opts.OnListening(socket)
	}
}

// change applies a new configuration.
func (a *ingest) change(ctx actor.Context, c Changed) {
	if a.shared.closing {
		if c.Socket != nil {
			c.Socket.Close()
		}
		return
	}
	next := *a.opts // others may still read the old ones
	next.Rules, next.Sources = c.Rules, c.Sources
	if c.Socket != nil {
		next.Listen, next.ReceiveBuffer = c.Listen, c.ReceiveBuffer
	}
	a.opts, a.shared.opts = &next, &next
	a.machine.change(time.Now(), c.Rules)
	a.report.metrics.capacity(c.Rules.QueueSize)
	a.setSources(c.Allowed.After(a.shared.sources))
	a.resolveTimer.Stop()
	if c.Sources != nil {
		a.resolveLater(ctx)
	}
	if c.Socket == nil {
		return
	}
	a.openTimer.Stop()
	if a.reader != nil {
		a.countLoss(time.Now())
		if a.former != nil {
			a.former.close() // its ReaderStopped will be ignored
		}
		a.former = a.reader
		actorkit.After(ctx, LingerFor, lingerDue{a.former.id})
	}
	a.shared.listened, a.shared.failures = true, 0
	a.read(ctx, c.Socket)
}

func (a *ingest) failed(err error) {
	if a.opts.OnFailed != nil {
		a.opts.OnFailed(err)
	}
}

func (a *ingest) retry(ctx actor.Context) {
	a.shared.failures++
	delay := reopen.Ceiling(a.shared.failures)
	a.report.log.Warn("UDP socket is closed, opening it again", logx.Attempt(a.shared.failures), logx.Delay(delay))
	a.openTimer = actorkit.After(ctx, delay, openDue{})
}

// readerOf returns the reader with an ID, nil if it is neither the present nor the
// former one. A batch of such a reader is stored all the same, without releasing a credit.
func (a *ingest) readerOf(id uint64) *reader {
	for _, r := range []*reader{a.reader, a.former} {
		if r != nil && r.id == id {
			return r
		}
	}
	return nil
}

// readerStopped handles the end of a reader, whose socket was closed or has failed.
func (a *ingest) readerStopped(ctx actor.Context, m messages.ReaderStopped) {
	switch ended := a.readerOf(m.Reader); ended {
	case nil:
		return
	case a.former:
		a.countLoss(m.At)
		a.former = nil
		a.finishClosing(ctx)
		return
	}
	a.countLoss(m.At)
	a.reader = nil
	if m.Failure.Failed() {
		err := fmt.Errorf("receive datagrams: %w", m.Failure)
		a.report.log.Error("UDP socket failed", logx.Err(err))
		a.failed(err)
	}
	if !a.shared.closing {
		a.retry(ctx)
	}
	a.finishClosing(ctx)
}

// closeIntake closes the socket. ReaderStopped is the last message of the reader, so
// everything that was read is handled before it.
func (a *ingest) closeIntake(ctx actor.Context, m messages.CloseIntake) {
	a.shared.waiting = append(a.shared.waiting, m.ReplyTo)
	a.shared.closing = true
	a.openTimer.Stop()
	a.resolveTimer.Stop()
	a.countLoss(time.Now())
	if a.reader != nil {
		a.reader.close()
	}
	if a.former != nil {
		a.former.close()
	}
	a.finishClosing(ctx)
}

// finishClosing answers CloseIntake once everything that was read is stored.
func (a *ingest) finishClosing(ctx actor.Context) {
	if !a.shared.closing || a.reader != nil || a.former != nil || a.shared.storing.Load() > 0 {
		return
	}
	for _, who := range a.shared.waiting {
		actorkit.Reply(ctx, who, messages.CloseIntakeReply{})
	}
	a.shared.waiting = nil
}

// countLoss counts what the kernel dropped of the present and of the former socket.
func (a *ingest) countLoss(now time.Time) {
	var fresh uint64
	for _, r := range []*reader{a.reader, a.former} {
		if r != nil {
			fresh += r.lost()
		}
	}
	a.machine.counts.KernelDropped += fresh
	a.report.kernelDrops(fresh, a.machine.loss.observe(now, fresh))
}
