package ingest

import (
	"sync/atomic"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"butler/internal/actorkit"
	"butler/internal/journal"
	"butler/internal/udp"
	"butler/messages"
)

// upkeepEvery is the interval at which the backlog and kernel drops are checked and
// summaries of repeated log lines are written.
const upkeepEvery = time.Second

// ingest is the actor: it opens the socket, feeds the machine, writes what that accepts
// to the journal and reports what it refuses.
type ingest struct {
	opts    *Options
	report  report
	machine *machine
	effects *actorkit.Effects
	shared  *shared

	// reader is nil while there is no socket.
	reader *reader
	// former reads a socket that a new configuration has replaced, for LingerFor; nil
	// when there is none.
	former *reader
	// unresolved counts the look-ups in a row after which a host name had no address.
	unresolved int

	upkeepTimer, openTimer, resolveTimer actorkit.Timer
}

// shared outlives a crash of the actor.
type shared struct {
	// readers numbers the readers.
	readers atomic.Uint64
	// storing counts the batches that the journal has not confirmed.
	storing atomic.Int64
	// sources is who may send. Only the live instance touches it.
	sources *udp.Set
	// listened is set from the first socket on; failures counts the attempts since the
	// last one. Only the live instance touches them.
	listened bool
	failures int
	// opts are those of the last configuration. Only the live instance touches them.
	opts *Options
	// closing is set by CloseIntake, waiting is where to reply when it is done. Only the
	// live instance touches them.
	closing bool
	waiting []messages.Ref
}

// Messages of the actor to itself.
type (
	upkeepDue struct{}
	openDue   struct{}
	// resolveDue: the addresses of from are to be looked up again.
	resolveDue struct{ from Sources }
	// lingerDue: a former socket was read for long enough.
	lingerDue struct{ reader uint64 }
	// bound is a socket, with who may send to it, or why there is none.
	bound struct {
		socket  Socket
		from    Sources
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
	reports := report{log: o.Log.Named("ingest"), metrics: o.Metrics, quarantine: o.Quarantine}
	return o.Kit.Props("ingest", func() actor.Actor {
		return &ingest{opts: common.opts, report: reports, shared: &common}
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
		actorkit.Reply(ctx, message.ReplyTo, messages.InspectIngestReply{Ingest: a.snapshot()})
	case messages.CloseIntake:
		a.closeIntake(ctx, message)
	case upkeepDue:
		a.upkeep(ctx)
	case openDue:
		a.open(ctx)
	case bound:
		a.opened(ctx, message)
	case Changed:
		a.change(ctx, message)
	case lingerDue:
		if a.former != nil && a.former.id == message.reader {
			a.former.close()
		}
	case resolveDue:
		a.resolve(ctx, message)
	case sourcesResolved:
		a.resolved(ctx, message)
	}
}

func (a *ingest) start(ctx actor.Context) {
	a.machine = newMachine(time.Now(), a.opts.Rules)
	a.machine.sources = a.shared.sources // batches of the last instance may come before a socket is open
	a.effects = actorkit.NewEffects(actorkit.NewPool(2))
	a.report.metrics.capacity(a.opts.Rules.QueueSize)
	a.upkeepTimer = actorkit.After(ctx, upkeepEvery, upkeepDue{})
	a.open(ctx)
}

func (a *ingest) stop() {
	a.upkeepTimer.Stop()
	a.openTimer.Stop()
	a.resolveTimer.Stop()
	a.effects.Close()
	a.countLoss(time.Now())
	if a.reader != nil {
		a.reader.abandon()
	}
	if a.former != nil {
		a.former.abandon()
	}
}

// admit writes what the machine accepts of a batch to the journal. The credit of the
// batch is released when that is on disk, or at once when there is nothing to write.
func (a *ingest) admit(ctx actor.Context, m messages.DatagramsReceived) {
	decided := a.machine.admit(m.At, m.Datagrams, a.opts.Queue.Writable())
	a.store(ctx, m, decided.entries)
	a.report.batch(m, decided) // last, so that its failure loses no event
}

// store writes the entries of a batch to the journal.
func (a *ingest) store(ctx actor.Context, m messages.DatagramsReceived, entries [][]byte) {
	from := a.readerOf(m.Reader)
	if len(entries) == 0 {
		if from != nil {
			from.release()
		}
		return
	}
	a.shared.storing.Add(1)
	post, count := actorkit.Poster(ctx), len(entries)
	a.opts.Queue.Append(entries, func(_ journal.Seq, _ int, err error) {
		stored := messages.DatagramsStored{Reader: m.Reader, Count: count, ReceivedAt: m.At, At: time.Now()}
		if err != nil {
			stored.Failure = messages.Failure{Kind: messages.FailureUnavailable, Text: err.Error()}
		}
		a.shared.storing.Add(-1)
		if from != nil {
			from.releaseStored()
		}
		post(stored)
	})
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

func (a *ingest) upkeep(ctx actor.Context) {
	now := time.Now()
	a.countLoss(now)
	a.watchBacklog(now)
	if a.reader != nil && a.opts.Queue.Writable() != nil {
		a.reader.lend()
	}
	if a.former != nil && a.opts.Queue.Writable() != nil {
		a.former.lend()
	}
	a.report.summaries(a.machine.lines.Due(now))
	a.finishClosing(ctx) // after a crash there is no ReaderStopped
	a.upkeepTimer.Stop()
	a.upkeepTimer = actorkit.After(ctx, upkeepEvery, upkeepDue{})
}

func (a *ingest) watchBacklog(now time.Time) {
	a.report.backlog(now, a.opts.Queue.Stats().Entries, &a.machine.pressure)
}

func (a *ingest) snapshot() messages.IngestSnapshot {
	s := a.machine.snapshot(time.Now(), a.opts.Queue.Stats().Entries)
	if a.reader != nil && !a.shared.closing {
		s.Listening, s.Address = true, a.reader.socket.Addr().String()
	}
	return s
}
