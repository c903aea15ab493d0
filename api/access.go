package api

import (
	"crypto/tls"
	"errors"
	"net/http"
	"strings"

	"github.com/valyala/fasthttp"
	"go.uber.org/zap"

	"butler/internal/apikey"
	"butler/internal/logx"
	"butler/internal/text"
)

// Access says who a call comes from. An error is why nobody known makes it: one
// that is an apikey.Refusal is told to the caller as such, with its reason in the
// log alone.
type Access func(key string, connection *tls.ConnectionState) (apikey.Principal, error)

// keyHeader may carry an API key, as the header Authorization with Bearer may.
const keyHeader = "X-API-Key"

// keyOf returns the API key of a call, "" without one.
func keyOf(ctx *fasthttp.RequestCtx) string {
	if key := ctx.Request.Header.Peek(keyHeader); len(key) > 0 {
		return string(key)
	}
	scheme, key, _ := strings.Cut(string(ctx.Request.Header.Peek("Authorization")), " ")
	if strings.EqualFold(scheme, "Bearer") {
		return strings.TrimSpace(key)
	}
	return ""
}

// admit finds out who makes a call, and whether he may call the endpoint. Without
// access control everybody may, but not the pages that somebody's browser shows.
func (r *rest) admit(c *call, e *route) error {
	if e.method != fasthttp.MethodGet && foreign(&c.ctx.Request.Header) {
		r.opts.Metrics.refused(foreignOrigin)
		return r.refuse(c, e, "a web page of another origin",
			problem(http.StatusForbidden, "", "web pages of another origin may change nothing; call from a program, without the header Origin"))
	}
	if r.opts.Access == nil {
		return nil
	}
	var err error
	c.caller, err = r.opts.Access(keyOf(c.ctx), c.ctx.TLSConnectionState())
	if refusal, ok := errors.AsType[apikey.Refusal](err); ok {
		c.caller.Credential = refusal.Credential // for the log alone
		c.ctx.Response.Header.Set("WWW-Authenticate", "Bearer")
		r.opts.Metrics.refused(unknownCaller)
		return r.refuse(c, e, string(refusal.Reason),
			problem(http.StatusUnauthorized, "", "%s; send an API key in the header %s", err, keyHeader))
	}
	if err != nil {
		return err
	}
	if !c.caller.Has(e.scope) {
		r.opts.Metrics.refused(missingScope)
		return r.refuse(c, e, "scope", problem(http.StatusForbidden, "", "this call needs the scope %s", e.scope))
	}
	return nil
}

// misdirected refuses calls by a name that is none of ours, where nothing but the
// address keeps others out: a web page whose name was pointed at this machine is of
// the same origin for a browser, and shows that name as the host. Browsers always
// show one, some programs do not.
func (r *rest) misdirected(c *call) error {
	given := c.ctx.Host()
	if !r.named || len(given) == 0 {
		return nil
	}
	if known := r.known.Load(); known != nil && string(given) == *known {
		return nil // most callers call by one name, again and again
	}
	host := string(given)
	if isOwnName(host, r.opts.Address, r.opts.Hosts...) {
		r.known.Store(&host)
		return nil
	}
	if err := r.limited(c, "another host"); err != nil {
		return err
	}
	host = text.Line(host, maxHost)
	r.opts.Log.Warn("call refused", logx.Source(c.ctx.RemoteIP().String()), zap.String("host", host), logx.Reason("another host"))
	return problem(http.StatusMisdirectedRequest, "",
		"%q is none of the names of this service; call by IP address or as localhost, or add the name to restServerConfig.allowedHosts", host)
}

// maxHost is how much of a host that is none of ours is told, in characters.
const maxHost = 255

// refuse tells the log who was not let in, and returns what the caller is told.
func (r *rest) refuse(c *call, e *route, reason string, told error) error {
	r.logOf(e).Warn("call refused", logx.Source(c.ctx.RemoteIP().String()), zap.String("caller", c.caller.Name),
		zap.String("credential", c.caller.Credential), zap.String("route", e.title), logx.Reason(reason))
	return told
}

// foreign reports whether a browser makes a call for a page of another origin. It
// would lend that page its address and its client certificate. Programs send
// neither header.
func foreign(header *fasthttp.RequestHeader) bool {
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
