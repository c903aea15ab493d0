package app

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"

	"butler/actors/ingest"
	"butler/actors/notify"
	"butler/actors/qrsgate"
	"butler/internal/logx"
	"butler/messages"
)

// The replacement of a generation by the next one, at a reload.

// discard closes what was built of a generation that does not come into force.
func (g *generation) discard() error {
	ctx, quiet := context.Background(), zap.NewNop()
	built := g.partsNotIn(g.previous)
	err := errors.Join(closeParts(ctx, built, quiet), g.closer.close(ctx, quiet))
	if g.previous != nil {
		g.previous.resetMetrics(built)
	}
	return err
}

// handOverDestinations gives the notify actor the new routing table, before the
// generation routes anything by it. It is the last step of a reload that may fail;
// then the actor gets the previous table back.
func (g *generation) handOverDestinations(ctx context.Context) error {
	_, err := ask[notify.TableChangedReply](ctx, g.kit, g.pids.notify, func(to messages.Ref) any { return g.tableChanged(to) })
	if err != nil {
		g.kit.System.Root.Send(g.pids.notify, g.previous.tableChanged(messages.Ref{}))
		return fmt.Errorf("hand over the destinations: %w", err)
	}
	return nil
}

func (g *generation) tableChanged(replyTo messages.Ref) notify.TableChanged {
	keep, newDelivery := g.deliveries()
	return notify.TableChanged{Table: g.table, Keep: keep, NewDelivery: newDelivery, ReplyTo: replyTo}
}

// activate puts the generation in force. Only the start of an actor can fail in it,
// which ends the service, as it does at the start.
func (g *generation) activate(ctx context.Context, intake ingest.Changed) {
	before, root := g.previous, g.kit.System.Root
	g.comeIntoForce()
	if level, err := logx.LevelOf(g.cfg.Log().Level); err == nil {
		g.level.SetLevel(level)
	}
	root.Send(g.pids.gate, qrsgate.Changed{
		Port: g.port(), Host: g.cfg.QRS().Host, Rules: g.gateRules(), Connection: g.connection(),
	})
	if g.pids.ingest != nil {
		var handedOver closer
		g.closer.moveTo(newSocket, &handedOver) // the actor closes it from now on
		if intake.Socket != nil {
			g.reloads.vacated = vacatedPort{before.cfg.UDP().Port, time.Now().Add(ingest.LingerFor + time.Second)}
		}
		root.Send(g.pids.ingest, intake)
	}
	before.stopWatching()
	before.watching.Wait()
	g.health.Remove(expectedComponent) // the next watch sets it again
	replaced := before.partsNotIn(g)
	g.replaceActors(replaced)
	for _, p := range replaced {
		if p.finish == nil {
			_ = p.closer.close(ctx, g.log) // errors are logged
		}
	}
	g.forget(replaced)
	g.logConfiguration()
	g.logSilence()
	g.open()
	before.handOverServers(g) // after open, so that new connections find the new servers
	g.previous = nil          // or every generation would keep the one before it in memory
	g.background.Go(func() { before.retire(replaced) })
}

// connection returns how the connection to the repository has changed.
func (g *generation) connection() qrsgate.Connection {
	switch {
	case g.changed.touches("configQRS"):
		return qrsgate.OtherRepository
	case g.changed.touches("cert") || !g.sameCertificates():
		return qrsgate.OtherConnection
	default:
		return qrsgate.SameConnection
	}
}

// replaceActors stops the actors of the parts that are replaced and starts those of the
// new parts. An actor that replaces another has the same address. It has a
// timeout of its own: if the reload had used up the time, an old actor could not be
// stopped, and its successor not be started. The shutdown, which waits for the reload,
// ends it: then nothing needs a successor.
func (g *generation) replaceActors(replaced []*part) {
	ctx, cancel := context.WithTimeout(g.lifetime(), reloadTimeout)
	defer cancel()
	for _, p := range replaced {
		if p.finishCalls != nil {
			p.finishCalls(ctx)
		}
	}
	for _, row := range actorsOf(replaced) {
		if err := g.tree.Remove(ctx, row.Name); err != nil {
			g.log.Warn("an actor of the previous configuration did not stop in time", logx.Actor(row.Name), logx.Err(err))
		}
	}
	if g.lifetime().Err() != nil {
		return
	}
	for _, row := range actorsOf(g.partsNotIn(g.previous)) {
		if err := g.tree.Add(row); err != nil {
			g.onFatal(row.Name, err)
		}
	}
}

const (
	// lingerFor is how long a replaced server still serves its open connections, so
	// that clients that call often have closed theirs before it shuts down.
	lingerFor = 2 * time.Second
	// retireWithin bounds how long requests to a replaced server may take.
	retireWithin = 30 * time.Second
)

// retire closes a generation that has been replaced: its servers finish the requests
// that have begun, and the parts that were replaced finish their work.
func (g *generation) retire(replaced []*part) {
	for _, p := range replaced {
		if p.finish != nil {
			g.background.Go(p.finish)
		}
	}
	wait(g.lifetime(), lingerFor)
	ctx, cancel := context.WithTimeout(g.lifetime(), retireWithin)
	defer cancel()
	_ = g.closer.close(ctx, g.log) // errors are logged
	g.serve.Wait()
}
