// Package api owns the HTTP servers: routes, handlers, the tables of errors and who
// may call what.
//
// The operations server (Listen) shows metrics and health to whoever reaches it.
// It guarantees that what else is asked of it, and every change, comes from a
// program on this machine, and ends within 30 seconds, save for a reload of the
// configuration.
//
// The REST API (ListenREST) takes calls, and changes, from any host: with access
// control from those whose credential has the scope, without it from everybody
// but the web pages of other origins. Work on files, apps and tasks lasts for as
// long as it takes, a watch for as long as its client takes what it gets; every
// other call ends within 30 seconds.
//
// The page of the configuration (ListenConfiguration) and the answer to the health
// checks of containers (ListenLiveness) only show something.
//
// All bound what they read of a request, in size and time, and their errors say
// what is wrong and how to mend it. They talk to the rest of the service through
// the functions in their options and must never reach an actor, the journal or
// the QRS by themselves.
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
	// stop ends what runs longer than a call; nil when nothing does.
	stop   func()
	handle fasthttp.RequestHandler
	// leaving: every connection ends with its next answer, which is that of next
	// where there is one.
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

// newServer returns a server for a handler; broken answers what is no request, and
// stop ends what runs longer than a call.
func newServer(listener net.Listener, handler fasthttp.RequestHandler, broken func(*fasthttp.RequestCtx, error), stop func()) *Server {
	s := &Server{listener: listener, stop: stop}
	s.http = s.newHTTP(handler, broken)
	return s
}

// newHTTP returns an HTTP server within our limits.
func (s *Server) newHTTP(handler fasthttp.RequestHandler, broken func(*fasthttp.RequestCtx, error)) *fasthttp.Server {
	s.handle = handler
	last := func(ctx *fasthttp.RequestCtx) {
		s.latest().handle(ctx)
		if s.leaving.Load() {
			ctx.SetConnectionClose()
		}
	}
	refuse := func(ctx *fasthttp.RequestCtx, err error) {
		broken(ctx, err)
		if late, ok := errors.AsType[net.Error](err); !ok || !late.Timeout() { // who is late has had its time
			sockets.Linger(ctx.Conn())
		}
	}
	return &fasthttp.Server{
		Name: "butler", Handler: last, ErrorHandler: refuse,
		// Who asks first is not asked for a body that is too large.
		ExpectHandler: func(ctx *fasthttp.RequestCtx) int {
			if ctx.Request.Header.ContentLength() <= maxBody {
				return fasthttp.StatusContinue
			}
			refuse(ctx, fasthttp.ErrBodyTooLarge)
			return ctx.Response.StatusCode()
		},
		// The first bounds a request from its first byte to its last, however it trickles.
		ReadTimeout: requestTimeout, WriteTimeout: requestTimeout, IdleTimeout: idleTimeout,
		ReadBufferSize: maxHead, MaxRequestBodySize: maxBody, CloseOnShutdown: true,
		// Nobody sends forms: their parts are not worth a parser.
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

// HandOver has the server take no further connection. Those that it has are
// served on until Shutdown, each for one more call, which next answers unless it is
// nil: the client learns from the answer to connect again, and never loses a call
// to a connection that is closed.
func (s *Server) HandOver(next *Server) error {
	if next != nil {
		s.next.Store(next)
	}
	s.leaving.Store(true)
	return s.listener.Close()
}

// latest returns the server that answers for this one.
func (s *Server) latest() *Server {
	for next := s.next.Load(); next != nil; next = s.next.Load() {
		s = next
	}
	return s
}

// Shutdown stops listening and waits for running requests until ctx ends. It
// also ends a Serve that has not begun, which the library's would not.
func (s *Server) Shutdown(ctx context.Context) error {
	if s.stop != nil {
		s.stop()
	}
	return errors.Join(s.http.ShutdownWithContext(ctx), s.listener.Close())
}

// bounded returns the context of one call. A RequestCtx would be one, but reading
// it races with the shutdown of its server.
func bounded() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), requestTimeout)
}

// isOwnName reports whether the Host header of a call is an address, localhost,
// the name in the address that the server was told to listen on, or one of more.
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

// silent drops fasthttp's own log lines: they are about clients that went away.
type silent struct{}

func (silent) Printf(string, ...any) {}
