package app

import (
	"context"
	"errors"

	"go.uber.org/zap"

	"butler/api/web"
	"butler/internal/logx"
)

// The servers of a generation: the operations server, the REST API and the pages.

// server is a server under the name that the log and the errors use.
type server struct {
	name string
	*web.Server
}

const (
	restServer       = "REST API"
	operationsServer = "operations server"
)

// addServer adds a listening server. Connections that are still busy when the time
// for its shutdown is over are cut off, which is no error: no client can make the
// shutdown fail.
func (g *generation) addServer(name string, s *web.Server) {
	g.servers = append(g.servers, server{name, s})
	g.closer.add(name, func(ctx context.Context) error {
		err := s.Shutdown(ctx)
		if errors.Is(err, context.DeadlineExceeded) {
			g.log.Warn("connections were cut off", zap.String("server", name))
			return nil
		}
		return err
	})
}

// server returns the server of that name, nil when it is disabled.
func (g *generation) server(name string) *web.Server {
	for _, s := range g.servers {
		if s.name == name {
			return s.Server
		}
	}
	return nil
}

// addressOf returns the address of the server of that name, "" when it is disabled.
func (g *generation) addressOf(name string) string {
	if s := g.server(name); s != nil {
		return s.Address()
	}
	return ""
}

// serveAll serves until the servers are shut down.
func (g *generation) serveAll() {
	for _, s := range g.servers {
		g.serve.Go(func() {
			if err := s.Serve(); err != nil {
				g.onFatal(s.name, err)
			}
		})
	}
}

// handOverServers makes the servers of the generation accept no further connections.
// Requests on those that are open are answered by the servers of next.
func (g *generation) handOverServers(next *generation) {
	for _, s := range g.servers {
		if err := s.HandOver(next.server(s.name)); err != nil {
			g.log.Warn("a component was not closed cleanly", zap.String("what", s.Address()), logx.Err(err))
		}
	}
}

// closeREST shuts the REST API down before the actors that its handlers ask.
func (g *generation) closeREST(ctx context.Context) {
	s := g.server(restServer)
	if s == nil {
		return
	}
	if err := s.Shutdown(ctx); err != nil {
		g.log.Warn("calls of the REST API were cut off", logx.Err(err))
	}
}
