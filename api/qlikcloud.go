package api

import (
	"context"
	"net/http"

	"butler/api/web"
	"butler/internal/cloudevent"
	"butler/messages"
)

// CloudEvents takes events of Qlik Cloud. The signature is the header
// Qlik-Signature, "" without one; source is who has called. Why says why an event
// is ignored, refused or not taken now. A Problem is an error of the caller.
type CloudEvents interface {
	Accept(ctx context.Context, event []byte, signature, source string) (outcome messages.CloudOutcome, why string, err error)
}

// cloudEvent answers 202 when the event is on disk, or known to need no attention.
func (r *rest) cloudEvent(c *call) (int, any, error) {
	body := c.ctx.PostBody()
	if len(body) > cloudevent.MaxSize {
		return 0, nil, web.Problemf(http.StatusRequestEntityTooLarge, web.CodeTooLarge, "Request body is too large")
	}
	ctx, cancel := web.Bounded()
	defer cancel()
	// The server uses the memory of the body again.
	event, signature := append([]byte(nil), body...), string(c.ctx.Request.Header.Peek(cloudevent.Signature))
	outcome, why, err := r.opts.CloudEvents.Accept(ctx, event, signature, c.ctx.RemoteIP().String())
	switch {
	case err != nil:
		return 0, nil, err
	case outcome == messages.CloudRefused:
		return 0, nil, web.Problemf(http.StatusBadRequest, web.CodeValidation, "%s", why)
	case outcome == messages.CloudBusy:
		c.ctx.Response.Header.Set("Retry-After", "10")
		return 0, nil, web.Problemf(http.StatusServiceUnavailable, "", "%s", why)
	}
	return http.StatusAccepted, struct {
		Outcome messages.CloudOutcome `json:"outcome"`
		Reason  string                `json:"reason,omitempty"`
	}{outcome, why}, nil
}
