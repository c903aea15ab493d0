package api

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"butler/api/web"
	"butler/internal/apikey"
	"butler/internal/starttask"
	"butler/messages"
)

// cluster is a Qlik Sense with two tasks, and what was started in it.
type cluster struct {
	starts []string
	down   bool
}

const (
	hrTask    = "5b0c1f0e-7a55-4e0b-9a40-3d1f6a2b9c77"
	salesTask = "5b0c1f0e-7a55-4e0b-9a40-3d1f6a2b9c78"
	noTask    = "d3adbeef-0000-4000-8000-000000000001"
)

var clusterTasks = []messages.Task{
	{Known: true, ID: hrTask, Name: "Load HR", Tags: []string{"nightly", "hr"}},
	{Known: true, ID: salesTask, Name: "Load Sales", Tags: []string{"nightly"}, CustomProperties: []messages.Property{{Name: "team", Value: "sales"}}},
}

func (c *cluster) find(match func(messages.Task) bool) ([]messages.Task, error) {
	if c.down {
		return nil, errors.New("connection refused by secret.internal")
	}
	return slices.DeleteFunc(slices.Clone(clusterTasks), func(t messages.Task) bool { return !match(t) }), nil
}

func (c *cluster) Tasks(_ context.Context, ids ...string) ([]messages.Task, error) {
	return c.find(func(t messages.Task) bool { return slices.Contains(ids, t.ID) })
}

func (c *cluster) TasksByTag(_ context.Context, tag string) ([]messages.Task, error) {
	return c.find(func(t messages.Task) bool { return slices.Contains(t.Tags, tag) })
}

func (c *cluster) TasksByCustomProperty(_ context.Context, name, value string) ([]messages.Task, error) {
	return c.find(func(t messages.Task) bool { return t.HasProperty(name, value) })
}

func (c *cluster) StartTask(_ context.Context, id string) error {
	c.starts = append(c.starts, id)
	return nil
}

// startKeys are keys that may start: all tasks, those of a tag, and all but nothing else.
func startKeys(key string, connection *tls.ConnectionState) (apikey.Principal, error) {
	switch key {
	case "starter":
		return apikey.Principal{Name: "etl", Scopes: []apikey.Scope{apikey.Start}}, nil
	case "hr":
		return apikey.Principal{Name: "hr", Scopes: []apikey.Scope{apikey.Start, apikey.KV}, Tags: []string{"hr"}}, nil
	}
	return known(key, connection)
}

// serveStarts serves an API that starts tasks one after the other.
func serveStarts(t *testing.T, c *cluster, change func(*starttask.Options, *Options)) *contract {
	t.Helper()
	return newContract(t, func(o *Options) {
		options := starttask.Options{Repository: c, KeyValues: newStore(), Limits: starttask.Limits{MaxConcurrent: 1}}
		change(&options, o)
		o.Starter = starttask.New(options)
	})
}

func asItIs(*starttask.Options, *Options) {}

func TestContract_startTasks(t *testing.T) {
	const one, list = "/v4/reloadtask/{taskId}/start", "/v4/reloadtask/start"
	onlyHR := func(o *starttask.Options, _ *Options) {
		o.Filter, _ = starttask.NewFilter(starttask.AllowList{TaskIDs: []string{strings.ToUpper(hrTask)}, Tags: []string{"hr"}})
	}
	keyed := func(_ *starttask.Options, o *Options) { o.Access = startKeys }
	const union = `{"taskId":["` + hrTask + `"],"tag":["nightly"],"customProperty":[{"name":"team","value":"sales"}]}`
	const form = `[{"type":"keyvaluestore","payload":{"namespace":"etl","key":"batch","value":17,"ttl":"60000"}},{"type":"starttasktag","payload":{"tag":"nightly"}}]`
	for _, row := range []struct {
		path   string
		change func(*starttask.Options, *Options)
		starts []string
		want   string // in the answer
		request
	}{
		{one, asItIs, []string{hrTask}, `"tasksStarted":[{"taskId":"` + hrTask + `","taskName":"Load HR","status":"started"}]`, request{name: "by ID", method: "PUT", target: "/v4/reloadtask/" + hrTask + "/start", want: 200}},
		{one, asItIs, []string{hrTask}, `"totalTasksStarted":1`, request{name: "by ID, with POST and an empty object", method: "POST", target: "/v4/reloadtask/" + hrTask + "/start", body: "{}", want: 200}},
		{one, asItIs, []string{hrTask, salesTask}, `"keyValues":[{"namespace":"etl","key":"batch","status":"stored"}]`, request{name: "as load scripts do", method: "POST", target: "/v4/reloadtask/-/start", header: http.Header{"X-Http-Method-Override": {"PUT"}}, body: form, want: 200}},
		{one, asItIs, []string{hrTask, salesTask}, `"tasksCP":[{"taskId":"` + salesTask, request{name: "without an ID in the path", method: "PUT", target: "/v4/reloadtask//start", body: union, want: 200}},
		{list, asItIs, []string{hrTask, salesTask}, `"totalTasksStarted":2`, request{name: "a union, each once", method: "PUT", target: "/v4/reloadtask/start", body: union, want: 200}},
		{list, asItIs, nil, "selects no task", request{name: "nothing", method: "POST", target: "/v4/reloadtask/start", want: 200}},
		{list, asItIs, nil, `"tasksToStart":[{"taskId":"` + hrTask, request{name: "a dry run", method: "PUT", target: "/v4/reloadtask/start?dryRun=true", body: union, want: 200}},
		{list, asItIs, []string{hrTask}, `"complete":false`, request{name: "with a wait", method: "PUT", target: "/v4/reloadtask/start?wait=0.01", body: `{"taskId":"` + hrTask + `"}`, want: 200}},
		{list, asItIs, nil, "allTaskIdsMustExist is set", request{name: "all IDs must exist", method: "PUT", target: "/v4/reloadtask/start?allTaskIdsMustExist=true", body: `{"taskId":["` + hrTask + `","` + noTask + `"]}`, want: 200}},
		{list, asItIs, []string{hrTask}, `"tasksNotFound":[{"taskId":"` + noTask, request{name: "an unknown ID", method: "PUT", target: "/v4/reloadtask/start", body: `{"taskId":["` + hrTask + `","` + noTask + `"]}`, want: 200}},
		{one, asItIs, nil, `"tasksId":{"started":[],"invalid":[{"taskId":"abc"`, request{name: "no ID at all, in the array form", method: "PUT", target: "/v4/reloadtask/abc/start", body: "[]", want: 200}},
		{one, asItIs, nil, `"error":"Invalid task ID format"`, request{name: "no ID at all", method: "PUT", target: "/v4/reloadtask/abc/start", want: 400}},
		{list, asItIs, nil, web.CodeInvalidJSON, request{name: "no JSON", method: "PUT", target: "/v4/reloadtask/start", body: "{", want: 400}},
		{list, asItIs, nil, "body/0/type", request{name: "an unknown type", method: "PUT", target: "/v4/reloadtask/start", body: `[{"type":"startall","payload":{}}]`, want: 400}},
		{list, asItIs, nil, "querystring/allTaskIdsMustExist must be boolean", request{name: "a strange switch", method: "PUT", target: "/v4/reloadtask/start?allTaskIdsMustExist=yes", body: union, want: 400}},
		{list, asItIs, nil, "must be there once", request{name: "a switch twice", method: "PUT", target: "/v4/reloadtask/start?dryRun=true&dryRun=false", body: union, want: 400}},
		{list, asItIs, nil, web.CodeTooLarge, request{name: "too many selectors", method: "PUT", target: "/v4/reloadtask/start", body: `{"tag":["a"` + strings.Repeat(`,"a"`, starttask.MaxSelectors) + `]}`, want: 413}},
		{list, asItIs, nil, web.CodeTooLarge, request{name: "a tag without end", method: "PUT", target: "/v4/reloadtask/start", body: `{"tag":"` + strings.Repeat("a", starttask.MaxText+1) + `"}`, want: 413}},
		{list, asItIs, nil, web.CodeMediaType, request{name: "a form", method: "PUT", target: "/v4/reloadtask/start", body: "tag=nightly", header: http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}, want: 415}},
		{list, onlyHR, []string{hrTask}, `"tasksTagDenied":[{"tag":"nightly","reason":"the start-task filter does not allow it"}]`, request{name: "what the filter denies", method: "PUT", target: "/v4/reloadtask/start", body: union, want: 200}},
		{list, keyed, nil, "not accepted", request{name: "without a key", method: "PUT", target: "/v4/reloadtask/start", body: union, want: 401}},
		{list, keyed, nil, "scope start", request{name: "with a key of another scope", method: "PUT", target: "/v4/reloadtask/start", body: union, header: withKey("writer"), want: 403}},
		{one, keyed, nil, "do not allow storing", request{name: "key-values with a key that may not store them", method: "PUT", target: "/v4/reloadtask/-/start", body: form, header: withKey("starter"), want: 403}},
		{list, keyed, []string{hrTask}, `bound to tags`, request{name: "with a key that is bound to a tag", method: "POST", target: "/v4/reloadtask/start", body: union, header: withKey("hr"), want: 200}},
		{list, keyed, []string{hrTask, salesTask}, `"totalTasksStarted":2`, request{name: "with a key for everything", method: "POST", target: "/v4/reloadtask/start", body: union, header: withKey("admin"), want: 200}},
	} {
		t.Run(row.name, func(t *testing.T) {
			sense := &cluster{}
			c := serveStarts(t, sense, row.change)
			if body := string(c.call(row.path, row.request)); !strings.Contains(body, row.want) {
				t.Errorf("want %q in the answer, got %s", row.want, body)
			}
			if !slices.Equal(sense.starts, row.starts) {
				t.Errorf("want started %q, got %q", row.starts, sense.starts)
			}
		})
	}
}

func TestContract_startTasksThatCannotBeStarted(t *testing.T) {
	const list = "/v4/reloadtask/start"
	r := request{name: "down", method: "PUT", target: list, body: `{"tag":["nightly"]}`, want: 500}
	if body := serveStarts(t, &cluster{down: true}, asItIs).call(list, r); strings.Contains(string(body), "secret.internal") {
		t.Errorf("the answer tells what Qlik Sense said: %s", body)
	}
	r.name, r.want = "nowhere to start", 503
	newContract(t, nil).call(list, r)

	r.name, r.want = "a store without room", 507
	r.body = `{"tag":"nightly","keyValueStore":{"namespace":"full","key":"k","value":"v"}}`
	sense := &cluster{}
	serveStarts(t, sense, func(o *starttask.Options, _ *Options) { o.KeyValues = fullStore{} }).call(list, r)
	if len(sense.starts) > 0 {
		t.Errorf("want nothing started, got %q", sense.starts)
	}
}

type fullStore struct{}

func (fullStore) Put(context.Context, messages.PutValue) (messages.PutValueReply, error) {
	return messages.PutValueReply{Failure: messages.Failure{Kind: messages.FailureFull, Text: "the namespace holds 1000 keys and no more"}}, nil
}

func TestStart_isToldToTheAuditWithItsCaller(t *testing.T) {
	var events []starttask.Event
	c := serveStarts(t, &cluster{}, func(o *starttask.Options, r *Options) {
		o.Audit = func(e starttask.Event) { events = append(events, e) }
		r.Access = startKeys
	})
	body := c.call("", request{name: "start", method: "PUT", target: "/v4/reloadtask/" + hrTask + "/start", header: withKey("hr"), want: 200})
	var answer starttask.Answer
	if err := json.Unmarshal(body, &answer); err != nil || answer.TotalTasksStarted != 1 {
		t.Fatalf("want one task started, got %s", body)
	}
	if len(events) != 1 || fmt.Sprint(events[0].Caller.Name, " ", events[0].Caller.Way, " ", events[0].Caller.From) != "hr rest 127.0.0.1" {
		t.Errorf("want who it was, and from where; got %+v", events)
	}
}
