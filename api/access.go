package api

import (
	"crypto/tls"
	"errors"
	"net/http"
	"strings"

	"github.com/valyala/fasthttp"
	"go.uber.org/zap"

	"butler/api/web"
	"butler/internal/apikey"
	"butler/internal/logx"
	"butler/internal/text"
)

// Access identifies the caller by its API key or client certificate. An
// apikey.Refusal means that the caller is not known: it is answered with 401, and
// its reason goes to the log only. Any other error is a failure of the service.
type Access func(key string, connection *tls.ConnectionState) (apikey.Principal, error)

// keyHeader may carry an API key, as the header Authorization with Bearer may.
const keyHeader = "X-API-Key"

// keyOf returns the API key of a call, "" without one.
func keyOf(head *fasthttp.RequestHeader) string {
	if key := head.Peek(keyHeader); len(key) > 0 {
		return string(key)
	}
	scheme, key, _ := strings.Cut(string(head.Peek("Authorization")), " ")
	if strings.EqualFold(scheme, "Bearer") {
		return strings.TrimSpace(key)
	}
	return ""
}

// knows reports whether a call has a valid API key, or comes over a connection with a
// valid client certificate, nil for one without TLS.
func (r *rest) knows(head *fasthttp.RequestHeader, connection *tls.ConnectionState) bool {
	if r.opts.Access == nil {
		return false
	}
	_, err := r.opts.Access(keyOf(head), connection)
	return err == nil
}

// admitted returns a function that reports whether the caller of a call may go on with
// what the call began: until its credentials are refused. The function outlives the call.
func (r *rest) admitted(c *call, scope apikey.Scope) func() bool {
	if r.opts.Access == nil {
		return func() bool { return true }
	}
	key, connection := keyOf(&c.ctx.Request.Header), c.ctx.TLSConnectionState()
	return func() bool {
		caller, err := r.opts.Access(key, connection)
		if _, refused := errors.AsType[apikey.Refusal](err); refused {
			return false
		}
		return err != nil || caller.Has(scope) // credentials that cannot be checked are no others
	}
}

// admit identifies the caller and checks that it may call the endpoint. Without
// access control everybody may, except web pages of another origin.
func (r *rest) admit(c *call, e *route) error {
	if e.method != fasthttp.MethodGet && crossOrigin(&c.ctx.Request.Header) {
		r.opts.Metrics.refused(foreignOrigin)
		return r.refuse(c, e, "a web page of another origin",
			web.Problemf(http.StatusForbidden, "", "web pages of another origin may change nothing; call from a program, without the header Origin"))
	}
	if r.opts.Access == nil {
		return nil
	}
	var err error
	c.caller, err = r.opts.Access(keyOf(&c.ctx.Request.Header), c.ctx.TLSConnectionState())
	if refusal, ok := errors.AsType[apikey.Refusal](err); ok {
		c.caller.Credential = refusal.Credential // for the log alone
		c.ctx.Response.Header.Set("WWW-Authenticate", "Bearer")
		r.opts.Metrics.refused(unknownCaller)
		return r.refuse(c, e, string(refusal.Reason),
			web.Problemf(http.StatusUnauthorized, "", "%s; send an API key in the header %s", err, keyHeader))
	}
	if err != nil {
		return err
	}
	if !c.caller.Has(e.scope) {
		r.opts.Metrics.refused(missingScope)
		return r.refuse(c, e, "scope", web.Problemf(http.StatusForbidden, "", "this call needs the scope %s", e.scope))
	}
	return nil
}

// unbound keeps callers that are bound to tags of tasks from a call about something
// else: a schedule starts its task for the service, whatever tags that has; a message
// may start tasks; an app and a post have no such tags.
func unbound(what string, serve func(*call) (int, any, error)) func(*call) (int, any, error) {
	return func(c *call) (int, any, error) {
		if len(c.caller.Tags) > 0 {
			return 0, nil, web.Problemf(http.StatusForbidden, "", "the credentials are bound to tags of tasks, and %s is no task; use a key without tags", what)
		}
		return serve(c)
	}
}

// misdirected refuses calls whose Host header is not a name of this service. It
// guards against DNS rebinding, and only applies where the loopback address is the
// sole protection: a web page whose name was made to resolve to this machine passes
// for the same origin in a browser, but sends its own name as the host. A call
// without a Host header comes from a program and is let through.
func (r *rest) misdirected(c *call) error {
	given := c.ctx.Host()
	if !r.checkHost || len(given) == 0 {
		return nil
	}
	if last := r.lastHost.Load(); last != nil && string(given) == *last {
		return nil // nearly all calls use the same name
	}
	host := string(given)
	if web.IsOwnName(host, r.opts.Address, r.opts.Hosts...) {
		r.lastHost.Store(&host)
		return nil
	}
	if err := r.limited(c, "another host"); err != nil {
		return err
	}
	host = text.Line(host, maxHost)
	source := c.ctx.RemoteIP().String()
	r.refusals.Warn(r.opts.Log, source+" "+host, "call refused", logx.Source(source), zap.String("host", host), logx.Reason("another host"))
	return web.Problemf(http.StatusMisdirectedRequest, "",
		"%q is none of the names of this service; call by IP address or as localhost, or add the name to restServerConfig.allowedHosts", host)
}

// maxHost is how many characters of a refused Host header are logged and answered.
const maxHost = 255

// refuse logs a call that is not admitted, and returns answer, the error for the caller.
func (r *rest) refuse(c *call, e *route, reason string, answer error) error {
	source := c.ctx.RemoteIP().String()
	key := strings.Join([]string{source, c.caller.Credential, e.title, reason}, " ")
	r.refusals.Warn(r.logOf(e), key, "call refused", logx.Source(source), zap.String("caller", c.caller.Name),
		zap.String("credential", c.caller.Credential), zap.String("route", e.title), logx.Reason(reason))
	return answer
}

// crossOrigin reports whether a browser makes the call for a page of another
// origin: the page would act from the browser's address and with its client
// certificate. Programs send neither Sec-Fetch-Site nor Origin.
func crossOrigin(header *fasthttp.RequestHeader) bool {
	switch site := string(header.Peek("Sec-Fetch-Site")); site {
	case "same-origin", "none":
		return false
	case "":
	default:
		return true
	}
	origin := string(header.Peek("Origin"))
	_, host, _ := strings.Cut(origin, "://")
	return origin != "" && !strings.EqualFold(host, string(header.Host()))
}
