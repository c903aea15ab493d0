package api

import (
	_ "embed"

	"github.com/valyala/fasthttp"
)

//go:embed operations.html
var operationsPage string

// operationsPolicy lets the page style itself, and nothing else.
const operationsPolicy = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// index serves a fixed page with links to the others. It shows nothing of this
// service's state.
func (s *operations) index(ctx *fasthttp.RequestCtx) {
	secure(&ctx.Response.Header)
	ctx.Response.Header.Set("Content-Security-Policy", operationsPolicy)
	ctx.SetContentType("text/html; charset=utf-8")
	ctx.SetBodyString(operationsPage)
}
