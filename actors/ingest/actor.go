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
}

// Timers and answers of the actor to itself.
type (
	lookDue    struct{}
	openDue    struct{}
	resolveDue struct{}
	// opened is a socket, with who may send to it, or why there is none.
	opened struct {
		socket  Socket
		sources *udp.Set
		err     error
	}
	sourcesResolved struct {
		sources *udp.Set
		err     error
	}
)

// Props describes the actor. Rules must be valid.
func (o *Options) Props() *actor.Props {
	var common shared
	told := report{log: o.Log.Named("ingest"), metrics: o.Metrics, quarantine: o.Quarantine}
	return o.Kit.Props("ingest", func() actor.Actor {
		return &ingest{opts: o, report: told, shared: &common}
	})
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
}

// open looks up who may send and opens the socket, outside of the actor.
func (a *ingest) open(ctx actor.Context) {
	if a.closing || a.reader != nil {
		return
	}
	last := a.shared.sources
	started := a.effects.Run(ctx, openWithin, func(bounded context.Context) any {
		return a.opts.open(bounded, last)
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
	a.machine.loss.reopened()
	a.reader = newReader(a.shared.readers.Add(1), m.socket)
	go a.reader.run(actorkit.Poster(ctx))
	a.report.listening(m.socket.Addr(), m.socket.ReceiveBuffer(), a.opts.ReceiveBuffer)
	if a.opts.OnListening != nil {
		a.opts.OnListening(m.socket.Addr())
	}
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
	if a.reader != nil && a.reader.id == id {
		return a.reader
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
	if a.readerOf(m.Reader) == nil {
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
	a.finishClosing(ctx)
}

// finishClosing tells whoever waits for it that everything read is stored.
func (a *ingest) finishClosing(ctx actor.Context) {
	if !a.closing || a.reader != nil || a.shared.storing.Load() > 0 {
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
		return sourcesResolved{set, err}
	})
	if !started {
		a.resolveAgain(ctx)
	}
}

// resolved takes over a new set of sources; when there is none, the last one stays.
func (a *ingest) resolved(ctx actor.Context, m sourcesResolved) {
	if a.closing {
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
