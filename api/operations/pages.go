package operations

import (
	"bytes"
	"cmp"
	"context"
	"embed"
	"fmt"
	"html/template"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/valyala/fasthttp"

	"butler/api/web"
	"butler/internal/qlik"
	"butler/internal/trail"
	"butler/internal/udp"
	"butler/messages"
)

// Component is the health of one part of the service.
type Component struct {
	Name string `json:"name"`
	// State is "up", "degraded" or "down".
	State  string    `json:"state"`
	Reason string    `json:"reason,omitempty"`
	Since  time.Time `json:"since"`
}

// The pages for people show text that came over the network. The templates escape it,
// and isolate what changes the direction of writing.
//
//go:embed pages/*.html
var pageFiles embed.FS

var pages = template.Must(template.New("").Funcs(template.FuncMap{
	"moment":  func(at time.Time) string { return shownTime(at, time.DateTime) },
	"instant": func(at time.Time) string { return shownTime(at, "2006-01-02 15:04:05.000") },
	"look":    look,
	"newest":  reversed,
	"words":   func(label any) string { return strings.ReplaceAll(fmt.Sprint(label), "_", " ") },
	"breaks":  breaks,
	"again": func(d Destination) string {
		return d.Words(func(at time.Time) string { return shownTime(at, time.TimeOnly) })
	},
}).ParseFS(pageFiles, "pages/*.html"))

// pagePolicy lets a page style itself, send its form and have an empty icon, and nothing else.
const pagePolicy = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

// frame is what every page has.
type frame struct {
	Title string
	// Host is the machine that the service runs on, Now the time of the page.
	Host string
	Now  time.Time
	// File is the argument with which the commands find this service, after a blank.
	File    string
	Refresh bool
	// Trouble says what could not be shown.
	Trouble []string
}

func (s *operations) frame(title string) frame {
	f := frame{Title: title, Host: s.opts.Host, Now: time.Now()}
	if file := s.opts.Configuration; file != "" {
		f.File = " -c " + file
		if strings.ContainsRune(file, ' ') {
			f.File = fmt.Sprintf(` -c "%s"`, file)
		}
	}
	return f
}

// breaks lets a long name be broken after its separators.
func breaks(name string) template.HTML {
	var out strings.Builder
	for part := range strings.SplitAfterSeq(name, "/") {
		for piece := range strings.SplitAfterSeq(part, "_") {
			out.WriteString(template.HTMLEscapeString(piece) + "<wbr>")
		}
	}
	return template.HTML(strings.TrimSuffix(out.String(), "<wbr>")) //nolint:gosec // every piece is escaped
}

// indexPage is the state of the service at a glance.
type indexPage struct {
	frame
	State      string
	Ready      bool
	Reason     string
	Failing    []Component
	Components []Component
	// Still reports that the page stays as it is.
	Still bool
	// Own reports that the browser is on this machine; all that follows is empty otherwise.
	Own          bool
	Feed         *Feed
	Destinations []Destination
	Headlines    []trail.Headline
	// Refused is the newest refused datagram, if there is any.
	Refused []messages.QuarantinedDatagram
}

// indexHeadlines is how many decisions the page lists.
const indexHeadlines = 10

// index serves the state of the service, problems first. It says what /health and
// /readyz say; on this machine, what administrative calls say, too.
func (s *operations) index(ctx *fasthttp.RequestCtx) {
	state, components := s.opts.Health()
	page := indexPage{frame: s.frame(state), State: state, Components: components, Still: ctx.QueryArgs().Has("still")}
	page.Ready, page.Reason = s.opts.Ready()
	page.Refresh = !page.Still
	page.Failing = slices.DeleteFunc(slices.Clone(page.Components), func(c Component) bool { return c.State == "up" })
	if page.Own = s.notOwn(ctx) == ""; page.Own {
		call, cancel := web.Bounded()
		defer cancel()
		page.load(call, s.opts)
	}
	s.render(ctx, "index.html", page)
}

func (p *indexPage) load(ctx context.Context, from Options) {
	feed, err := from.Feed()
	if p.Feed = &feed; err != nil {
		p.Feed, p.Trouble = nil, append(p.Trouble, "The nodes cannot be listed: "+err.Error())
	}
	if p.Destinations, err = from.Admin.Destinations(ctx); err != nil {
		p.Trouble = append(p.Trouble, "The destinations cannot be listed: "+err.Error())
	}
	slices.SortStableFunc(p.Destinations, func(a, b Destination) int { return cmp.Compare(b.urgency(), a.urgency()) })
	if p.Headlines, err = from.Explainer.Latest(ctx, trail.Query{Limit: indexHeadlines, Glance: true}); err != nil {
		p.Trouble = append(p.Trouble, "The newest decisions cannot be listed: "+err.Error())
	}
	if p.Refused, err = from.Admin.Quarantine(ctx, 1); err != nil {
		p.Trouble = append(p.Trouble, "Refused datagrams cannot be listed: "+err.Error())
	}
}

// explainPage is the story of an execution, and the form to ask for another.
type explainPage struct {
	frame
	Asked string
	Story *trail.Story
	// OfTask are the newest decisions about tasks whose names have what was asked for.
	OfTask []trail.Headline
}

// showExplanation serves the story of an execution.
func (s *operations) showExplanation(ctx *fasthttp.RequestCtx) {
	page := explainPage{frame: s.frame("explain"), Asked: string(bytes.TrimSpace(ctx.QueryArgs().Peek("execution")))}
	switch {
	case page.Asked == "":
	case !udp.PossibleID(page.Asked):
		page.Trouble = append(page.Trouble, "This is no ID: "+errNoExecution+".")
	default:
		call, cancel := web.Bounded()
		defer cancel()
		story, err := s.opts.Explainer.Explain(call, page.Asked)
		if page.Story = &story; err != nil {
			page.Story, page.Trouble = nil, append(page.Trouble, "The execution cannot be explained: "+err.Error())
		}
		if err == nil && story.State == trail.Unknown && len(story.OfTask) == 0 && !qlik.IsGUID(page.Asked) {
			if page.OfTask, err = s.opts.Explainer.Latest(call, trail.Query{Limit: indexHeadlines, Task: page.Asked}); err != nil {
				page.Trouble = append(page.Trouble, "Tasks of this name cannot be looked for: "+err.Error())
			}
		}
	}
	s.render(ctx, "explain.html", page)
}

// parkedPage lists parked notices.
type parkedPage struct {
	frame
	Limit   int
	Notices []ParkedNotice
}

func (s *operations) showParked(ctx *fasthttp.RequestCtx) {
	page := parkedPage{frame: s.frame("parked messages"), Limit: defaultList}
	call, cancel := web.Bounded()
	defer cancel()
	var err error
	if page.Notices, err = s.opts.Admin.Parked(call, "", page.Limit); err != nil {
		page.Trouble = append(page.Trouble, "They cannot be listed: "+err.Error())
	}
	s.render(ctx, "parked.html", page)
}

// refusedPage lists the quarantine.
type refusedPage struct {
	frame
	Limit     int
	Datagrams []messages.QuarantinedDatagram
}

func (s *operations) showRefused(ctx *fasthttp.RequestCtx) {
	page := refusedPage{frame: s.frame("refused datagrams"), Limit: defaultList}
	call, cancel := web.Bounded()
	defer cancel()
	var err error
	if page.Datagrams, err = s.opts.Admin.Quarantine(call, page.Limit); err != nil {
		page.Trouble = append(page.Trouble, "They cannot be listed: "+err.Error())
	}
	s.render(ctx, "refused.html", page)
}

// own admits a browser on this machine.
func (s *operations) own(next fasthttp.RequestHandler) fasthttp.RequestHandler {
	return func(ctx *fasthttp.RequestCtx) {
		if why := s.notOwn(ctx); why != "" {
			s.refuse(ctx, errForbidden, why)
			return
		}
		next(ctx)
	}
}

// refusalPage says to a person what an error says to a program.
type refusalPage struct {
	frame
	Error, Detail, Remedy string
}

// refuse answers with an error, in the form that the caller reads.
func (s *operations) refuse(ctx *fasthttp.RequestCtx, row apiError, detail string) {
	if !bytes.Contains(ctx.Request.Header.Peek("Accept"), []byte("text/html")) {
		fail(ctx, row, detail)
		return
	}
	s.render(ctx, "refusal.html", refusalPage{frame: s.frame(row.Error), Error: row.Error, Detail: detail, Remedy: row.Remedy})
	ctx.SetStatusCode(row.Status)
}

func (s *operations) render(ctx *fasthttp.RequestCtx, name string, page any) {
	var out bytes.Buffer
	if err := pages.ExecuteTemplate(&out, name, page); err != nil {
		panic("BUG: " + name + ": " + err.Error())
	}
	web.SecurePage(&ctx.Response.Header)
	ctx.Response.Header.Set("Content-Security-Policy", pagePolicy)
	ctx.SetContentType("text/html; charset=utf-8")
	ctx.SetStatusCode(http.StatusOK)
	ctx.SetBody(out.Bytes())
}

// notOwn says why a page must not show what is kept of executions, "" if it may: the
// browser has to be on this machine, and its user has to want the page. A web page of
// another origin cannot read it, but could have it made again and again.
func (s *operations) notOwn(ctx *fasthttp.RequestCtx) string {
	if why := s.stranger(ctx); why != "" {
		return why
	}
	switch site := string(ctx.Request.Header.Peek("Sec-Fetch-Site")); site {
	case "", "none", "same-origin":
		return ""
	default:
		return "this page is not shown to other sites: open it by its address"
	}
}

// shownTime shows a time in UTC, the zero time as a dash.
func shownTime(at time.Time, layout string) string {
	if at.IsZero() {
		return "-"
	}
	return at.UTC().Format(layout)
}

// look returns the style of a state of an execution or of a notice.
func look(s trail.State) string {
	switch s {
	case trail.Delivered:
		return "up"
	case trail.Parked, trail.Dropped, trail.Unclear, trail.Refused, trail.Unknown:
		return "degraded"
	case trail.PartlyDelivered, trail.Waiting, trail.Suppressed, trail.Following, trail.Deciding, trail.Silent, trail.AlreadyAlerted:
	}
	return ""
}

// reversed returns the executions with the newest first.
func reversed(list []trail.Brief) []trail.Brief {
	out := slices.Clone(list)
	slices.Reverse(out)
	return out
}
