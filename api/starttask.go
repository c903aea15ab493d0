package api

import (
	"context"
	"errors"
	"net/http"
	"net/url"

	"butler/api/web"
	"butler/internal/apikey"
	"butler/internal/starttask"
)

// Starter starts tasks; *starttask.Starter is the one in use.
type Starter interface {
	// Start returns when every start is answered, and what was to be waited for has ended.
	Start(ctx context.Context, c starttask.Caller, r starttask.Request) starttask.Answer
}

// startTasks starts the tasks that path, query and body select together. It answers
// when that is done, however long the request asks to wait.
func (r *rest) startTasks(c *call) (int, any, error) {
	body, err := c.raw()
	if err != nil {
		return 0, nil, err
	}
	query := url.Values{}
	for name, value := range c.ctx.QueryArgs().All() {
		query.Add(string(name), string(value))
	}
	request, err := starttask.FromREST(c.parameters.get("taskId"), query, body)
	if err != nil {
		return 0, nil, startProblem(err)
	}
	if r.opts.Starter == nil {
		return 0, nil, web.Problemf(http.StatusServiceUnavailable, "", "tasks cannot be started: no Qlik Sense is configured; set Butler.configQRS.host")
	}
	answer := r.opts.Starter.Start(r.working(), r.starting(c), request)
	return answer.Status, answer, nil
}

// starting returns the caller on whose behalf a call starts tasks.
func (r *rest) starting(c *call) starttask.Caller {
	caller := starttask.Caller{Principal: c.caller, Way: starttask.ByREST, From: c.ctx.RemoteIP().String()}
	if r.opts.Access == nil { // everybody may do everything
		caller.Scopes = []apikey.Scope{apikey.Start, apikey.KV}
	}
	return caller
}

// startProblem returns the error for a request that is not understood, with the code
// that clients know.
func startProblem(err error) error {
	why, ok := errors.AsType[*starttask.Problem](err)
	if !ok {
		return err
	}
	code := map[starttask.ProblemKind]string{
		starttask.NotJSON: web.CodeInvalidJSON, starttask.NotValid: web.CodeValidation, starttask.TooLarge: web.CodeTooLarge,
	}[why.Kind]
	return web.Problemf(why.Status(), code, "%s", why.Error())
}
