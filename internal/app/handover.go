package app

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"go.uber.org/zap"

	"butler/actors/ingest"
	"butler/actors/notify"
	"butler/actors/qrsgate"
	"butler/api/web"
	"butler/internal/logx"
	"butler/internal/mqttconn"
	"butler/internal/qlik/qrs"
	"butler/messages"
)

// The replacement of a generation by the next one, at a reload.

// discard closes what was built of a generation that does not come into force.
func (g *generation) discard() {
	ctx, quiet := context.Background(), zap.NewNop()
	for _, m := range g.monitors {
		if !m.kept {
			_ = m.closer.close(ctx, quiet) // the error that stopped the reload is the one to report
		}
	}
	_ = g.closer.close(ctx, quiet)
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
	g.replaceActors()
	g.inherit(ctx)
	g.removeStaleHealth()
	g.logConfiguration()
	g.open()
	before.handOverServers(g) // after open, so that new connections find the new servers
	g.previous = nil          // or every generation would keep the one before it in memory
	g.background.Go(func() { before.retire() })
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

// keepsActor reports whether an actor of the previous generation continues unchanged.
func (g *generation) keepsActor(name string) bool {
	switch name {
	case valuesActor:
		return !g.changed.touches("keyValueStore") && g.valuesLedger == g.previous.valuesLedger
	case scheduleActor:
		return !g.changed.touches("scheduler")
	case linkActor:
		return g.inbound == g.previous.inbound
	case cloudActor, cloudLinkActor:
		return g.cloud == g.previous.cloud
	}
	return slices.ContainsFunc(g.monitors, func(m runningMonitor) bool { return m.kept && m.actorName() == name })
}

// replaceActors stops the actors of the previous generation that are not kept and
// starts the new ones. An actor that replaces another has the same address. It has a
// timeout of its own: if the reload had used up the time, an old actor could not be
// stopped, and its successor not be started. The shutdown, which waits for the reload,
// ends it: then nothing needs a successor.
func (g *generation) replaceActors() {
	ctx, cancel := context.WithTimeout(g.lifetime(), reloadTimeout)
	defer cancel()
	running := map[string]bool{}
	for _, row := range g.previous.ownChildren() {
		if running[row.Name] = g.keepsActor(row.Name); running[row.Name] {
			continue
		}
		if err := g.tree.Remove(ctx, row.Name); err != nil {
			g.log.Warn("an actor of the previous configuration did not stop in time", logx.Actor(row.Name), logx.Err(err))
		}
	}
	if g.lifetime().Err() != nil {
		return
	}
	for _, row := range g.ownChildren() {
		if running[row.Name] {
			continue
		}
		if err := g.tree.Add(row); err != nil {
			g.onFatal(row.Name, err)
		}
	}
}

// inherit takes over the connections that are kept from the previous generation, and
// closes those that the new one opens again under the same client ID, as a broker
// allows a client ID only one connection.
func (g *generation) inherit(ctx context.Context) {
	var old closer
	for name, kept := range map[string]bool{
		mqttConnection: g.mqtt == g.previous.mqtt, cloudConnections: g.cloud == g.previous.cloud,
		forwardConnection: g.cloud == g.previous.cloud, engineSessions: g.apps == g.previous.apps,
	} {
		switch {
		case kept:
			g.previous.closer.moveTo(name, &g.closer)
		case name != engineSessions: // retire closes those
			g.previous.closer.moveTo(name, &old)
		}
	}
	_ = errors.Join(old.close(ctx, g.log), g.previous.closeMonitors(ctx, g)) // both are logged
}

// removeStaleHealth removes from the health board and the metrics what is not
// watched any more.
func (g *generation) removeStaleHealth() {
	forwards := g.cloud != nil && g.cloud.forwarded != nil
	gone := map[string]bool{
		mqttComponent: g.mqtt == nil, cloudComponent: g.cloud == nil, forwardComponent: !forwards, waitingComponent: !forwards,
		schedulesComponent: !g.cfg.Scheduler().Enable, startsComponent: !g.cfg.Scheduler().Enable, expectedComponent: true, keysComponent: g.reportKeyFile == nil,
	}
	for _, m := range g.previous.monitors {
		gone[m.probeComponent()] = !slices.ContainsFunc(g.monitors, func(n runningMonitor) bool { return n.component() == m.component() })
	}
	for name, is := range gone {
		if is {
			g.health.Remove(name)
		}
	}
	if g.mqtt == nil && g.previous.mqtt != nil {
		sharedMetrics(g.App, mqttconn.NewMetrics).Gone()
	}
	g.services.Keep(serviceHosts(g.cfg.ServiceMonitor()), g.serviceGauges())
	if gone[serverLicenseMonitor(g.cfg).probeComponent()] {
		g.licenceGauges().Server(messages.License{})
	}
	if gone[accessLicenseMonitor(g.cfg).probeComponent()] {
		g.licenceGauges().Usage(qrs.AccessOverview{})
	}
}

// handOverServers makes the servers of the generation accept no further connections.
// Requests on those that are open are answered by the servers of next.
func (g *generation) handOverServers(next *generation) {
	successors := next.servers()
	for kind, s := range g.servers() {
		if err := s.HandOver(successors[kind]); err != nil {
			g.log.Warn("a component was not closed cleanly", zap.String("what", s.Address()), logx.Err(err))
		}
	}
}

// servers returns the servers of the generation by name.
func (g *generation) servers() map[string]*web.Server {
	out := map[string]*web.Server{}
	if g.server != nil {
		out["operations server"] = g.server
	}
	if g.rest != nil {
		out["REST API"] = g.rest
	}
	for _, p := range g.pages {
		out[p.name] = p.server
	}
	return out
}

const (
	// lingerFor is how long a replaced server still serves its open connections, so
	// that clients that call often have closed theirs before it shuts down.
	lingerFor = 2 * time.Second
	// retireWithin bounds how long requests to a replaced server may take.
	retireWithin = 30 * time.Second
)

// retire closes a generation that has been replaced: its servers finish the requests
// that have begun, and app reloads run to their end.
func (g *generation) retire() {
	var engine closer
	g.closer.moveTo(engineSessions, &engine)
	if len(engine) > 0 {
		g.background.Go(func() {
			g.apps.client.Drain(g.lifetime())
			_ = engine.close(context.Background(), g.log)
			g.apps.stop()
		})
	}
	wait(g.lifetime(), lingerFor)
	ctx, cancel := context.WithTimeout(g.lifetime(), retireWithin)
	defer cancel()
	_ = g.closer.close(ctx, g.log) // errors are logged
	g.serve.Wait()
}
