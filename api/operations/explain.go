package operations

import (
	"context"
	"fmt"

	"github.com/valyala/fasthttp"

	"butler/api/web"
	"butler/internal/trail"
	"butler/internal/udp"
)

// Explainer tells why somebody was notified of an execution, or not.
type Explainer interface {
	Explain(ctx context.Context, execution string) (trail.Story, error)
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
