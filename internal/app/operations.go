package app

import (
	"os"
	"slices"
	"time"

	"go.uber.org/zap"

	"butler/api/operations"
	"butler/internal/address"
	"butler/internal/metrics"
)

// listenOperations opens the port of the operations server.
func (g *generation) listenOperations() error {
	section := g.cfg.Operations()
	if !section.Enable {
		return nil
	}
	host, _ := os.Hostname() // "" where it cannot be read
	server, err := operations.Listen(operations.Options{
		Host:    host,
		Address: address.Listen(section.Host, section.Port), Sockets: &g.sockets, Log: g.log.Named("api"), Configuration: g.cfg.AbsoluteFile(),
		Metrics: metrics.Handler(g.reg), Admin: admin{g}, Explainer: explainer{g.App}, Feed: g.feed, Reload: g.reloadNow,
		Ready: func() (bool, string) { return g.health.Ready(g.essential()...) },
		Health: func() (string, []operations.Component) {
			state, components := g.health.Report()
			out := make([]operations.Component, len(components))
			for i, c := range components {
				out[i] = operations.Component{Name: c.Name, State: string(c.State), Reason: c.Reason, Since: c.Since}
			}
			return string(state), out
		},
	})
	if err != nil {
		return err
	}
	g.log.Info("metrics, health and administration are served over HTTP", zap.String("address", server.Address()))
	g.addServer(operationsServer, server)
	return nil
}

// essential returns the components that have to be up for the service to be ready.
func (a *App) essential() []string {
	names := []string{"journal/" + logEvents, "journal/" + logLedger, "executions", "notify"}
	if a.disk != nil {
		names = append(names, filesComponent)
	}
	if a.takesEvents() {
		names = append(names, "ingest", socketComponent)
	}
	return names
}

// reloadNow reloads the configuration for a caller of the operations server.
func (a *App) reloadNow() (answer any, applied bool) {
	result := a.Reload(ByAPI)
	return result, result.Applied
}

// feed describes what arrives from the nodes.
func (a *App) feed() (operations.Feed, error) {
	feed := operations.Feed{Since: a.began, Waiting: a.queue.Stats().Entries, Nodes: []operations.Node{}}
	series, err := a.series("butler_node_last_event_timestamp_seconds")
	if err != nil {
		return feed, err
	}
	for _, one := range series {
		at := one.GetGauge().GetValue()
		feed.Nodes = append(feed.Nodes, operations.Node{Name: one.GetLabel()[0].GetValue(), LastEvent: time.UnixMilli(int64(at * 1000)).UTC()})
	}
	slices.SortStableFunc(feed.Nodes, func(a, b operations.Node) int { return b.LastEvent.Compare(a.LastEvent) })
	return feed, nil
}
