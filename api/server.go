// Package api owns the HTTP servers: routes, handlers, the tables of errors and who
// may call what.
//
// The operations server (Listen) serves metrics and health to everybody who reaches
// it. It guarantees that all other calls are accepted only from a program on this
// machine, and that a call ends within 30 seconds, except for a reload of the
// configuration.
//
// The REST API (ListenREST) accepts calls from any host: with access control from
// callers whose credential has the scope, without it from everybody except web pages
// of other origins. Work on files, apps and tasks takes as long as it needs, and a
// watch lasts as long as its client keeps reading; every other call ends within 30
// seconds.
//
// The configuration page (ListenConfiguration) and the health check for containers
// (ListenLiveness) are read-only.
//
// All servers bound what they read of a request, in size and time, and their errors
// say what is wrong and how to correct it. They talk to the rest of the service
// through the functions and interfaces in their options, and must never reach an
// actor, the journal or the QRS directly.
package api

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"

	"butler/api/sockets"
)

// Server is a running HTTP server.
type Server struct {
	http     *fasthttp.Server
	listener net.Listener
	// stop ends the work that outlasts its call; nil when there is none.
	stop   func()
	handle fasthttp.RequestHandler
	// leaving is set by HandOver: every connection is closed after its next answer.
	// That answer is made by next, where there is one.
	leaving atomic.Bool
	next    atomic.Pointer[Server]
}

// The limits of every request.
const (
	requestTimeout = 30 * time.Second
	idleTimeout    = 2 * time.Minute
	maxHead        = 16 << 10
	maxBody        = 1 << 20
)

// newServer returns a server for a handler. broken answers requests that cannot be
// read, and stop ends the work that outlasts its call.
func newServer(listener net.Listener, handler fasthttp.RequestHandler, broken func(*fasthttp.RequestCtx, error), stop func()) *Server {
	s := &Server{listener: listener, stop: stop}
	s.http = s.newHTTP(handler, broken)
	return s
}

// newHTTP returns an HTTP server within our limits.
func (s *Server) newHTTP(handler fasthttp.RequestHandler, broken func(*fasthttp.RequestCtx, error)) *fasthttp.Server {
	s.handle = handler
	serve := func(ctx *fasthttp.RequestCtx) {
		s.latest().handle(ctx)
		if s.leaving.Load() {
			ctx.SetConnectionClose()
		}
	}
	refuse := func(ctx *fasthttp.RequestCtx, err error) {
		broken(ctx, err)
		if late, ok := errors.AsType[net.Error](err); !ok || !late.Timeout() { // a client that is too slow gets no further time
			sockets.Linger(ctx.Conn())
		}
	}
	return &fasthttp.Server{
		Name: "butler", Handler: serve, ErrorHandler: refuse,
		// A client that sends "Expect: 100-continue" is refused before it sends a body
		// that is too large.
		ExpectHandler: func(ctx *fasthttp.RequestCtx) int {
			if ctx.Request.Header.ContentLength() <= maxBody {
				return fasthttp.StatusContinue
			}
			refuse(ctx, fasthttp.ErrBodyTooLarge)
			return ctx.Response.StatusCode()
		},
		// ReadTimeout covers the whole request, so a client cannot extend it by sending slowly.
		ReadTimeout: requestTimeout, WriteTimeout: requestTimeout, IdleTimeout: idleTimeout,
		ReadBufferSize: maxHead, MaxRequestBodySize: maxBody, CloseOnShutdown: true,
		// No endpoint takes a form.
		DisablePreParseMultipartForm: true,
		Logger:                       silent{},
	}
}

// Address returns where the server listens.
func (s *Server) Address() string { return s.listener.Addr().String() }

// Serve answers until Shutdown.
func (s *Server) Serve() error {
	if err := s.http.Serve(s.listener); err != nil && !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("serve %s: %w", s.Address(), err)
	}
	return nil
}

// HandOver stops accepting connections. Each open connection is served for one more
// call, until Shutdown; next answers it unless it is nil. The answer tells the client
// that the connection closes, so no call is lost on a closed connection.
func (s *Server) HandOver(next *Server) error {
	if next != nil {
		s.next.Store(next)
	}
	s.leaving.Store(true)
	return s.listener.Close()
}

// latest follows next to the server that answers for this one.
func (s *Server) latest() *Server {
	for next := s.next.Load(); next != nil; next = s.next.Load() {
		s = next
	}
	return s
}

// Shutdown stops listening and waits for running requests until ctx ends. Unlike
// fasthttp's own, it also ends a Serve that has not begun yet.
func (s *Server) Shutdown(ctx context.Context) error {
	if s.stop != nil {
		s.stop()
	}
	return errors.Join(s.http.ShutdownWithContext(ctx), s.listener.Close())
}

// bounded returns the context of one call. The RequestCtx cannot be used as one:
// reading it races with the shutdown of its server.
func bounded() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), requestTimeout)
}

// isOwnName reports whether a Host header is an IP address, localhost, the host of
// the address that the server listens on, or one of more.
func isOwnName(host, address string, more ...string) bool {
	name := strings.ToLower(hostOf(host))
	_, err := netip.ParseAddr(name)
	return err == nil || name == "localhost" || name != "" && name == strings.ToLower(hostOf(address)) ||
		slices.ContainsFunc(more, func(other string) bool { return name != "" && strings.EqualFold(name, other) })
}

// onLoopback reports whether a server is reached from its own machine only.
func onLoopback(listener net.Listener) bool {
	at, err := netip.ParseAddrPort(listener.Addr().String())
	return err == nil && at.Addr().IsLoopback()
}

// hostOf returns the host of "host", "host:port" and "[host]:port".
func hostOf(hostPort string) string {
	host, _, err := net.SplitHostPort(hostPort)
	if err != nil {
		host = hostPort
	}
	return strings.Trim(host, "[]")
}

// silent drops fasthttp's own log lines, which are about clients that went away.
type silent struct{}

func (silent) Printf(string, ...any) {}
