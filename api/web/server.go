// Package web owns what every HTTP server of the service has in common: the limits of a
// request, how one server hands over to the next, the rate limit of a client, and the
// form of JSON answers and errors.
//
// It guarantees that a request is read within RequestTimeout, MaxHead and MaxBody, and
// that no call over an open connection is lost when a server is replaced. It must never
// know a route or decide who may call it.
package web

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
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
	// mayAnnounce tells who may send more than SmallBody; nil means everybody.
	mayAnnounce func(*fasthttp.RequestHeader) bool
	// leaving is set by HandOver: every connection is closed after its next answer.
	// That answer is made by next, where there is one.
	leaving atomic.Bool
	next    atomic.Pointer[Server]
}

// The limits of every request.
const (
	RequestTimeout = 30 * time.Second
	IdleTimeout    = 2 * time.Minute
	MaxHead        = 16 << 10
	MaxBody        = 1 << 20
	// SmallBody bounds the body of a client that need not or may not send a large one.
	SmallBody = 16 << 10
)

// New returns a server for a handler. broken answers requests that cannot be
// read, and stop ends the work that outlasts its call.
func New(listener net.Listener, handler fasthttp.RequestHandler, broken func(*fasthttp.RequestCtx, error), stop func()) *Server {
	s := &Server{listener: listener, stop: stop}
	s.http = s.newHTTP(handler, broken)
	return s
}

// newHTTP returns an HTTP server within our limits.
func (s *Server) newHTTP(handler fasthttp.RequestHandler, broken func(*fasthttp.RequestCtx, error)) *fasthttp.Server {
	s.handle = handler
	serve := func(ctx *fasthttp.RequestCtx) {
		if doubtful(&ctx.Request.Header) {
			broken(ctx, errDoubtful)
			ctx.SetConnectionClose()
			return
		}
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
			if ctx.Request.Header.ContentLength() <= s.bodyOf(&ctx.Request.Header) {
				return fasthttp.StatusContinue
			}
			refuse(ctx, fasthttp.ErrBodyTooLarge)
			return ctx.Response.StatusCode()
		},
		// ReadTimeout covers the whole request, so a client cannot extend it by sending slowly.
		ReadTimeout: RequestTimeout, WriteTimeout: RequestTimeout, IdleTimeout: IdleTimeout,
		ReadBufferSize: MaxHead, MaxRequestBodySize: MaxBody, CloseOnShutdown: true,
		HeaderReceived: func(head *fasthttp.RequestHeader) fasthttp.RequestConfig {
			return fasthttp.RequestConfig{MaxRequestBodySize: s.bodyOf(head)}
		},
		// No endpoint takes a form.
		DisablePreParseMultipartForm: true,
		Logger:                       silent{},
	}
}

var errDoubtful = errors.New("the request does not say clearly where it ends: " +
	"send either Content-Length, or Transfer-Encoding: chunked over HTTP/1.1")

// doubtful reports whether a proxy may see the end of a request elsewhere than fasthttp,
// which prefers chunks to a length and keeps the connection. What follows the end could
// then be a request that the proxy has not seen (RFC 9112, section 6.1).
func doubtful(head *fasthttp.RequestHeader) bool {
	var length, coding bool
	for line := range bytes.Lines(head.RawHeaders()) {
		name, _, _ := bytes.Cut(line, []byte(":"))
		length = length || bytes.EqualFold(name, []byte(fasthttp.HeaderContentLength))
		coding = coding || bytes.EqualFold(name, []byte(fasthttp.HeaderTransferEncoding))
	}
	return coding && (length || head.ContentLength() != chunked || !head.IsHTTP11())
}

// chunked is fasthttp's ContentLength of a request that is sent in chunks.
const chunked = -1

// LimitBodies refuses a body larger than SmallBody unless large reports that the request
// may have one. A server allocates what a request announces before any of it arrives, and
// before anybody is asked who he is: without this, a stranger takes MaxBody with every
// connection. It must be called before Serve.
func (s *Server) LimitBodies(large func(*fasthttp.RequestHeader) bool) { s.mayAnnounce = large }

// bodyOf returns how large the body of a request may be.
func (s *Server) bodyOf(head *fasthttp.RequestHeader) int {
	if s.mayAnnounce == nil || head.ContentLength() <= SmallBody && head.ContentLength() != chunked || s.mayAnnounce(head) {
		return MaxBody
	}
	return SmallBody
}

// NoLargeBody is for LimitBodies of a server that needs no large ones.
func NoLargeBody(*fasthttp.RequestHeader) bool { return false }

// SetTimeouts replaces the time for reading a request and for waiting for the next one
// over a connection. It must be called before Serve; the tests shorten them.
func (s *Server) SetTimeouts(request, idle time.Duration) {
	s.http.ReadTimeout, s.http.IdleTimeout = request, idle
}

// Handle answers a request that did not arrive over a connection of the server.
func (s *Server) Handle(ctx *fasthttp.RequestCtx) { s.http.Handler(ctx) }

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

// Bounded returns the context of one call. The RequestCtx cannot be used as one:
// reading it races with the shutdown of its server.
func Bounded() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), RequestTimeout)
}

// silent drops fasthttp's own log lines, which are about clients that went away.
type silent struct{}

func (silent) Printf(string, ...any) {}
