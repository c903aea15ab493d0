// Package api owns the HTTP server: routes, handlers, the table of errors and
// who may call what.
//
// It guarantees that every answer is complete and has a bound in size and time,
// that a call which changes something comes from this machine, and that an
// error says what is wrong and how to mend it. It talks to the rest of the
// service through the functions in Options and must never reach an actor, the
// journal or the QRS by itself.
package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/fasthttp/router"
	"github.com/valyala/fasthttp"
	"github.com/valyala/fasthttp/fasthttpadaptor"
	"go.uber.org/zap"

	"butler/internal/logx"
)

// Options are what the server serves.
type Options struct {
	// Address is host:port to listen on; port 0 picks a free one.
	Address string
	Log     *zap.Logger
	// Metrics serves the metrics page.
	Metrics http.Handler
	// Ready reports whether the service takes events, and why not.
	Ready func() (bool, string)
	// Health returns the state of the whole ("up", "degraded", "down") and its components, as JSON.
	Health func() (state string, components any)
	// Admin are the operations on what the service keeps.
	Admin Admin
}

// Admin is what an operator may look at and change on the machine itself.
type Admin interface {
	// Destinations describes the delivery through every destination instance.
	Destinations(ctx context.Context) (any, error)
	// Parked lists parked notices of an instance, or of all for "".
	Parked(ctx context.Context, instance string, limit int) (any, error)
	// ReplayParked sends parked notices again; no ids means all of instance.
	ReplayParked(ctx context.Context, instance string, ids []string) (count int, err error)
	// DropParked removes parked notices for good; no ids means all of instance.
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
	stop func()
}

// The limits of every request.
const (
	requestTimeout = 30 * time.Second
	maxBody        = 1 << 20
	maxList        = 10_000
	defaultList    = 100
	maxID          = 200
)

// Listen binds the address. Serve starts answering.
func Listen(o Options) (*Server, error) {
	listener, err := new(net.ListenConfig).Listen(context.Background(), "tcp", o.Address)
	if err != nil {
		return nil, fmt.Errorf("listen on %s (operations.host, operations.port): %w", o.Address, err)
	}
	s := &Server{opts: o, listener: listener}
	s.http = newHTTP(s.routes(), func(ctx *fasthttp.RequestCtx, _ error) {
		fail(ctx, errBadRequest, "the request is not valid HTTP or too large")
	})
	return s, nil
}

// newHTTP returns an HTTP server within our limits. broken answers what is no request.
func newHTTP(handler fasthttp.RequestHandler, broken func(*fasthttp.RequestCtx, error)) *fasthttp.Server {
	return &fasthttp.Server{
		Name: "butler", Handler: handler, ErrorHandler: broken,
		ReadTimeout: requestTimeout, WriteTimeout: requestTimeout, IdleTimeout: 2 * time.Minute,
		MaxRequestBodySize: maxBody, NoDefaultDate: false, CloseOnShutdown: true,
		Logger: silent{},
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

// Shutdown stops listening and waits for running requests until ctx ends. It
// also ends a Serve that has not begun, which the library's would not.
func (s *Server) Shutdown(ctx context.Context) error {
	if s.stop != nil {
		s.stop()
	}
	err := s.http.ShutdownWithContext(ctx)
	if closing := s.listener.Close(); !errors.Is(closing, net.ErrClosed) {
		err = errors.Join(err, closing)
	}
	return err
}

// routes is the one table of routes.
func (s *Server) routes() fasthttp.RequestHandler {
	r := router.New()
	r.HandleMethodNotAllowed = true
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

func (s *Server) listParked(ctx *fasthttp.RequestCtx) {
	limit, ok := limitOf(ctx)
	if !ok {
		return
	}
	call, cancel := bounded()
	defer cancel()
	list, err := s.opts.Admin.Parked(call, string(ctx.QueryArgs().Peek("instance")), limit)
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
	if execution == "" || len(execution) > maxID {
		fail(ctx, errBadRequest, fmt.Sprintf("execution must be the ID of an execution, of at most %d bytes", maxID))
		return
	}
	call, cancel := bounded()
	defer cancel()
	list, err := s.opts.Admin.Alerts(call, execution)
	s.respond(ctx, list, err)
}

// parkedChange is the body of a replay or drop. It means notices in one of three ways.
type parkedChange struct {
	// IDs are the notices.
	IDs []string `json:"ids"`
	// Instance stands for all notices of one destination instance.
	Instance string `json:"instance"`
	// All stands for all notices. A body that names nothing must not mean everything.
	All bool `json:"all"`
}

// read takes the body of a request, and reports what is wrong with it.
func (c *parkedChange) read(body []byte) error {
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(c); err != nil {
		return err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return errors.New("one object is wanted, and nothing after it")
	}
	ways := 0
	for _, used := range []bool{len(c.IDs) > 0, c.Instance != "", c.All} {
		if used {
			ways++
		}
	}
	if ways != 1 || len(c.IDs) > maxList {
		return fmt.Errorf("one of ids, instance and all is wanted, with %d ids at the most", maxList)
	}
	return nil
}

func (s *Server) changeParked(change func(context.Context, string, []string) (int, error)) fasthttp.RequestHandler {
	return func(ctx *fasthttp.RequestCtx) {
		var in parkedChange
		if err := in.read(ctx.PostBody()); err != nil {
			fail(ctx, errBadRequest, `the body must be {"ids": ["..."]}, {"instance": "..."} or {"all": true}: `+err.Error())
			return
		}
		call, cancel := bounded()
		defer cancel()
		count, err := change(call, in.Instance, in.IDs)
		if err != nil {
			s.opts.Log.Warn("parked notices could not all be changed", zap.String("route", string(ctx.Path())), logx.Count(count), logx.Err(err))
			failPartly(ctx, count, err.Error())
			return
		}
		answer(ctx, map[string]int{"count": count})
	}
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
		if !s.isOwnName(string(ctx.Host())) {
			fail(ctx, errForbidden, "call by IP address or as localhost")
			return
		}
		if len(ctx.Request.Header.Peek(AdminHeader)) == 0 {
			fail(ctx, errForbidden, "send the header "+AdminHeader+": 1")
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
// or the name that the server was told to listen on.
func (s *Server) isOwnName(host string) bool {
	name := strings.ToLower(hostOf(host))
	_, err := netip.ParseAddr(name)
	return err == nil || name == "localhost" || name != "" && name == strings.ToLower(hostOf(s.opts.Address))
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
