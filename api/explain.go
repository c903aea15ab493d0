package api

import (
	"context"
	"net/http"
	"strings"

	"butler/api/web"
	"butler/internal/trail"
	"butler/internal/udp"
)

// Explainer tells why somebody was notified of an execution, or not.
type Explainer interface {
	Explain(ctx context.Context, execution string) (trail.Story, error)
}

// explain answers with the story of an execution. For an unknown one it is 404 with
// the possible reasons.
func (r *rest) explain(c *call) (int, any, error) {
	id := c.parameters.get("executionId")
	if !udp.PossibleID(id) {
		return 0, nil, web.Problemf(http.StatusBadRequest, "", "the ID of an execution has 1 to %d characters", udp.MaxCharacters)
	}
	ctx, cancel := web.Bounded()
	defer cancel()
	story, err := r.opts.Explainer.Explain(ctx, id)
	if err == nil && story.State == trail.Unknown {
		return 0, nil, web.Problemf(http.StatusNotFound, "", "%s", strings.Join(append([]string{story.Summary}, story.Hints...), "; "))
	}
	return http.StatusOK, story, err
}
