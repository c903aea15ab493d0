package operations

import (
	"net/url"
	"strconv"
	"time"

	"github.com/valyala/fasthttp"

	"butler/api/web"
	"butler/internal/text"
	"butler/internal/trail"
	"butler/internal/udp"
	"butler/messages"
)

// QueryValues returns a choice of decisions as the query of a URL.
func QueryValues(q trail.Query) url.Values {
	out := url.Values{"limit": {strconv.Itoa(q.Limit)}}
	for name, value := range map[string]string{"task": q.Task, "event": q.Event} {
		if value != "" {
			out.Set(name, value)
		}
	}
	if !q.Before.IsZero() {
		out.Set("before", q.Before.UTC().Format(time.RFC3339Nano))
	}
	if q.Seen > 0 {
		out.Set("seen", strconv.Itoa(q.Seen))
	}
	return out
}

// queryOf reads what QueryValues writes. What is wrong with it is "" for nothing.
func queryOf(args *fasthttp.Args) (q trail.Query, wrong string) {
	if q.Limit, wrong = limitIn(args); wrong != "" {
		return q, wrong
	}
	q.Task, q.Event = text.Line(string(args.Peek("task")), udp.MaxCharacters), string(args.Peek("event"))
	if err := q.Validate(); err != nil {
		return q, err.Error()
	}
	if raw := string(args.Peek("before")); raw != "" {
		at, err := time.Parse(time.RFC3339, raw)
		if err != nil {
			return q, "before must be a time such as 2026-11-22T18:30:00Z"
		}
		q.Before = at
	}
	q.Seen, wrong = numberIn(args, "seen", 0, 0, MaxList)
	return q, wrong
}

// decisionsPage lists decisions.
type decisionsPage struct {
	frame
	Query  trail.Query
	Events []messages.Family
	List   []trail.Headline
	// Older is the address of the decisions before these, "" without any.
	Older string
}

func (s *operations) showDecisions(ctx *fasthttp.RequestCtx) {
	page := decisionsPage{frame: s.frame("decisions"), Events: messages.Families()}
	query, wrong := queryOf(ctx.QueryArgs())
	if page.Query = query; wrong != "" {
		page.Trouble = append(page.Trouble, "This cannot be looked for: "+wrong+".")
		s.render(ctx, "decisions.html", page)
		return
	}
	call, cancel := web.Bounded()
	defer cancel()
	var err error
	if page.List, err = s.opts.Explainer.Latest(call, query); err != nil {
		page.Trouble = append(page.Trouble, "They cannot be listed: "+err.Error())
	}
	if older, more := query.Older(page.List); more {
		page.Older = "/decisions?" + QueryValues(older).Encode()
	}
	s.render(ctx, "decisions.html", page)
}
