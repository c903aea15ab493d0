package api

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/valyala/fasthttp"

	"butler/internal/trail"
	"butler/internal/udp"
)

// Explainer tells why somebody was told of an execution, or not.
type Explainer interface {
	Explain(ctx context.Context, execution string) (trail.Story, error)
}

// explain answers with the story of an execution. For an unknown one it is 404 with
// the possible reasons.
func (r *rest) explain(c *call) (int, any, error) {
	id := c.parameters.get("executionId")
	if !nameable(id) {
		return 0, nil, problem(http.StatusBadRequest, "", "the ID of an execution has 1 to %d characters", udp.MaxCharacters)
	}
	ctx, cancel := bounded()
	defer cancel()
	story, err := r.opts.Explainer.Explain(ctx, id)
	if err == nil && story.State == trail.Unknown {
		return 0, nil, problem(http.StatusNotFound, "", "%s", strings.Join(append([]string{story.Summary}, story.Hints...), "; "))
	}
	return http.StatusOK, story, err
}

// explain does the same for the operations server, where an unknown execution is no error.
func (s *operations) explain(ctx *fasthttp.RequestCtx) {
	id := string(ctx.QueryArgs().Peek("execution"))
	if !nameable(id) {
		fail(ctx, errBadRequest, errNoExecution)
		return
	}
	call, cancel := bounded()
	defer cancel()
	story, err := s.opts.Explainer.Explain(call, id)
	s.respond(ctx, story, err)
}

// errNoExecution is what is wrong with a call that names no execution.
var errNoExecution = fmt.Sprintf("execution must be the ID of an execution, of at most %d characters", udp.MaxCharacters)

// nameable reports whether id may be an execution ID: the intake keeps no longer ones.
func nameable(id string) bool { return id != "" && utf8.RuneCountInString(id) <= udp.MaxCharacters }
