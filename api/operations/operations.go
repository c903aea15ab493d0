// Package operations owns the operations server: metrics and health for everybody who
// reaches it, pages for people, and administration for programs on this machine.
//
// It guarantees that an administrative call is accepted only from a program on the same
// machine, that pages about executions are shown only in a browser there, and that a
// call ends within 30 seconds, except for a reload of the configuration. Every error has a row in one table, with a stable code. It talks to
// the rest of the service through the functions and interfaces in its options, and must
// never reach an actor, the journal or the QRS directly.
package operations

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"sync"

	"github.com/fasthttp/router"
	"github.com/valyala/fasthttp"
	"github.com/valyala/fasthttp/fasthttpadaptor"
	"go.uber.org/zap"

	"butler/api/sockets"
	"butler/api/web"
	"butler/internal/logx"
	"butler/internal/udp"
	"butler/messages"
)

// Options are what the server serves.
type Options struct {
	// Address is host:port to listen on; port 0 picks a free one.
	Address string
	// Sockets are shared with other servers; nil shares none.
	Sockets *sockets.Shared
	Log     *zap.Logger
	// Host is the name of the machine, for the pages.
	Host string
	// Configuration is the absolute path of the file that the service runs with, "" without one.
	Configuration string
	// Metrics serves the metrics page.
	Metrics http.Handler
	// Ready reports whether the service accepts events, and if not, the reason.
	Ready func() (bool, string)
	// Health returns the state of the service ("up", "degraded", "down"), and its
	// components by name.
	Health func() (state string, components []Component)
	// Feed describes what arrives.
	Feed func() (Feed, error)
	// Admin are the operations on what the service keeps.
	Admin Admin
	// Explainer tells what became of executions, and why.
	Explainer Explainer
	// Reload reads the configuration again. It is applied, or the answer says why not.
	Reload func() (answer any, applied bool)
}

// Admin is what an operator may look at and change on the machine itself.
type Admin interface {
	// Destinations describes the delivery through every destination instance.
	Destinations(ctx context.Context) ([]Destination, error)
	// Parked lists parked notices of an instance, of all instances of a destination,
	// or of all for "". A name that means none is a DestinationError.
	Parked(ctx context.Context, instance string, limit int) ([]ParkedNotice, error)
	// ReplayParked sends parked notices again; no ids means all of instance. What
	// could not be done for some of them is a PartlyError.
	ReplayParked(ctx context.Context, instance string, ids []string) (count int, err error)
	// DropParked removes parked notices for good, in the same way.
	DropParked(ctx context.Context, instance string, ids []string) (count int, err error)
	// Quarantine lists the newest refused datagrams.
	Quarantine(ctx context.Context, limit int) ([]messages.QuarantinedDatagram, error)
	// Alerts lists the alerts that are kept of an execution, or would follow from its events.
	Alerts(ctx context.Context, execution string) (any, error)
}

// AdminHeader must be sent, with any value, with every administrative call.
const AdminHeader = "X-Butler-Admin"

// operations is the operations server.
type operations struct {
	opts Options
	// stopped is closed when the server shuts down: a profile then ends early.
	stopped <-chan struct{}
}

// MaxList is how much one list can have, and defaultList how much it has unless a call
// says more.
const (
	MaxList     = 10_000
	defaultList = 100
)

// MaxIDs is how many parked notices one call can name.
const MaxIDs = 200

// Listen binds the address. Serve starts answering.
func Listen(o Options) (*web.Server, error) {
	listener, err := o.Sockets.Listen(o.Address, "operations.host, operations.port", o.Log)
	if err != nil {
		return nil, err
	}
	stopped := make(chan struct{})
	s := &operations{opts: o, stopped: stopped}
	server := web.New(listener, s.routes(), func(ctx *fasthttp.RequestCtx, err error) {
		switch told := web.Unreadable(err); told.StatusCode {
		case http.StatusRequestEntityTooLarge:
			fail(ctx, errTooLarge, told.Message)
		case http.StatusRequestHeaderFieldsTooLarge:
			fail(ctx, errHeaders, told.Message)
		case http.StatusRequestTimeout:
			fail(ctx, errTooSlow, told.Message)
		default:
			fail(ctx, errBadRequest, told.Message)
		}
	}, sync.OnceFunc(func() { close(stopped) }))
	server.LimitBodies(web.NoLargeBody)
	return server, nil
}

// routes is the one table of routes.
func (s *operations) routes() fasthttp.RequestHandler {
	r := router.New()
	r.HandleMethodNotAllowed = true
	r.GET("/", s.index)
	r.GET("/decisions", s.own(s.showDecisions))
	r.GET("/explain", s.own(s.showExplanation))
	r.GET("/parked", s.own(s.showParked))
	r.GET("/refused", s.own(s.showRefused))
	r.GET("/metrics", fasthttpadaptor.NewFastHTTPHandler(s.opts.Metrics))
	r.GET("/healthz", s.healthz)
	r.GET("/readyz", s.readyz)
	r.GET("/health", s.health)
	r.GET("/admin/feed", s.local(s.showFeed))
	r.GET("/admin/destinations", s.local(s.listDestinations))
	r.GET("/admin/parked", s.local(s.listParked))
	r.POST("/admin/parked/replay", s.local(s.changeParked(s.opts.Admin.ReplayParked)))
	r.POST("/admin/parked/drop", s.local(s.changeParked(s.opts.Admin.DropParked)))
	r.GET("/admin/quarantine", s.local(s.listQuarantine))
	r.GET("/admin/alerts", s.local(s.listAlerts))
	r.GET("/admin/explain", s.local(s.explain))
	r.GET("/admin/executions", s.local(s.listExecutions))
	r.GET("/admin/profile/cpu", s.local(s.profileCPU))
	r.GET("/admin/profile/heap", s.local(s.profileHeap))
	r.GET("/admin/profile/goroutine", s.local(s.profileGoroutines))
	r.POST("/admin/config/reload", s.local(s.reload))
	r.NotFound = func(ctx *fasthttp.RequestCtx) { s.refuse(ctx, errNotFound, string(ctx.Path())) }
	r.MethodNotAllowed = func(ctx *fasthttp.RequestCtx) { fail(ctx, errMethod, string(ctx.Method())) }
	r.PanicHandler = func(ctx *fasthttp.RequestCtx, cause any) {
		s.opts.Log.Error("handler panicked", zap.String("route", string(ctx.Path())), zap.Any("panic", cause), zap.Stack("stack"))
		fail(ctx, errInternal, "")
	}
	return r.Handler
}

// healthz is the liveness probe: it answers while the process can serve at all.
func (s *operations) healthz(ctx *fasthttp.RequestCtx) { ctx.SetBodyString("ok\n") }

func (s *operations) readyz(ctx *fasthttp.RequestCtx) {
	if ready, reason := s.opts.Ready(); !ready {
		fail(ctx, errNotReady, reason)
		return
	}
	ctx.SetBodyString("ready\n")
}

func (s *operations) health(ctx *fasthttp.RequestCtx) {
	state, components := s.opts.Health()
	web.WriteJSON(ctx, map[string]any{"state": state, "components": components})
}

func (s *operations) listDestinations(ctx *fasthttp.RequestCtx) {
	call, cancel := web.Bounded()
	defer cancel()
	list, err := s.opts.Admin.Destinations(call)
	s.respond(ctx, list, err)
}

func (s *operations) listQuarantine(ctx *fasthttp.RequestCtx) {
	limit, ok := limitOf(ctx)
	if !ok {
		return
	}
	call, cancel := web.Bounded()
	defer cancel()
	list, err := s.opts.Admin.Quarantine(call, limit)
	s.respond(ctx, list, err)
}

func (s *operations) listAlerts(ctx *fasthttp.RequestCtx) {
	execution := string(ctx.QueryArgs().Peek("execution"))
	if !udp.PossibleID(execution) {
		fail(ctx, errBadRequest, errNoExecution)
		return
	}
	call, cancel := web.Bounded()
	defer cancel()
	list, err := s.opts.Admin.Alerts(call, execution)
	s.respond(ctx, list, err)
}

func (s *operations) reload(ctx *fasthttp.RequestCtx) {
	body, applied := s.opts.Reload()
	if !applied {
		ctx.SetStatusCode(http.StatusUnprocessableEntity)
	}
	web.WriteJSON(ctx, body)
}

func (s *operations) respond(ctx *fasthttp.RequestCtx, body any, err error) {
	if err != nil {
		s.opts.Log.Warn("request could not be answered", zap.String("route", string(ctx.Path())), logx.Err(err))
		fail(ctx, errInternal, err.Error())
		return
	}
	web.WriteJSON(ctx, body)
}

// limitOf reads how long a list may be. If that is wrong, it answers the call.
func limitOf(ctx *fasthttp.RequestCtx) (limit int, ok bool) {
	limit, wrong := limitIn(ctx.QueryArgs())
	if wrong != "" {
		fail(ctx, errBadRequest, wrong)
	}
	return limit, wrong == ""
}

// limitIn reads how long a list may be, and what is wrong with that.
func limitIn(args *fasthttp.Args) (limit int, wrong string) {
	return numberIn(args, "limit", defaultList, 1, MaxList)
}

// numberIn reads an argument that is a number from least to most, usual without it. What
// is wrong with it is "" for nothing.
func numberIn(args *fasthttp.Args, name string, usual, least, most int) (n int, wrong string) {
	raw := string(args.Peek(name))
	if raw == "" {
		return usual, ""
	}
	n, err := strconv.Atoi(raw)
	if err != nil || n < least || n > most {
		return 0, fmt.Sprintf("%s must be a number from %d to %d", name, least, most)
	}
	return n, ""
}

// local admits a call only from this machine, and only from a program: a web page
// of another origin cannot set AdminHeader, and one whose name was made to resolve
// to this machine (DNS rebinding) sends that name as the host.
func (s *operations) local(next fasthttp.RequestHandler) fasthttp.RequestHandler {
	return func(ctx *fasthttp.RequestCtx) {
		if why := s.stranger(ctx); why != "" {
			fail(ctx, errForbidden, why)
			return
		}
		if len(ctx.Request.Header.Peek(AdminHeader)) == 0 {
			fail(ctx, errForbidden, "send the header "+AdminHeader+": 1")
			return
		}
		if s.setConfigurationHeader(ctx); !s.isMeant(ctx) {
			fail(ctx, errOther, "this service runs with the configuration "+s.configuration())
			return
		}
		next(ctx)
	}
}

// stranger says why a call is not from this machine to this server, "" if it is.
func (s *operations) stranger(ctx *fasthttp.RequestCtx) string {
	switch {
	case !isOwnAddress(ctx.RemoteIP(), ctx.LocalIP()):
		return "this call is answered on the machine itself only"
	case !web.IsOwnName(string(ctx.Host()), s.opts.Address):
		return "call by IP address or as localhost"
	}
	for _, passedOn := range []string{"Forwarded", "X-Forwarded-For", "X-Real-Ip", "Via"} {
		if len(ctx.Request.Header.Peek(passedOn)) > 0 {
			return "this call is not answered through a proxy"
		}
	}
	return ""
}

// isOwnAddress reports whether a call comes from this machine itself.
func isOwnAddress(remote, local net.IP) bool {
	return remote.IsLoopback() || !remote.IsUnspecified() && remote.Equal(local)
}
