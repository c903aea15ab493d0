package web

import (
	"encoding/json"

	"github.com/valyala/fasthttp"
)

// Headers of most answers, in canonical form, which Set would compute for each of them.
var (
	typeJSON          = []byte("application/json; charset=utf-8")
	headerTypeOptions = []byte("X-Content-Type-Options")
	noSniff           = []byte("nosniff")
)

// SetJSONHead sets the headers of a JSON answer.
func SetJSONHead(ctx *fasthttp.RequestCtx) {
	ctx.SetContentTypeBytes(typeJSON)
	ctx.Response.Header.SetCanonical(headerTypeOptions, noSniff)
}

// WriteJSON sends a value as JSON.
func WriteJSON(ctx *fasthttp.RequestCtx, body any) {
	SetJSONHead(ctx)
	encoder := json.NewEncoder(ctx)
	encoder.SetEscapeHTML(true)
	_ = encoder.Encode(body) // the writer is the response buffer: it does not fail
}

// SecurePage sets the headers of every answer of a page for browsers.
func SecurePage(header *fasthttp.ResponseHeader) {
	for name, value := range map[string]string{
		"X-Frame-Options":              "SAMEORIGIN",
		"X-Content-Type-Options":       "nosniff",
		"Referrer-Policy":              "no-referrer",
		"Permissions-Policy":           "camera=(), microphone=(), geolocation=()",
		"Cross-Origin-Embedder-Policy": "require-corp",
		"Cross-Origin-Opener-Policy":   "same-origin",
		"Cross-Origin-Resource-Policy": "same-origin",
		"Cache-Control":                "no-store",
	} {
		header.Set(name, value)
	}
}
