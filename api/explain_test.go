package api

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"butler/internal/trail"
	"butler/internal/udp"
)

// teller tells one story, whatever is asked.
type teller struct {
	story trail.Story
	err   error
}

func (t teller) Explain(_ context.Context, execution string) (trail.Story, error) {
	t.story.ExecutionID = execution
	return t.story, t.err
}

func TestContract_explain(t *testing.T) {
	const path = "/v4/executions/{executionId}"
	at := time.Date(2026, 5, 6, 12, 0, 0, 0, time.UTC)
	story := trail.Story{
		State: trail.Parked, Summary: "1 message, parked", TaskID: "t", TaskName: "Daily", TaskType: "reload", AppName: "Sales", Node: "sense-1",
		Steps: []trail.Step{
			{At: at, What: "received", Text: "task failed", Payload: "/scheduler-task-failed/"},
			{At: at, What: "attempt", Text: "no", Destination: "slack", Seconds: 0.5},
		},
		Notices:     []trail.Notice{{ID: "n", Alert: "reload_task_failed", Destination: "slack", Recipient: "a", State: trail.Parked, Attempts: 1, Reason: "403"}},
		NotNotified: []trail.Omission{{Destination: "email", Reason: "nobody"}}, Hints: []string{"look"},
	}
	unknown := trail.Tell(trail.Evidence{ID: "x"})
	with := func(e Explainer) func(*Options) { return func(o *Options) { o.Explainer, o.Access = e, known } }
	get := func(name, id string, header http.Header, want int) request {
		return request{name: name, method: "GET", target: "/v4/executions/" + id, header: header, want: want}
	}
	c := newContract(t, with(teller{story: story}))
	c.call(path, get("a story", "6e9b2c1a", withKey("reader"), 200))
	c.call(path, get("an execution without an ID", "event%2F7%2F0", withKey("reader"), 200))
	c.call(path, get("the longest ID that the intake keeps", url.PathEscape(strings.Repeat("🦊", udp.MaxCharacters)), withKey("reader"), 200))
	c.call(path, get("an ID that is longer", strings.Repeat("x", udp.MaxCharacters+1), withKey("reader"), 400))
	c.call(path, get("no key", "x", nil, 401))
	c.call(path, get("a key of another", "x", withKey("writer"), 403))
	newContract(t, with(teller{story: unknown})).call(path, get("an unknown one", "x", withKey("reader"), 404))
	newContract(t, with(teller{err: errors.New("the ledger is closed")})).call(path, get("nobody answers", "x", withKey("reader"), 500))
}
