// Package api owns the REST API: routes, handlers and who may call what. The other HTTP
// servers are in packages of their own: operations (metrics, health, administration)
// and pages (configuration, health check for containers). web is what they share.
//
// The REST API accepts calls from any host: with access control from callers whose
// credential has the scope, without it from everybody except web pages of other
// origins. Work on files, apps and tasks takes as long as it needs, and a watch lasts as
// long as its client keeps reading; every other call ends within 30 seconds. An error
// says what is wrong and how to correct it.
//
// It talks to the rest of the service through the functions and interfaces in its
// options, and must never reach an actor, the journal or the QRS directly.
package api

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"
	"go.uber.org/zap"

	"butler/api/sockets"
	"butler/api/web"
	"butler/internal/logx"
)

// Options are what the REST API serves.
type Options struct {
	// Address is host:port to listen on; port 0 picks a free one.
	Address string
	// Sockets are shared with other servers; nil shares none.
	Sockets *sockets.Shared
	// TLS serves HTTPS; nil serves HTTP.
	TLS *tls.Config
	Log *zap.Logger
	// Audit gets a line for every call that may have changed something.
	Audit *zap.Logger
	// Metrics count the calls; nil counts for nobody.
	Metrics *Metrics
	// Access says who calls; nil lets everybody in.
	Access Access
	// Hosts are further names of the server, beside the host in Address. The Host
	// header is checked while the server listens on a loopback address without Access.
	Hosts []string
	// Endpoints are the names of the enabled endpoints, in the order of the configuration.
	Endpoints []string
	// Version is the version of the service.
	Version string
	// CallsPerMinute is how many calls one client may make in a minute; 0 means no limit.
	CallsPerMinute int
	// KeyValues is the store behind the endpoints keyValueStore.
	KeyValues KeyValues
	// Files are behind the endpoints for files and directories.
	Files Files
	// Schedules is the scheduler behind the endpoints for schedules.
	Schedules Schedules
	// Starter starts tasks; nil where there is nothing to start them in.
	Starter Starter
	// Apps are behind the endpoints for apps.
	Apps Apps
	// Slack is behind slackPostMessage, NewRelic behind postNewRelicEvent and postNewRelicMetric.
	Slack    Slack
	NewRelic NewRelic
	// Heartbeat is how often an idle watch sends a comment to keep its connection
	// alive; 0 means 15 s.
	Heartbeat time.Duration
	// MQTT is behind mqttPublishMessage, nil without a broker; UDPQueue is behind
	// udpQueueStatus, nil without task events.
	MQTT     MQTT
	UDPQueue UDPQueue
	// CloudEvents is behind the endpoint for events of Qlik Cloud.
	CloudEvents CloudEvents
	// Explainer is behind explain.
	Explainer Explainer
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// rest is the API that load scripts and other systems call.
type rest struct {
	opts Options
	// routes are those of the enabled endpoints.
	routes []route
	// unmatched counts the calls that match no route.
	unmatched *meter
	limit     *web.Limiter
	// refusals are the lines about refused calls.
	refusals *logx.Condensed
	docs     *documentation
	// checkHost says that the Host header of a call has to be one of our names;
	// lastHost is the latest one that was.
	checkHost bool
	lastHost  atomic.Pointer[string]
	// deadlines are for the calls that ask the key-value store for one key.
	deadlines deadlines
	// streams are the watches that are served.
	streams streams
	// working returns the context of work that may outlast its call, such as copying
	// a large file. It ends with the server.
	working func() context.Context
}

// Listen binds the address of the REST API. Serve starts answering.
func Listen(o Options) (*web.Server, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Metrics == nil {
		o.Metrics = NewMetrics(nil)
	}
	o.Heartbeat = cmp.Or(o.Heartbeat, heartbeat)
	working, stop := context.WithCancel(context.Background())
	r := &rest{
		opts: o, unmatched: o.Metrics.meter(endpoint{name: "none", method: "other"}),
		limit: web.NewLimiter(o.CallsPerMinute, o.Now), refusals: logx.NewCondensed(),
		working: func() context.Context { return working },
	}
	for _, e := range r.endpoints() {
		if slices.Contains(o.Endpoints, e.name) {
			one := newRoute(e)
			one.meter = o.Metrics.meter(e)
			r.routes = append(r.routes, one)
		}
	}
	listener, err := o.Sockets.Listen(o.Address, "restServerConfig.serverHost, restServerConfig.serverPort", o.Log)
	if err != nil {
		stop()
		return nil, err
	}
	r.checkHost = o.Access == nil && web.OnLoopback(listener)
	scheme := "http://"
	if o.TLS != nil {
		listener, scheme = tls.NewListener(listener, o.TLS), "https://"
	}
	if r.docs, err = newDocumentation(o.Endpoints, o.Version, scheme+listener.Addr().String()); err != nil {
		stop()
		return nil, errors.Join(err, listener.Close())
	}
	broken := func(ctx *fasthttp.RequestCtx, err error) { web.Fail(ctx, web.Unreadable(err)) }
	server := web.New(listener, r.handle, broken, stop)
	if o.Access != nil && (o.TLS == nil || o.TLS.ClientCAs == nil) {
		server.LimitBodies(func(head *fasthttp.RequestHeader) bool { return r.knows(head, nil) }) // it takes no client certificates
	}
	return server, nil
}

// handle answers one request. Endpoints that are not enabled do not exist.
func (r *rest) handle(ctx *fasthttp.RequestCtx) {
	c := &call{ctx: ctx, meter: r.unmatched}
	r.opts.Metrics.running.Inc()
	defer r.measure(c)
	defer web.Rescue(c.ctx, r.opts.Log)
	if err := r.misdirected(c); err != nil {
		web.Fail(c.ctx, err)
		return
	}
	method, err := methodOf(ctx)
	if err != nil {
		web.Fail(c.ctx, err)
		return
	}
	path := string(ctx.URI().PathOriginal())
	var room [commonSegments]string
	segments := slices.AppendSeq(room[:0], strings.SplitSeq(path, "/"))
	for i := range r.routes {
		if r.routes[i].match(method, segments, c) {
			c.meter = r.routes[i].meter
			r.serve(c, &r.routes[i])
			return
		}
	}
	if (method == fasthttp.MethodGet || method == fasthttp.MethodHead) && r.docs.serve(ctx, path) {
		if err := r.limited(c, "GET "+documentationPath); err != nil {
			web.Fail(c.ctx, err)
		}
		return
	}
	web.Fail(c.ctx, web.Problemf(404, "", "Route %s:%s not found", method, path))
}

// measure records the metrics of an answered call.
func (r *rest) measure(c *call) {
	c.meter.answered(c.ctx, time.Since(c.ctx.Time()))
	r.opts.Metrics.running.Dec()
}

// methodOf returns the method of a request. A POST may stand for another one,
// for clients that know only GET and POST.
func methodOf(ctx *fasthttp.RequestCtx) (string, error) {
	switch {
	case ctx.IsGet():
		return fasthttp.MethodGet, nil
	case !ctx.IsPost():
		return string(ctx.Method()), nil
	}
	switch method := strings.ToUpper(string(ctx.Request.Header.Peek("X-HTTP-Method-Override"))); method {
	case "":
		return fasthttp.MethodPost, nil
	case fasthttp.MethodGet, fasthttp.MethodPut, fasthttp.MethodDelete, fasthttp.MethodPost:
		return method, nil
	default:
		return "", web.Problemf(400, "", "the header X-HTTP-Method-Override must be PUT, DELETE, POST or GET")
	}
}

// limited counts a call of the client, and returns an error when it exceeds the rate limit.
func (r *rest) limited(c *call, route string) error {
	if !r.limit.Limits() {
		return nil
	}
	client := c.ctx.RemoteIP().String()
	err := r.limit.Admit(c.ctx.RemoteAddr(), func() bool { return r.knows(&c.ctx.Request.Header, c.ctx.TLSConnectionState()) }, &c.ctx.Response.Header)
	if err != nil {
		r.refusals.Warn(r.opts.Log, client+" too often", "call refused, the client calls too often", logx.Source(client), zap.String("route", route))
		r.opts.Metrics.limited.Inc()
	}
	return err
}

// serve limits, logs and answers the calls of one endpoint.
func (r *rest) serve(c *call, e *route) {
	if err := r.limited(c, e.title); err != nil {
		web.Fail(c.ctx, err)
		return
	}
	if err := r.admit(c, e); err != nil {
		web.Fail(c.ctx, err)
		return
	}
	status, body, err := e.serve(c)
	if err != nil {
		web.Fail(c.ctx, err)
	} else {
		c.answer(status, body)
	}
	if line := r.logOf(e).Check(zap.InfoLevel, "api call"); line != nil {
		line.Write(append(e.about(c), logx.Source(c.ctx.RemoteIP().String()), zap.String("caller", c.caller.Name), zap.String("credential", c.caller.Credential),
			zap.String("route", e.title), zap.Int("status", c.ctx.Response.StatusCode()), logx.Err(err))...)
	}
}

// logOf returns the logger for the calls of an endpoint: the audit log for those
// that may change something.
func (r *rest) logOf(e *route) *zap.Logger {
	if e.method == fasthttp.MethodGet {
		return r.opts.Log
	}
	return r.opts.Audit
}
