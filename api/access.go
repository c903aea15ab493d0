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
// access control everybody may.
func (r *rest) admit(c *call, e endpoint) error {
	if r.opts.Access == nil {
		return nil
	}
	var err error
	c.caller, err = r.opts.Access(keyOf(c.ctx), c.ctx.TLSConnectionState())
	if refusal, ok := errors.AsType[apikey.Refusal](err); ok {
		r.opts.Log.Warn("call refused", logx.Source(c.ctx.RemoteIP().String()), zap.String("route", e.route()), zap.String("reason", string(refusal.Reason)))
		c.ctx.Response.Header.Set("WWW-Authenticate", "Bearer")
		return problem(http.StatusUnauthorized, "", "%s; send an API key in the header %s", err, keyHeader)
	}
	if err != nil {
		return err
	}
	if !c.caller.Has(e.scope) {
		return problem(http.StatusForbidden, "", "this call needs the scope %s", e.scope)
	}
	return nil
}
