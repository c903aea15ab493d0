package starttask_test

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"butler/internal/apikey"
	"butler/internal/qlik/identity"
	"butler/internal/qlik/qrs"
	"butler/internal/sim/edge"
	"butler/internal/sim/qrssim"
	"butler/internal/sim/world"
	"butler/internal/starttask"
	"butler/messages"
)

// cluster is a simulated repository, our client with its certificate, and a starter.
type cluster struct {
	*testing.T
	world   *world.World
	server  *qrssim.Server
	starter *starttask.Starter

	mu      sync.Mutex
	started []string // names of tasks, in the order of their starts
}

func newCluster(t *testing.T, change ...func(*starttask.Options, *qrssim.Options)) *cluster {
	t.Helper()
	c := &cluster{T: t, world: world.New(world.Options{Seed: 7, Epoch: time.Now().Add(-time.Hour)})}
	simulated := qrssim.Options{World: c.world, OnExecution: func(e world.Execution) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.started = append(c.started, e.TaskName)
	}}
	o := starttask.Options{Limits: starttask.Limits{MaxConcurrent: 1}}
	for _, ch := range change {
		ch(&o, &simulated)
	}
	server, err := qrssim.New(simulated)
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Stop)
	pair, err := server.Authority().Client("butler")
	if err != nil {
		t.Fatal(err)
	}
	client, err := qrs.New(qrs.Options{
		BaseURL: server.URL() + "/qrs/", RetryWait: time.Millisecond,
		CAPEM: server.Authority().RootPEM(), CertPEM: pair.Certificate, KeyPEM: pair.Key,
		Headers: identity.Headers{{Name: "X-Qlik-User", Value: "UserDirectory=Internal; UserId=sa_repository"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	o.Repository = client
	c.server, c.starter = server, starttask.New(o)
	return c
}

var operator = starttask.Caller{
	Principal: apikey.Principal{Name: "etl", Scopes: []apikey.Scope{apikey.Start, apikey.KV}}, Way: starttask.ByREST,
}

// rest sends what a client of the REST API sends.
func (c *cluster) rest(path, query, body string) starttask.Answer {
	c.Helper()
	values, err := url.ParseQuery(query)
	if err != nil {
		c.Fatal(err)
	}
	r, err := starttask.FromREST(path, values, []byte(body))
	if err != nil {
		c.Fatal(err)
	}
	return c.starter.Start(c.Context(), operator, r)
}

func (c *cluster) wantStarted(want ...string) {
	c.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	if !slices.Equal(want, c.started) {
		c.Errorf("want started %q, got %q", want, c.started)
	}
}

// id returns the ID of the task of a name.
func (c *cluster) id(name string) string {
	c.Helper()
	for t := range c.world.Tasks() {
		if t.Name == name {
			return t.ID
		}
	}
	c.Fatalf("there is no task %q", name)
	return ""
}

const (
	daily  = "Daily Sales Reload"
	obrien = "O'Brien's margin report – hourly"
	rAndD  = "R&D + Quality: cost & yield (100%)"
)

func TestQRS_startsByIDTagAndProperty(t *testing.T) {
	tests := []struct {
		name string
		path func(*cluster) string
		body func(*cluster) string
		want []string
	}{
		{
			"the array form", func(*cluster) string { return "-" },
			func(c *cluster) string {
				return `[{"type":"starttaskcustomproperty","payload":{"customPropertyName":"startTask1CustomProperty","customPropertyValue":"it's value 2"}},
					{"type":"starttasktag","payload":{"tag":"startTask1"}},{"type":"starttaskid","payload":{"taskId":"` + strings.ToUpper(c.id("Nightly user sync")) + `"}}]`
			},
			[]string{"Nightly user sync", daily, obrien},
		},
		{
			"the object form, a task of another type in the path", func(c *cluster) string { return c.id("Run export script") },
			func(c *cluster) string {
				return `{"taskId":"` + c.id("Preload Sales") + `","tag":["R&D"],"customProperty":[{"name":"startTask1CustomProperty","value":"startTask1Value"}]}`
			},
			[]string{"Run export script", "Preload Sales", rAndD, daily},
		},
		{"a tag with a quote", dash, body(`{"tag":"O'Malley's feeds"}`), []string{obrien}},
		{"a tag with a percent sign", dash, body(`{"tag":"100% automatic"}`), []string{rAndD}},
		{"a tag with a picture", dash, body(`{"tag":"critical 🔥"}`), []string{"Factory floor every 5 min 🏭🔥"}},
		{"a tag in another case", dash, body(`{"tag":"starttask1"}`), nil},
		{"an ID that nothing has", dash, body(`{"taskId":"5b0c1f0e-7a55-4e0b-9a40-3d1f6a2b9c77"}`), nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := newCluster(t)
			a := c.rest(tt.path(c), "", tt.body(c))
			c.wantStarted(tt.want...)
			if a.Status != http.StatusOK || a.TotalTasksStarted != len(tt.want) || a.Error != "" {
				t.Errorf("want 200 and %d started, got %+v", len(tt.want), a)
			}
		})
	}
}

func dash(*cluster) string { return "-" }

func body(text string) func(*cluster) string { return func(*cluster) string { return text } }

func TestQRS_textsOfACallerStayTexts(t *testing.T) {
	hostile := []string{
		"' or name ne '", "startTask1' or tags.name ne 'x", "x') or (name ne 'y", "x'' or ''", "'", "''", `\' or name ne \'`,
		"startTask1&filter=name ne 'x'", "startTask1#", "startTask1+", "startTask1%27 or name ne %27", "%27", "startTask1&xrfkey=1", "../../about",
		"x' and id eq 5b0c1f0e-7a55-4e0b-9a40-3d1f6a2b9c77 or name ne '", "\u2019 or name ne \u2019", "\uff07 or name ne \uff07", "x\r\nHost: evil",
	}
	c := newCluster(t)
	for _, text := range hostile {
		quoted := strings.ReplaceAll(text, "'", "''")
		for _, tt := range []struct {
			request starttask.Request
			filter  string
		}{
			{starttask.Request{Tags: []string{text}}, "tags.name eq '" + quoted + "'"},
			{
				starttask.Request{Properties: []messages.Property{{Name: text, Value: text}}},
				"(customProperties.definition.name eq '" + quoted + "') and (customProperties.value eq '" + quoted + "')",
			},
			{
				starttask.Request{Properties: []messages.Property{{Name: "startTask1CustomProperty", Value: text}}},
				"(customProperties.definition.name eq 'startTask1CustomProperty') and (customProperties.value eq '" + quoted + "')",
			},
		} {
			c.server.Requests().Clear()
			a := c.starter.Start(t.Context(), operator, tt.request)
			seen := c.server.Requests().All()
			if a.Status != http.StatusOK || a.Error != "" || len(seen) != 1 {
				t.Errorf("%q: want one request and nothing found, got %+v, %+v", text, a, seen)
				continue
			}
			if r := seen[0]; r.Operation != "GET task/full" || r.Filter != tt.filter || r.Status != http.StatusOK {
				t.Errorf("%q: want GET task/full with %q, got %s with %q, status %d", text, tt.filter, r.Operation, r.Filter, r.Status)
			}
		}
		if a := c.starter.Start(t.Context(), operator, starttask.Request{PathID: text, IDs: []string{text}}); len(a.TasksID.Invalid) != 1 {
			t.Errorf("%q as an ID: %+v", text, a.TasksID)
		}
	}
	c.wantStarted()
}

func TestQRS_aPropertyIsAPair(t *testing.T) {
	c := newCluster(t)
	c.world.EditTask(c.id(daily), func(task *world.Task) {
		task.CustomProperties = []world.PropertyValue{c.world.PropertyValue("team", "it"), c.world.PropertyValue("unit", "hr")}
	})
	c.world.EditTask(c.id(obrien), func(task *world.Task) {
		task.CustomProperties = []world.PropertyValue{c.world.PropertyValue("team", "hr")}
	})
	c.rest("-", "", `{"customProperty":{"name":"team","value":"hr"}}`)
	c.wantStarted(obrien)
}

func TestQRS_tellsWhatQlikSenseAnswered(t *testing.T) {
	byTag, byID := "tag", "taskId"
	status := func(method string, code int) edge.Rule {
		return edge.Rule{Name: "fault", Kind: edge.Status, Method: method, Status: code}
	}
	kind := func(method string, k edge.FaultKind) edge.Rule {
		return edge.Rule{Name: "fault", Kind: k, Method: method}
	}
	tests := []struct {
		name   string
		fault  edge.Rule
		by     string
		status int
		error  string
		reason string // why the start failed; "" where none was tried
	}{
		{"look-up by tag, 400", status("GET", 400), byTag, 200, "could not be looked up", ""},
		{"look-up by tag, 404", status("GET", 404), byTag, 200, "could not be looked up", ""},
		{"look-up by tag, 500", status("GET", 500), byTag, 200, "could not be looked up", ""},
		{"look-up by tag, no list", kind("GET", edge.WrongShape), byTag, 200, "could not be looked up", ""},
		{"look-up by tag, no JSON", kind("GET", edge.InvalidJSON), byTag, 200, "could not be looked up", ""},
		{"look-up by tag, broken off", kind("GET", edge.ResetBefore), byTag, 500, "Internal Server Error", ""},
		{"look-up by tag, too slow", kind("GET", edge.Hang), byTag, 500, "Internal Server Error", ""},
		{"look-up by ID, 400", status("GET", 400), byID, 200, "could be looked up", ""},
		{"look-up by ID, too slow", kind("GET", edge.Hang), byID, 200, "could be looked up", ""},
		{"start, 404", status("POST", 404), byTag, 200, "could be started", "Qlik Sense does not know the task (HTTP 404)"},
		{"start, 400", status("POST", 400), byID, 200, "could be started", "Qlik Sense refused it (HTTP 400)"},
		{"start, 409", status("POST", 409), byTag, 200, "could be started", "Qlik Sense refused it (HTTP 409)"},
		{"start, 503", status("POST", 503), byTag, 200, "could be started", "Qlik Sense could not do it now (HTTP 503)"},
		{
			"start, another answer", kind("POST", edge.WrongShape), byTag, 200, "could be started",
			"Qlik Sense gave an answer that is not understood (HTTP 200); it is not known whether the task was started",
		},
		{"start, too slow", kind("POST", edge.Hang), byTag, 200, "could be started", "Qlik Sense did not answer in time; it is not known whether the task was started"},
		{"start, broken off", kind("POST", edge.ResetBefore), byTag, 200, "could be started", "Qlik Sense could not be reached; it is not known whether the task was started"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := newCluster(t, func(o *starttask.Options, _ *qrssim.Options) {
				if tt.fault.Kind == edge.Hang { // every other call ends by itself, however slow this machine is
					o.CallTimeout = 300 * time.Millisecond
				}
			})
			c.server.Faults().Set(tt.fault)
			value := "startTask1"
			if tt.by == byID {
				value = c.id(daily)
			}
			a := c.rest("-", "", fmt.Sprintf(`{%q:[%q]}`, tt.by, value))
			if a.Status != tt.status || !strings.Contains(a.Error, tt.error) || a.TotalTasksStarted != 0 {
				t.Errorf("want %d, %q and nothing started, got %+v", tt.status, tt.error, a)
			}
			reason := ""
			if len(a.TasksFailed) > 0 {
				reason = a.TasksFailed[0].Reason
			}
			if reason != tt.reason {
				t.Errorf("want failed because %q, got %q", tt.reason, reason)
			}
			if n := c.server.Faults().Hits("fault"); tt.reason != "" && n != 1 {
				t.Errorf("want a start to be tried once, got %d", n)
			}
			c.wantStarted()
		})
	}
}

func TestQRS_aLostAnswerIsNotAskedForAgain(t *testing.T) {
	c := newCluster(t)
	c.server.Faults().Set(edge.Rule{Name: "lost", Kind: edge.ResetAfter, Method: "POST"})
	a := c.rest(c.id(daily), "", "")
	c.wantStarted(daily)
	if len(a.TasksFailed) != 1 || !strings.Contains(a.TasksFailed[0].Reason, "not known whether") {
		t.Errorf("want a start of which nobody knows, got %+v", a)
	}
}

func TestQRS_downAndUpAgain(t *testing.T) {
	c := newCluster(t)
	if err := c.server.Outage(true); err != nil {
		t.Fatal(err)
	}
	byID, byTag := c.rest(c.id(daily), "", ""), c.rest("-", "", `{"tag":"startTask1"}`)
	if byID.Status != http.StatusOK || len(byID.TasksID.Invalid) != 1 || byID.Error == "" || len(byID.TasksNotFound) != 0 {
		t.Errorf("by ID: want 200 with the ID invalid and an error, got %+v", byID)
	}
	if byTag.Status != http.StatusInternalServerError || byTag.StatusCode != byTag.Status {
		t.Errorf("by tag: want 500, got %+v", byTag)
	}
	if err := c.server.Outage(false); err != nil {
		t.Fatal(err)
	}
	c.rest("-", "", `{"tag":"startTask1"}`)
	c.wantStarted(daily)
}

func TestQRS_aTaskThatRunsIsNotStarted(t *testing.T) {
	c := newCluster(t, func(_ *starttask.Options, s *qrssim.Options) {
		s.RejectRunning = true
		s.OnStart = func(world.Task) world.Outcome { return world.Outcome{Duration: time.Hour} }
	})
	c.rest(c.id(daily), "", "")
	a := c.rest(c.id(daily), "", "")
	c.wantStarted(daily)
	if len(a.TasksFailed) != 1 || a.TasksFailed[0].Reason != "Qlik Sense refused it (HTTP 409)" {
		t.Errorf("want a refusal, got %+v", a)
	}
}

func TestQRS_waitsForTheExecutions(t *testing.T) {
	c := newCluster(t, func(o *starttask.Options, s *qrssim.Options) {
		o.PollEvery = 5 * time.Millisecond
		s.OnStart = func(task world.Task) world.Outcome {
			outcome := world.Outcome{Duration: 60 * time.Millisecond}
			if task.Name == obrien {
				outcome = world.Fail()
				outcome.Duration = 120 * time.Millisecond
			}
			return outcome
		}
	})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	r, err := starttask.FromREST(c.id("Distribute Sales App"), url.Values{"wait": {"15s"}}, []byte(`{"taskId":["`+c.id(obrien)+`"]}`))
	if err != nil {
		t.Fatal(err)
	}
	a := c.starter.Start(ctx, operator, r)
	if a.Waiting == nil || !a.Waiting.Complete || a.Waiting.Succeeded != 1 || a.Waiting.Failed != 1 {
		t.Fatalf("want both to have ended, got %+v", a.Waiting)
	}
	for i, want := range []string{"FinishedSuccess", "FinishedFail"} {
		last, _ := c.world.Last(a.TasksStarted[i].TaskID)
		if got := a.TasksStarted[i].Execution; got.Status != want || got.ResultID != last.ResultID {
			t.Errorf("want %s of %s, got %+v", want, last.ResultID, got)
		}
	}
}

func TestQRS_dryRunOnlyReads(t *testing.T) {
	c := newCluster(t)
	a := c.rest(c.id(daily), "dryRun=true", `{"tag":"R&D"}`)
	c.wantStarted()
	if len(a.TasksToStart) != 2 || c.server.Counts()["POST task/{id}/start"] != 0 {
		t.Errorf("want two tasks to start and none started, got %+v", a)
	}
}
