// Package pages owns the two read-only servers beside the REST API: the page that shows
// the configuration (ListenConfiguration), and the health check for containers
// (ListenLiveness). They must never change anything, nor show a secret: whoever makes
// what they show has masked it.
package pages

import (
	"bytes"
	"crypto/rand"
	_ "embed"
	"fmt"
	"html/template"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/valyala/fasthttp"
	"go.uber.org/zap"

	"butler/api/sockets"
	"butler/api/web"
	"butler/internal/logx"
)

//go:embed configuration.html
var configurationPage string

// Configuration is what the configuration page shows. Whoever makes it masks the
// secrets; the page shows everything.
type Configuration struct {
	// Version is the version of the service.
	Version string
	// File is the configuration file, "" without one.
	File string
	// Masking says in words what is masked.
	Masking string
	// Notes say what an operator may not expect, such as settings without effect.
	Notes []string
	// Settings are the keys in order; those of a section follow each other.
	Settings []ConfigurationSetting
	// YAML is the same as the text of a file.
	YAML string
}

// ConfigurationSetting is one key of a configuration.
type ConfigurationSetting struct {
	// Section is the topmost key around it, "" for none.
	Section string
	// Path is the whole key, Value what may be seen of its value, Source where
	// that came from, and Doc what it means.
	Path, Value, Source, Doc string
	// Set tells a value from a default.
	Set bool
	// Masked says that a part of the value may not be seen.
	Masked bool
}

// ConfigurationOptions are what the page of the configuration is served with.
type ConfigurationOptions struct {
	// Address is host:port to listen on; port 0 picks a free one.
	Address string
	// Sockets are shared with other servers; nil shares none.
	Sockets *sockets.Shared
	Log     *zap.Logger
	// View returns what is to be shown.
	View func() (Configuration, error)
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// viewsPerMinute is how many calls one client may make in a minute.
const viewsPerMinute = 300

// configuration serves the page.
type configuration struct {
	opts  ConfigurationOptions
	page  *template.Template
	limit *web.Limiter
	// refusals are the lines about refused calls.
	refusals *logx.Condensed
	// loopback says that the server is reached from this machine only.
	loopback bool
}

// ListenConfiguration binds the address of the page. Serve starts answering.
func ListenConfiguration(o ConfigurationOptions) (*web.Server, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	page, err := template.New("configuration").Parse(configurationPage)
	if err != nil {
		return nil, fmt.Errorf("read the page of the configuration: %w", err)
	}
	listener, err := o.Sockets.Listen(o.Address, "configVisualisation.host, configVisualisation.port", o.Log)
	if err != nil {
		return nil, err
	}
	c := &configuration{opts: o, page: page, limit: web.NewLimiter(viewsPerMinute, o.Now), refusals: logx.NewCondensed(), loopback: web.OnLoopback(listener)}
	broken := func(ctx *fasthttp.RequestCtx, err error) {
		web.SecurePage(&ctx.Response.Header)
		web.Fail(ctx, web.Unreadable(err))
	}
	server := web.New(listener, c.handle, broken, nil)
	server.LimitBodies(web.NoLargeBody)
	return server, nil
}

// contentPolicy lets a page run and style what carries the nonce, and nothing else.
const contentPolicy = "default-src 'none'; script-src 'self' 'nonce-%[1]s'; style-src 'self' 'nonce-%[1]s'; img-src 'self'; " +
	"base-uri 'self'; form-action 'none'; frame-ancestors 'self'; object-src 'none'"

// handle answers one request.
func (c *configuration) handle(ctx *fasthttp.RequestCtx) {
	defer web.Rescue(ctx, c.opts.Log)
	web.SecurePage(&ctx.Response.Header)
	client := ctx.RemoteIP().String()
	err := c.limit.Admit(ctx.RemoteAddr(), nobody, &ctx.Response.Header)
	if err != nil {
		c.refusals.Warn(c.opts.Log, client, "call refused, the client calls too often", logx.Source(client), zap.String("route", "configuration page"))
	} else {
		err = c.serve(ctx)
	}
	if err != nil {
		web.Fail(ctx, err)
	}
}

// nobody is known here: the page asks for no credentials.
func nobody() bool { return false }

func (c *configuration) serve(ctx *fasthttp.RequestCtx) error {
	path := string(ctx.Path())
	switch {
	case path != "/" && path != "/config.yaml":
		return web.Problemf(http.StatusNotFound, "", "there is / and /config.yaml")
	case !ctx.IsGet() && !ctx.IsHead():
		return web.Problemf(http.StatusMethodNotAllowed, "", "use GET")
	case c.loopback && !web.IsOwnName(string(ctx.Host()), c.opts.Address):
		// A web page whose name was pointed at this machine shows that name as the host.
		return web.Problemf(http.StatusForbidden, "", "call by IP address or as localhost")
	}
	shown, err := c.opts.View()
	if err != nil {
		return err
	}
	if path == "/" {
		return c.servePage(ctx, shown)
	}
	ctx.SetContentType("application/yaml; charset=utf-8")
	ctx.Response.Header.Set("Content-Disposition", `attachment; filename="config.yaml"`)
	ctx.SetBodyString(shown.YAML)
	return nil
}

// servePage renders the page under a nonce of its own.
func (c *configuration) servePage(ctx *fasthttp.RequestCtx, shown Configuration) error {
	nonce := rand.Text()
	var out bytes.Buffer
	err := c.page.Execute(&out, struct {
		Configuration
		Nonce    string
		Lines    []yamlLine
		Sections []configurationSection
	}{shown, nonce, yamlLines(shown.YAML), sectionsOf(shown.Settings)})
	if err != nil {
		return fmt.Errorf("write the page of the configuration: %w", err)
	}
	ctx.Response.Header.Set("Content-Security-Policy", fmt.Sprintf(contentPolicy, nonce))
	ctx.SetContentType("text/html; charset=utf-8")
	ctx.SetBody(out.Bytes())
	return nil
}

// configurationSection are the settings below one topmost key.
type configurationSection struct {
	Name     string
	Settings []ConfigurationSetting
	// Set says that one of them is set.
	Set bool
}

// sectionsOf groups settings; those below no key come first.
func sectionsOf(settings []ConfigurationSetting) []configurationSection {
	out := []configurationSection{{Name: "general"}}
	at := map[string]int{}
	for _, s := range settings {
		i, known := at[s.Section]
		if !known && s.Section != "" {
			i = len(out)
			at[s.Section] = i
			out = append(out, configurationSection{Name: s.Section})
		}
		out[i].Settings = append(out[i].Settings, s)
		out[i].Set = out[i].Set || s.Set
	}
	return out
}

// yamlLine is a line in parts, for syntax colouring.
type yamlLine struct{ Key, Value, Comment string }

var yamlParts = regexp.MustCompile(`^(\s*(?:- )*[\w.-]+:)?(.*?)((?:^|\s)\s*# [^#]*)?$`)

func yamlLines(text string) []yamlLine {
	var out []yamlLine
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		parts := yamlParts.FindStringSubmatch(line)
		if parts == nil {
			parts = []string{line, "", line, ""}
		}
		out = append(out, yamlLine{parts[1], parts[2], parts[3]})
	}
	return out
}
