// Package api owns the two HTTP servers: routes, handlers, the tables of errors
// and who may call what.
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
// Both bound what they read of a request, in size and time, and their errors say
// what is wrong and how to mend it. They talk to the rest of the service through
// the functions in their options and must never reach an actor, the journal or
// the QRS by themselves.
package api

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/fasthttp/router"
	"github.com/valyala/fasthttp"
	"github.com/valyala/fasthttp/fasthttpadaptor"
	"go.uber.org/zap"

	"butler/api/sockets"
	"butler/internal/logx"
)

// Options are what the server serves.
type Options struct {
	// Address is host:port to listen on; port 0 picks a free one.
	Address string
	// Sockets are shared with other servers; nil shares none.
	Sockets *sockets.Shared
	Log     *zap.Logger
	// Configuration is the absolute path of the file that the service runs with, "" without one.
	Configuration string
	// Metrics serves the metrics page.
	Metrics http.Handler
	// Ready reports whether the service takes events, and why not.
	Ready func() (bool, string)
	// Health returns the state of the whole ("up", "degraded", "down") and its components, as JSON.
	Health func() (state string, components any)
	// Admin are the operations on what the service keeps.
	Admin Admin
	// Explainer tells why somebody was told of an execution, or not.
	Explainer Explainer
	// Reload reads the configuration again. It is applied, or the answer says why not.
	Reload func() (answer any, applied bool)
}

// Admin is what an operator may look at and change on the machine itself.
type Admin interface {
	// Destinations describes the delivery through every destination instance.
	Destinations(ctx context.Context) (any, error)
	// Parked lists parked notices of an instance, of all instances of a destination,
	// or of all for "". A name that means none is a DestinationError.
	Parked(ctx context.Context, instance string, limit int) (any, error)
	// ReplayParked sends parked notices again; no ids means all of instance. What
	// could not be done for some of them is a PartlyError.
	ReplayParked(ctx context.Context, instance string, ids []string) (count int, err error)
	// DropParked removes parked notices for good, in the same way.
	DropParked(ctx context.Context, instance string, ids []string) (count int, err error)
	// Quarantine lists the newest refused datagrams.
	Quarantine(ctx context.Context, limit int) (any, error)
	// Alerts lists the alerts that are kept of an execution, or would follow from its events.
	Alerts(ctx context.Context, execution string) (any, error)
}

// Server is a running HTTP server.
type Server struct {
	opts     Options
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
	maxList        = 10_000
	defaultList    = 100
)

// Listen binds the address. Serve starts answering.
func Listen(o Options) (*Server, error) {
	listener, err := o.Sockets.Listen(o.Address, "operations.host, operations.port", o.Log)
	if err != nil {
		return nil, err
	}
	s := &Server{opts: o, listener: listener}
	s.http = s.newHTTP(s.routes(), func(ctx *fasthttp.RequestCtx, err error) {
		switch told := unreadable(err); told.StatusCode {
		case http.StatusRequestEntityTooLarge:
			fail(ctx, errTooLarge, told.Message)
		case http.StatusRequestHeaderFieldsTooLarge:
			fail(ctx, errHeaders, told.Message)
		case http.StatusRequestTimeout:
			fail(ctx, errTooSlow, told.Message)
		default:
			fail(ctx, errBadRequest, told.Message)
		}
	})
	return s, nil
}

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
	return &fasthttp.Server{
		Name: "butler", Handler: last, ErrorHandler: broken,
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

// routes is the one table of routes.
func (s *Server) routes() fasthttp.RequestHandler {
	r := router.New()
	r.HandleMethodNotAllowed = true
	r.GET("/", s.index)
	r.GET("/metrics", fasthttpadaptor.NewFastHTTPHandler(s.opts.Metrics))
	r.GET("/healthz", s.healthz)
	r.GET("/readyz", s.readyz)
	r.GET("/health", s.health)
	r.GET("/admin/destinations", s.local(s.listDestinations))
	r.GET("/admin/parked", s.local(s.listParked))
	r.POST("/admin/parked/replay", s.local(s.changeParked(s.opts.Admin.ReplayParked)))
	r.POST("/admin/parked/drop", s.local(s.changeParked(s.opts.Admin.DropParked)))
	r.GET("/admin/quarantine", s.local(s.listQuarantine))
	r.GET("/admin/alerts", s.local(s.listAlerts))
	r.GET("/admin/explain", s.local(s.explain))
	r.POST("/admin/config/reload", s.local(s.reload))
	r.NotFound = func(ctx *fasthttp.RequestCtx) { fail(ctx, errNotFound, string(ctx.Path())) }
	r.MethodNotAllowed = func(ctx *fasthttp.RequestCtx) { fail(ctx, errMethod, string(ctx.Method())) }
	r.PanicHandler = func(ctx *fasthttp.RequestCtx, cause any) {
		s.opts.Log.Error("handler panicked", zap.String("route", string(ctx.Path())), zap.Any("panic", cause), zap.Stack("stack"))
		fail(ctx, errInternal, "")
	}
	return r.Handler
}

// healthz says that the process lives, and nothing else.
func (s *Server) healthz(ctx *fasthttp.RequestCtx) { ctx.SetBodyString("ok\n") }

func (s *Server) readyz(ctx *fasthttp.RequestCtx) {
	if ready, reason := s.opts.Ready(); !ready {
		fail(ctx, errNotReady, reason)
		return
	}
	ctx.SetBodyString("ready\n")
}

func (s *Server) health(ctx *fasthttp.RequestCtx) {
	state, components := s.opts.Health()
	answer(ctx, map[string]any{"state": state, "components": components})
}

func (s *Server) listDestinations(ctx *fasthttp.RequestCtx) {
	call, cancel := bounded()
	defer cancel()
	list, err := s.opts.Admin.Destinations(call)
	s.respond(ctx, list, err)
}

func (s *Server) listQuarantine(ctx *fasthttp.RequestCtx) {
	limit, ok := limitOf(ctx)
	if !ok {
		return
	}
	call, cancel := bounded()
	defer cancel()
	list, err := s.opts.Admin.Quarantine(call, limit)
	s.respond(ctx, list, err)
}

func (s *Server) listAlerts(ctx *fasthttp.RequestCtx) {
	execution := string(ctx.QueryArgs().Peek("execution"))
	if !nameable(execution) {
		fail(ctx, errBadRequest, errNoExecution)
		return
	}
	call, cancel := bounded()
	defer cancel()
	list, err := s.opts.Admin.Alerts(call, execution)
	s.respond(ctx, list, err)
}

func (s *Server) reload(ctx *fasthttp.RequestCtx) {
	body, applied := s.opts.Reload()
	if !applied {
		ctx.SetStatusCode(http.StatusUnprocessableEntity)
	}
	answer(ctx, body)
}

// bounded returns the context of one call. A RequestCtx would be one, but reading
// it races with the shutdown of its server.
func bounded() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), requestTimeout)
}

func (s *Server) respond(ctx *fasthttp.RequestCtx, body any, err error) {
	if err != nil {
		s.opts.Log.Warn("request could not be answered", zap.String("route", string(ctx.Path())), logx.Err(err))
		fail(ctx, errInternal, err.Error())
		return
	}
	answer(ctx, body)
}

func limitOf(ctx *fasthttp.RequestCtx) (int, bool) {
	raw := string(ctx.QueryArgs().Peek("limit"))
	if raw == "" {
		return defaultList, true
	}
	n, err := strconv.Atoi(raw)
	if err != nil || n < 1 || n > maxList {
		fail(ctx, errBadRequest, fmt.Sprintf("limit must be a number from 1 to %d", maxList))
		return 0, false
	}
	return n, true
}

// local admits a call only from this machine, and only from a program: a web
// page of another origin cannot set the header, and one whose name was pointed at
// this machine shows that name as the host.
func (s *Server) local(next fasthttp.RequestHandler) fasthttp.RequestHandler {
	return func(ctx *fasthttp.RequestCtx) {
		if !isOwnAddress(ctx.RemoteIP(), ctx.LocalIP()) {
			fail(ctx, errForbidden, "this call is answered on the machine itself only")
			return
		}
		if !isOwnName(string(ctx.Host()), s.opts.Address) {
			fail(ctx, errForbidden, "call by IP address or as localhost")
			return
		}
		if len(ctx.Request.Header.Peek(AdminHeader)) == 0 {
			fail(ctx, errForbidden, "send the header "+AdminHeader+": 1")
			return
		}
		if s.sayConfiguration(ctx); !s.isMeant(ctx) {
			fail(ctx, errOther, "this service runs with the configuration "+s.configuration())
			return
		}
		next(ctx)
	}
}

// isOwnAddress reports whether a call comes from the machine that it is made to.
func isOwnAddress(remote, local net.IP) bool {
	return remote.IsLoopback() || !remote.IsUnspecified() && remote.Equal(local)
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

// AdminHeader must be sent, with any value, with every administrative call.
const AdminHeader = "X-Butler-Admin"

// silent drops fasthttp's own log lines: they are about clients that went away.
type silent struct{}

func (silent) Printf(string, ...any) {}
