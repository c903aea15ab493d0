package operations

import (
	"bytes"
	_ "embed"
	"html/template"
	"slices"
	"time"

	"github.com/valyala/fasthttp"

	"butler/api/web"
)

// Component is the health of one part of the service.
type Component struct {
	Name string `json:"name"`
	// State is "up", "degraded" or "down".
	State  string    `json:"state"`
	Reason string    `json:"reason,omitempty"`
	Since  time.Time `json:"since"`
}

//go:embed operations.html
var operationsPage string

var operationsTemplate = template.Must(template.New("operations").Parse(operationsPage))

// operationsPolicy lets the page style itself, and nothing else.
const operationsPolicy = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// index serves a page for people: the state of the service at a glance, problems
// first, and links to the other pages. It says what /health and /readyz say.
func (s *operations) index(ctx *fasthttp.RequestCtx) {
	state, components := s.opts.Health()
	ready, reason := s.opts.Ready()
	isUp := func(c Component) bool { return c.State == "up" }
	failing := slices.DeleteFunc(slices.Clone(components), isUp)
	var page bytes.Buffer
	err := operationsTemplate.Execute(&page, map[string]any{
		"State": state, "Ready": ready, "Reason": reason, "Failing": len(failing),
		"Components": append(failing, slices.DeleteFunc(slices.Clone(components), func(c Component) bool { return !isUp(c) })...),
	})
	if err != nil {
		panic("BUG: operations.html: " + err.Error())
	}
	web.SecurePage(&ctx.Response.Header)
	ctx.Response.Header.Set("Content-Security-Policy", operationsPolicy)
	ctx.SetContentType("text/html; charset=utf-8")
	ctx.SetBody(page.Bytes())
}
