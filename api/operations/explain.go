package operations

import (
	"context"
	"fmt"

	"github.com/valyala/fasthttp"

	"butler/api/web"
	"butler/internal/trail"
	"butler/internal/udp"
)

// Explainer tells what became of executions, and why somebody was notified or not.
type Explainer interface {
	Explain(ctx context.Context, execution string) (trail.Story, error)
	// Latest lists the newest decisions that a query selects, the newest first.
	Latest(ctx context.Context, q trail.Query) ([]trail.Headline, error)
}

// listExecutions answers with the newest decisions.
func (s *operations) listExecutions(ctx *fasthttp.RequestCtx) {
	query, wrong := queryOf(ctx.QueryArgs())
	if wrong != "" {
		fail(ctx, errBadRequest, wrong)
		return
	}
	call, cancel := web.Bounded()
	defer cancel()
	list, err := s.opts.Explainer.Latest(call, query)
	s.respond(ctx, list, err)
}

// explain answers with the story of an execution. An unknown one is no error: its story
// holds the possible reasons.
func (s *operations) explain(ctx *fasthttp.RequestCtx) {
	id := string(ctx.QueryArgs().Peek("execution"))
	if !udp.PossibleID(id) {
		fail(ctx, errBadRequest, errNoExecution)
		return
	}
	call, cancel := web.Bounded()
	defer cancel()
	story, err := s.opts.Explainer.Explain(call, id)
	s.respond(ctx, story, err)
}

// errNoExecution is what is wrong with a call that names no execution.
var errNoExecution = fmt.Sprintf("execution must be the ID of an execution, of at most %d characters", udp.MaxCharacters)
