package ingest

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"butler/internal/actorkit"
	"butler/internal/backoff"
	"butler/internal/journal"
	"butler/internal/logx"
	"butler/internal/udp"
	"butler/messages"
)

const (
	// lookAfter is how often backlog, kernel drops and held-back log lines are looked after.
	lookAfter = time.Second
	// openWithin bounds the look-ups and the bind that open a socket.
	openWithin = 30 * time.Second
	// LingerFor is how long a replaced socket is read: what the kernel holds for it
	// is not lost, and senders have time to learn of the new one.
	LingerFor = 10 * time.Second
	// resolveEvery is the default of Options.ResolveEvery.
	resolveEvery = 5 * time.Minute
)

// reopen says how long a lost socket stays closed.
var reopen = backoff.Policy{Base: 250 * time.Millisecond, Max: 30 * time.Second}

// ingest is the actor: it opens the socket, feeds the machine, hands what it
// accepts to the journal and tells what it refuses.
type ingest struct {
	opts    *Options
	report  report
	machine *machine
	effects *actorkit.Effects
	shared  *shared

	// reader is nil while there is no socket; listened is set from the first one on.
	reader   *reader
	listened bool
	// former reads a socket that a new configuration has replaced, until nobody
	// should send there any more; nil when there is none.
	former   *reader
	failures int
	// closing is set by CloseIntake, waiting is who wants to know when it is done.
	closing bool
	waiting []messages.Ref

	lookTimer, openTimer, resolveTimer actorkit.Timer
}

// shared outlives a crash of the actor.
type shared struct {
	// readers numbers the readers.
	readers atomic.Uint64
	// storing counts the batches that the journal has not confirmed.
	storing atomic.Int64
	// sources is who may send. Only the live instance touches it.
	sources *udp.Set
	// opts are those of the last configuration. Only the live instance touches them.
	opts *Options
}

// Timers and answers of the actor to itself.
type (
	lookDue    struct{}
	openDue    struct{}
	resolveDue struct{}
	// lingerDue: a former socket was read for long enough.
	lingerDue struct{ reader uint64 }
	// opened is a socket, with who may send to it, or why there is none.
	opened struct {
		socket  Socket
		sources *udp.Set
		err     error
	}
	sourcesResolved struct {
		from    Sources
		sources *udp.Set
		err     error
	}
)

// Props describes the actor. Rules must be valid.
func (o *Options) Props() *actor.Props {
	common := shared{opts: o}
	told := report{log: o.Log.Named("ingest"), metrics: o.Metrics, quarantine: o.Quarantine}
	return o.Kit.Props("ingest", func() actor.Actor {
		return &ingest{opts: common.opts, report: told, shared: &common}
	}, actorkit.Apart())
}

// Receive implements actor.Actor.
func (a *ingest) Receive(ctx actor.Context) {
	switch message := ctx.Message().(type) {
	case *actor.Started:
		a.start(ctx)
	case *actor.Stopping, *actor.Restarting:
		a.stop()
	case messages.DatagramsReceived:
		a.admit(ctx, message)
	case messages.DatagramsStored:
		a.stored(ctx, message)
	case messages.ReaderStopped:
		a.readerStopped(ctx, message)
	case messages.InspectIngest:
		a.reply(ctx, a.asker(ctx, message.ReplyTo), messages.InspectIngestReply{Ingest: a.snapshot()})
	case messages.CloseIntake:
		a.closeIntake(ctx, message)
	case lookDue:
		a.look(ctx)
	case openDue:
		a.open(ctx)
	case opened:
		a.opened(ctx, message)
	case Changed:
		a.change(ctx, message)
	case lingerDue:
		if a.former != nil && a.former.id == message.reader {
			a.former.close()
		}
	case resolveDue:
		a.resolve(ctx)
	case sourcesResolved:
		a.resolved(ctx, message)
	}
}

func (a *ingest) start(ctx actor.Context) {
	a.machine = newMachine(time.Now(), a.opts.Rules)
	a.effects = actorkit.NewEffects(actorkit.NewPool(2))
	a.report.metrics.capacity(a.opts.Rules.QueueSize)
	a.lookTimer = actorkit.After(ctx, lookAfter, lookDue{})
	a.open(ctx)
}

func (a *ingest) stop() {
	a.lookTimer.Stop()
	a.openTimer.Stop()
	a.resolveTimer.Stop()
	a.effects.Close()
	if a.reader != nil {
		a.countLoss(time.Now())
		a.reader.abandon()
	}
	if a.former != nil {
		a.former.abandon()
	}
}

// open looks up who may send and opens the socket, outside of the actor.
func (a *ingest) open(ctx actor.Context) {
	if a.closing || a.reader != nil {
		return
	}
	last, opts := a.shared.sources, a.opts
	started := a.effects.Run(ctx, openWithin, func(bounded context.Context) any {
		return opts.open(bounded, last)
	})
	if !started {
		a.retry(ctx)
	}
}

// open looks up the sources and opens the socket. It blocks.
func (o *Options) open(ctx context.Context, last *udp.Set) (result opened) {
	if o.Sources != nil {
		if result.sources, result.err = o.Sources.Resolve(ctx, last); result.err != nil {
			return result
		}
	}
	socket, err := o.Listen(ctx)
	if err != nil {
		return opened{err: err}
	}
	if ctx.Err() != nil {
		// Too late: nobody will take the socket.
		return opened{err: errors.Join(ctx.Err(), socket.Close())}
	}
	result.socket = socket
	return result
}

// opened starts the reader. A service that never had its socket must not look
// alive, so then a failure is fatal; a socket that was lost is tried for ever.
func (a *ingest) opened(ctx actor.Context, m opened) {
	if a.closing || a.reader != nil {
		if m.socket != nil {
			m.socket.Close()
		}
		return
	}
	if m.err != nil {
		a.failed(m.err)
		if !a.listened {
			actorkit.Fail(fmt.Errorf("start the UDP server: %w", m.err))
		}
		a.retry(ctx)
		return
	}
	a.listened, a.failures = true, 0
	a.use(m.sources)
	if a.opts.Sources != nil {
		a.resolveAgain(ctx)
	}
	a.read(ctx, m.socket)
}

// read starts the reader of a socket.
func (a *ingest) read(ctx actor.Context, socket Socket) {
	a.machine.loss.reopened()
	a.reader = newReader(a.shared.readers.Add(1), socket, a.opts.OnRush)
	go a.reader.run(actorkit.Poster(ctx))
	a.report.listening(socket.Addr(), socket.ReceiveBuffer(), a.opts.ReceiveBuffer)
	if a.opts.OnListening != nil {
		a.opts.OnListening(socket.Addr())
	}
}

// change takes up a new configuration between two batches.
func (a *ingest) change(ctx actor.Context, c Changed) {
	if a.closing {
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
	a.use(c.Allowed)
	a.resolveTimer.Stop()
	if c.Sources != nil {
		a.resolveAgain(ctx)
	}
	if c.Socket == nil {
		return
	}
	a.openTimer.Stop()
	if a.reader != nil {
		a.countLoss(time.Now())
		if a.former != nil {
			a.former.close() // its end is that of a reader unknown by then
		}
		a.former = a.reader
		actorkit.After(ctx, LingerFor, lingerDue{a.former.id})
	}
	a.listened, a.failures = true, 0
	a.read(ctx, c.Socket)
}

func (a *ingest) failed(err error) {
	if a.opts.OnFailed != nil {
		a.opts.OnFailed(err)
	}
}

func (a *ingest) retry(ctx actor.Context) {
	a.failures++
	delay := reopen.Ceiling(a.failures)
	a.report.log.Warn("UDP socket is closed, opening it again", logx.Attempt(a.failures), logx.Delay(delay))
	a.openTimer = actorkit.After(ctx, delay, openDue{})
}

// admit puts what the machine accepts of a batch into the journal. The credit of
// the batch comes back when that is on disk, or at once when there is nothing to store.
func (a *ingest) admit(ctx actor.Context, m messages.DatagramsReceived) {
	decided := a.machine.admit(m.At, m.Datagrams, a.opts.Queue.Healthy())
	a.report.batch(m, decided)
	from := a.readerOf(m.Reader)
	if len(decided.entries) == 0 {
		if from != nil {
			from.release()
		}
		return
	}
	a.shared.storing.Add(1)
	post, count := actorkit.Poster(ctx), len(decided.entries)
	a.opts.Queue.Append(decided.entries, func(_ journal.Seq, _ int, err error) {
		stored := messages.DatagramsStored{Reader: m.Reader, Count: count, ReceivedAt: m.At, At: time.Now()}
		if err != nil {
			stored.Failure = messages.Failure{Kind: messages.FailureUnavailable, Text: err.Error()}
		}
		a.shared.storing.Add(-1)
		if from != nil {
			from.stored()
		}
		post(stored)
	})
}

// readerOf returns the reader of that number if it is still the one in use. A
// batch of an earlier one is stored all the same; nobody waits for its credit.
func (a *ingest) readerOf(id uint64) *reader {
	for _, r := range []*reader{a.reader, a.former} {
		if r != nil && r.id == id {
			return r
		}
	}
	return nil
}

func (a *ingest) stored(ctx actor.Context, m messages.DatagramsStored) {
	if m.Failure.Failed() {
		a.report.lost(m)
	} else {
		a.machine.counts.Stored += uint64(m.Count)
		a.report.stored(m)
	}
	a.watchBacklog(m.At)
	a.finishClosing(ctx)
}

// readerStopped is the last word of a reader: closed on purpose, or the socket is broken.
func (a *ingest) readerStopped(ctx actor.Context, m messages.ReaderStopped) {
	switch ended := a.readerOf(m.Reader); ended {
	case nil:
		return
	case a.former:
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
	if !a.closing {
		a.retry(ctx)
	}
	a.finishClosing(ctx)
}

// closeIntake closes the socket. What was read is in the mailbox before the
// reader's ReaderStopped, so nothing of it is left behind.
func (a *ingest) closeIntake(ctx actor.Context, m messages.CloseIntake) {
	a.waiting = append(a.waiting, a.asker(ctx, m.ReplyTo))
	a.closing = true
	a.openTimer.Stop()
	a.resolveTimer.Stop()
	if a.reader != nil {
		a.countLoss(time.Now())
		a.reader.close()
	}
	if a.former != nil {
		a.former.close()
	}
	a.finishClosing(ctx)
}

// finishClosing tells whoever waits for it that everything read is stored.
func (a *ingest) finishClosing(ctx actor.Context) {
	if !a.closing || a.reader != nil || a.former != nil || a.shared.storing.Load() > 0 {
		return
	}
	for _, who := range a.waiting {
		a.reply(ctx, who, messages.CloseIntakeReply{})
	}
	a.waiting = nil
}

func (a *ingest) look(ctx actor.Context) {
	now := time.Now()
	a.countLoss(now)
	a.watchBacklog(now)
	if a.reader != nil && a.opts.Queue.Healthy() != nil {
		a.reader.lend()
	}
	if a.former != nil && a.opts.Queue.Healthy() != nil {
		a.former.lend()
	}
	a.report.summaries(a.machine.lines.Due(now))
	a.lookTimer.Stop()
	a.lookTimer = actorkit.After(ctx, lookAfter, lookDue{})
}

func (a *ingest) countLoss(now time.Time) {
	if a.reader != nil {
		fresh, tell := a.machine.loss.observe(now, a.reader.socket.Dropped())
		a.machine.counts.KernelDropped += fresh
		a.report.kernelDrops(fresh, tell)
	}
}

func (a *ingest) watchBacklog(now time.Time) {
	a.report.backlog(now, a.opts.Queue.Stats().Entries, &a.machine.pressure)
}

func (a *ingest) resolve(ctx actor.Context) {
	sources, last := a.opts.Sources, a.shared.sources
	started := a.effects.Run(ctx, openWithin, func(bounded context.Context) any {
		set, err := sources.Resolve(bounded, last)
		return sourcesResolved{sources, set, err}
	})
	if !started {
		a.resolveAgain(ctx)
	}
}

// resolved takes over a new set of sources; when there is none, the last one stays.
func (a *ingest) resolved(ctx actor.Context, m sourcesResolved) {
	if a.closing || m.from != a.opts.Sources { // those of an earlier configuration
		return
	}
	if m.err != nil {
		a.report.log.Warn("allowed UDP sources could not be looked up, keeping the last ones", logx.Err(m.err))
	} else {
		a.use(m.sources)
	}
	a.resolveAgain(ctx)
}

func (a *ingest) use(sources *udp.Set) {
	a.report.sources(a.shared.sources, sources)
	a.shared.sources, a.machine.sources = sources, sources
}

func (a *ingest) resolveAgain(ctx actor.Context) {
	every := a.opts.ResolveEvery
	if every <= 0 {
		every = resolveEvery
	}
	a.resolveTimer.Stop()
	a.resolveTimer = actorkit.After(ctx, every, resolveDue{})
}

func (a *ingest) snapshot() messages.IngestSnapshot {
	s := a.machine.snapshot(time.Now(), a.opts.Queue.Stats().Entries)
	if a.reader != nil && !a.closing {
		s.Listening, s.Address = true, a.reader.socket.Addr().String()
	}
	return s
}

func (a *ingest) asker(ctx actor.Context, given messages.Ref) messages.Ref {
	if given.IsZero() {
		return actorkit.RefOf(ctx.Sender())
	}
	return given
}

func (a *ingest) reply(ctx actor.Context, to messages.Ref, message any) {
	if !to.IsZero() {
		ctx.Send(actorkit.PIDOf(to), message)
	}
}
