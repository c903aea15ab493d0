package api

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/valyala/fasthttp"
	"go.uber.org/zap"

	"butler/internal/apikey"
	"butler/internal/logx"
	"butler/messages"
)

// RESTOptions are what the REST API serves.
type RESTOptions struct {
	// Address is host:port to listen on; port 0 picks a free one.
	Address string
	// TLS serves HTTPS; nil serves HTTP.
	TLS *tls.Config
	Log *zap.Logger
	// Audit gets a line for every call that may have changed something.
	Audit *zap.Logger
	// Access says who calls; nil lets everybody in.
	Access Access
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
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// endpoint is one row of the table of the REST API.
type endpoint struct {
	method string
	// path has its parameters in braces.
	path string
	// name is the key below restServerEndpointsEnable that enables it.
	name string
	// scope is what a caller needs.
	scope apikey.Scope
	serve func(*call) (status int, body any, err error)
}

// route names the endpoint in the log.
func (e endpoint) route() string { return e.method + " " + e.path }

// endpoints is the one table of the REST API; openapi/openapi.yaml describes every row.
func (r *rest) endpoints() []endpoint {
	return []endpoint{
		{"GET", "/v4/butlerping", "butlerping", apikey.Read, r.ping},
		{"GET", "/v4/configfile/endpointsenabled", "apiListEnabledEndpoints", apikey.Read, r.enabled},
		{"GET", "/v4/base62tobase16", "base62ToBase16", apikey.Read, base62To16},
		{"GET", "/v4/base16tobase62", "base16ToBase62", apikey.Read, base16To62},
		{"PUT", "/v4/filecopy", "fileCopy", apikey.Files, r.fileCopy},
		{"POST", "/v4/filecopy", "fileCopy", apikey.Files, r.fileCopy},
		{"PUT", "/v4/filemove", "fileMove", apikey.Files, r.fileMove},
		{"POST", "/v4/filemove", "fileMove", apikey.Files, r.fileMove},
		{"DELETE", "/v4/filedelete", "fileDelete", apikey.Files, r.fileDelete},
		{"POST", "/v4/createdir", "createDir", apikey.Files, r.createDir},
		{"POST", "/v4/createdirqvd", "createDirQVD", apikey.Files, r.createDirQVD},
		{"GET", "/v4/keyvaluesnamespaces", "keyValueStore", apikey.KV, r.kvNamespaces},
		{"GET", "/v4/keyvalues/{namespace}", "keyValueStore", apikey.KV, r.kvGet},
		{"POST", "/v4/keyvalues/{namespace}", "keyValueStore", apikey.KV, r.kvPut},
		{"DELETE", "/v4/keyvalues/{namespace}", "keyValueStore", apikey.KV, r.kvDeleteNamespace},
		{"GET", "/v4/keyvalues/{namespace}/keyexists", "keyValueStore", apikey.KV, r.kvExists},
		{"DELETE", "/v4/keyvalues/{namespace}/{key}", "keyValueStore", apikey.KV, r.kvDelete},
		{"GET", "/v4/keylist/{namespace}", "keyValueStore", apikey.KV, r.kvKeys},
		{"GET", "/v4/schedules", "getSchedule", apikey.Read, r.scheduleList},
		{"POST", "/v4/schedules", "createNewSchedule", apikey.Start, r.scheduleCreate},
		{"DELETE", "/v4/schedules/{scheduleId}", "deleteSchedule", apikey.Start, r.scheduleDelete},
		{"PUT", "/v4/schedules/{scheduleId}/start", "startSchedule", apikey.Start, r.scheduleSwitch(messages.ScheduleStarted)},
		{"PUT", "/v4/schedules/startall", "startSchedule", apikey.Start, r.scheduleSwitchAll(messages.ScheduleStarted)},
		{"PUT", "/v4/schedules/{scheduleId}/stop", "stopSchedule", apikey.Start, r.scheduleSwitch(messages.ScheduleStopped)},
		{"PUT", "/v4/schedules/stopall", "stopSchedule", apikey.Start, r.scheduleSwitchAll(messages.ScheduleStopped)},
		{"GET", "/v4/schedules/status", "getScheduleStatusAll", apikey.Read, r.scheduleStatus},
	}
}

// rest is the API that load scripts and other systems call.
type rest struct {
	opts  RESTOptions
	on    []endpoint
	limit *limiter
	docs  *documentation
	// working lasts as long as the server: a large file takes longer than a call
	// should, and is not left half done.
	working func() context.Context
}

// ListenREST binds the address of the REST API. Serve starts answering.
func ListenREST(o RESTOptions) (*Server, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	working, stop := context.WithCancel(context.Background())
	r := &rest{opts: o, limit: newLimiter(o.CallsPerMinute, o.Now), working: func() context.Context { return working }}
	for _, e := range r.endpoints() {
		if slices.Contains(o.Endpoints, e.name) {
			r.on = append(r.on, e)
		}
	}
	listener, err := new(net.ListenConfig).Listen(context.Background(), "tcp", o.Address)
	if err != nil {
		stop()
		return nil, fmt.Errorf("listen on %s (restServerConfig.serverHost, restServerConfig.serverPort): %w", o.Address, err)
	}
	scheme := "http://"
	if o.TLS != nil {
		listener, scheme = tls.NewListener(listener, o.TLS), "https://"
	}
	if r.docs, err = newDocumentation(o.Endpoints, o.Version, scheme+listener.Addr().String()); err != nil {
		stop()
		return nil, errors.Join(err, listener.Close())
	}
	broken := func(ctx *fasthttp.RequestCtx, err error) { (&call{ctx: ctx}).fail(unreadable(err)) }
	return &Server{listener: listener, http: newHTTP(r.handle, broken), stop: stop}, nil
}

// handle answers one request. Endpoints that are not enabled do not exist.
func (r *rest) handle(ctx *fasthttp.RequestCtx) {
	c := &call{ctx: ctx}
	defer func() {
		if cause := recover(); cause != nil {
			r.opts.Log.Error("handler panicked", zap.String("route", string(ctx.Path())), zap.Any("panic", cause), zap.Stack("stack"))
			c.fail(problem(500, "", "the service could not answer; its log says why"))
		}
	}()
	method, err := methodOf(ctx)
	if err != nil {
		c.fail(err)
		return
	}
	path := string(ctx.URI().PathOriginal())
	for _, e := range r.on {
		if e.method == method || e.method == fasthttp.MethodGet && method == fasthttp.MethodHead {
			if parameters, ok := match(e.path, path); ok {
				c.parameters = parameters
				r.serve(c, e)
				return
			}
		}
	}
	if method == fasthttp.MethodGet && r.docs.serve(ctx, path) {
		return
	}
	c.fail(problem(404, "", "Route %s:%s not found", method, path))
}

// methodOf returns the method of a request. A POST may stand for another one,
// for clients that know only GET and POST.
func methodOf(ctx *fasthttp.RequestCtx) (string, error) {
	given := string(ctx.Method())
	if !ctx.IsPost() {
		return given, nil
	}
	switch method := strings.ToUpper(string(ctx.Request.Header.Peek("X-HTTP-Method-Override"))); method {
	case "":
		return given, nil
	case fasthttp.MethodGet, fasthttp.MethodPut, fasthttp.MethodDelete, fasthttp.MethodPost:
		return method, nil
	default:
		return "", problem(400, "", "the header X-HTTP-Method-Override must be PUT, DELETE, POST or GET")
	}
}

// match compares a raw path with one of the table and decodes its parameters,
// segment by segment: an encoded slash is no separator, and a segment may be empty.
func match(pattern, path string) (parameters map[string]string, ok bool) {
	wants, got := strings.Split(pattern, "/"), strings.Split(path, "/")
	if len(wants) != len(got) {
		return nil, false
	}
	for i, want := range wants {
		name, isParameter := strings.CutPrefix(want, "{")
		if !isParameter {
			if want != got[i] {
				return nil, false
			}
			continue
		}
		value, err := url.PathUnescape(got[i])
		if err != nil {
			return nil, false
		}
		if parameters == nil {
			parameters = map[string]string{}
		}
		parameters[strings.TrimSuffix(name, "}")] = value
	}
	return parameters, true
}

// serve limits, logs and answers the calls of one endpoint.
func (r *rest) serve(c *call, e endpoint) {
	client, route := c.ctx.RemoteIP().String(), e.route()
	if err := r.limit.admit(client, &c.ctx.Response.Header); err != nil {
		r.opts.Log.Warn("call refused, the client calls too often", logx.Source(client), zap.String("route", route))
		c.fail(err)
		return
	}
	if err := r.admit(c, e); err != nil {
		c.fail(err)
		return
	}
	status, body, err := e.serve(c)
	if err != nil {
		c.fail(err)
	} else {
		c.answer(status, body)
	}
	log := r.opts.Log
	if e.method != fasthttp.MethodGet {
		log = r.opts.Audit
	}
	log.Info("api call", logx.Source(client), zap.String("caller", c.caller.Name), zap.String("credential", c.caller.Credential),
		zap.String("route", route), zap.Any("parameters", c.parameters), zap.Int("status", c.ctx.Response.StatusCode()), logx.Err(err))
}
