package api

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"net/http"
	"slices"
	"strings"

	"github.com/valyala/fasthttp"

	"butler/api/openapi"
)

//go:embed documentation.html
var documentationPage string

// documentationPath is where it is served.
const documentationPath = "/documentation"

// documentation is the description of what is enabled, ready to be served.
type documentation struct{ json, yaml, page []byte }

// newDocumentation describes the enabled endpoints of a service at an address.
func newDocumentation(enabled []string, version, address string) (*documentation, error) {
	whole, err := openapi.Read()
	if err != nil {
		return nil, err
	}
	shown := whole.For(func(endpoint string) bool { return slices.Contains(enabled, endpoint) }, version, address)
	d := &documentation{}
	if d.json, err = shown.JSON(); err != nil {
		return nil, fmt.Errorf("encode the description of the API: %w", err)
	}
	if d.yaml, err = shown.YAML(); err != nil {
		return nil, fmt.Errorf("encode the description of the API: %w", err)
	}
	page, err := template.New("documentation").Parse(documentationPage)
	if err != nil {
		return nil, fmt.Errorf("read the page of the API: %w", err)
	}
	var out bytes.Buffer
	err = page.Execute(&out, map[string]any{"Version": version, "Address": address, "Operations": shown.Operations()})
	d.page = out.Bytes()
	return d, err
}

// serve answers a call for the description, and reports whether it was one.
// Nothing in it is secret: it needs no key, for browsers have none.
func (d *documentation) serve(ctx *fasthttp.RequestCtx, path string) bool {
	var media string
	var body []byte
	switch strings.TrimSuffix(path, "/") {
	case documentationPath:
		media, body = "text/html; charset=utf-8", d.page
	case documentationPath + "/json":
		media, body = "application/json; charset=utf-8", d.json
	case documentationPath + "/yaml":
		media, body = "application/yaml; charset=utf-8", d.yaml
	default:
		return false
	}
	ctx.SetStatusCode(http.StatusOK)
	ctx.SetContentType(media)
	ctx.Response.Header.Set("X-Content-Type-Options", "nosniff")
	ctx.Response.Header.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'")
	ctx.SetBody(body)
	return true
}
