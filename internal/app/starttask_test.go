package app_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"

	"butler/config"
	"butler/internal/apikey"
	"butler/internal/apikey/keyfile"
	"butler/internal/app"
	"butler/internal/demo"
	"butler/internal/sim/qrssim"
	"butler/internal/starttask"
)

// startConfig serves the endpoint that starts tasks; %[1]s is more of
// restServerConfig, %[2]s what stands beside it.
const startConfig = `
  restServerConfig: {enable: true, serverHost: 127.0.0.1, serverPort: 0, maxCallsPerMinute: 0%[1]s}
  restServerEndpointsEnable: {senseStartTask: true, keyValueStore: true}
%[2]s`

func startSettings(section, more string) demo.Settings {
	return demo.Settings{InMemory: true, Off: demo.Destinations, Extra: fmt.Sprintf(startConfig, section, more)}
}

// Tasks of the simulated site.
const (
	dailySales = "Daily Sales Reload"
	obrien     = "O'Brien's margin report – hourly"
	userSync   = "Nightly user sync"
)

func (s *site) taskID(name string) string {
	s.t.Helper()
	for task := range s.sim.World.Tasks() {
		if task.Name == name {
			return task.ID
		}
	}
	s.t.Fatalf("there is no task %q", name)
	return ""
}

// started returns the IDs of the tasks whose start the repository was asked for, sorted.
func (s *site) started() []string {
	var out []string
	for _, r := range s.sim.QRS.Requests().All() {
		if id, ok := strings.CutPrefix(r.Operation+" "+r.Path, "POST task/{id}/start task/"); ok {
			out = append(out, strings.TrimSuffix(id, "/start"))
		}
	}
	slices.Sort(out)
	return out
}

func (s *site) wantStarted(what string, names ...string) {
	s.t.Helper()
	var want []string
	for _, name := range names {
		want = append(want, s.taskID(name))
	}
	slices.Sort(want)
	if got := s.started(); !slices.Equal(want, got) {
		s.t.Errorf("%s: want %q (%q) started, got %q", what, names, want, got)
	}
	s.sim.QRS.Requests().Clear()
}

// startCall starts tasks over REST and returns the answer.
func (s *site) startCall(path, body string, status int, headers ...string) starttask.Answer {
	s.t.Helper()
	var a starttask.Answer
	got, text := s.call("PUT", path, body, headers...)
	if err := json.Unmarshal([]byte(text), &a); err != nil || got != status {
		s.t.Errorf("PUT %s: want status %d, got %d with %s", path, status, got, text)
	}
	return a
}

func TestStart_byIDTagPropertyAndTheirUnion(t *testing.T) {
	s := startSite(t, startSettings("", ""))
	id := s.taskID(userSync)
	for _, row := range []struct {
		name, path, body string
		want             []string
	}{
		{"by the ID in the path", "/v4/reloadtask/" + strings.ToUpper(id) + "/start", "", []string{userSync}},
		{"by ID in the body", "/v4/reloadtask/start", `{"taskId":"` + id + `"}`, []string{userSync}},
		{"by tag", "/v4/reloadtask//start", `{"tag":["startTask1"]}`, []string{dailySales}},
		{"by property", "/v4/reloadtask/-/start", `[{"type":"starttaskcustomproperty","payload":{"customPropertyName":"startTask1CustomProperty","customPropertyValue":"it's value 2"}}]`, []string{obrien}},
		{
			"a union in which two select one task", "/v4/reloadtask/" + id + "/start",
			`{"taskId":["` + id + `"],"tag":["startTask1"],"customProperty":[{"name":"startTask1CustomProperty","value":"startTask1Value"},{"name":"startTask1CustomProperty","value":"it's value 2"}]}`,
			[]string{userSync, dailySales, obrien},
		},
		{"nothing in a dry run", "/v4/reloadtask/start?dryRun=true", `{"tag":["startTask1"],"keyValueStore":{"namespace":"etl","key":"dry","value":"1"}}`, nil},
		{"nothing by ID when one is wrong", "/v4/reloadtask/start?allTaskIdsMustExist=true", `{"taskId":["` + id + `","d3adbeef-0000-4000-8000-000000000001"],"tag":"startTask1"}`, []string{dailySales}},
	} {
		a := s.startCall(row.path, row.body, 200)
		if a.TotalTasksStarted != len(row.want) {
			t.Errorf("%s: want %d started, got %+v", row.name, len(row.want), a)
		}
		s.wantStarted(row.name, row.want...)
	}
	s.wantCall("GET", "/v4/keyvalues/etl?key=dry", "", 400, "does not exist")
	s.startCall("/v4/reloadtask/"+id+"/start", `{"keyValueStore":{"namespace":"etl","key":"batch","value":17}}`, 200)
	s.wantCall("GET", "/v4/keyvalues/etl?key=batch", "", 200, `"value":"17"`)
}

func TestStart_waitsUntilTheExecutionHasEnded(t *testing.T) {
	s := startSite(t, startSettings("", ""))
	id := s.taskID(userSync)
	go func() { // somebody aborts it as soon as it runs
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for t.Context().Err() == nil {
			if _, running := s.sim.World.Abort(id); running {
				return
			}
			<-tick.C
		}
	}()
	a := s.startCall("/v4/reloadtask/"+id+"/start?wait=50s", "", 200)
	if a.Waiting == nil || !a.Waiting.Complete || len(a.TasksStarted) != 1 || a.TasksStarted[0].Execution.Status != "Aborted" {
		t.Errorf("want the task seen aborted, got %+v", a)
	}
}

func TestStart_whatTheFilterDoesNotListIsDenied(t *testing.T) {
	s := siteOf(t)
	s.startApp(startSettings("", fmt.Sprintf(`
  startTaskFilter:
    enable: true
    allowTask: {taskId: [%s, nonsense], tag: [startTask1], customProperty: null}
`, s.taskID(userSync))))
	a := s.startCall("/v4/reloadtask/start", fmt.Sprintf(
		`{"taskId":[%q,%q],"tag":["startTask1","R&D"],"customProperty":{"name":"startTask1CustomProperty","value":"startTask1Value"}}`, s.taskID(userSync), s.taskID(obrien)), 200)
	s.wantStarted("what is listed", userSync, dailySales)
	if len(a.TasksID.Denied) != 1 || len(a.TasksTagDenied) != 1 || len(a.TasksCPDenied) != 1 {
		t.Errorf("want an ID, a tag and a property denied, got %+v", a)
	}
	denied := 0
	for _, line := range s.logs.FilterLoggerName("audit").FilterMessage("task start").All() {
		if line.ContextMap()["outcome"] == string(starttask.Denied) {
			denied++
		}
	}
	if denied != 3 {
		t.Errorf("want three denials in the audit log, got %d", denied)
	}
}

func TestStart_textsOfACallerChangeNoQuery(t *testing.T) {
	s := startSite(t, startSettings("", ""))
	for _, text := range []string{
		"' or 1 eq 1", "startTask1' or 1 eq 1 or name ne '", "x') or (name ne 'y", "'", "startTask1&filter=name ne 'x'", "startTask1#", "startTask1%27 or name ne %27",
		"startTask1+", "startTask1&xrfkey=1", "\u2019 or name ne \u2019", "x\r\nHost: evil",
	} {
		quoted, err := json.Marshal(text)
		must(t, err)
		literal := "'" + strings.ReplaceAll(text, "'", "''") + "'"
		for body, filter := range map[string]string{
			`{"tag":` + string(quoted) + `}`: "tags.name eq " + literal,
			`[{"type":"starttaskcustomproperty","payload":{"customPropertyName":` + string(quoted) + `,"customPropertyValue":` + string(quoted) + `}}]`: "(customProperties.definition.name eq " + literal + ") and (customProperties.value eq " + literal + ")",
		} {
			s.sim.QRS.Requests().Clear()
			a := s.startCall("/v4/reloadtask/-/start", body, 200)
			seen := slices.DeleteFunc(s.sim.QRS.Requests().All(), func(r qrssim.Request) bool {
				return r.Operation == "GET task" && r.Filter == "id eq 00000000-0000-0000-0000-000000000000" // a look whether the repository answers
			})
			if a.Error != "" || len(seen) != 1 || seen[0].Operation != "GET task/full" || seen[0].Filter != filter || seen[0].Status != 200 {
				t.Errorf("%q: want one question, %s; got %+v, %+v", text, filter, seen, a)
			}
		}
		s.wantStarted(text)
	}
}

func TestStart_aKeyStartsTheTasksOfItsTags(t *testing.T) {
	s := siteOf(t)
	_, key, err := keyfile.New(filepath.Join(s.dir, "apikeys.json")).Issue(t.Context(), rand.Reader, apikey.Request{
		Name: "sales", Scopes: []apikey.Scope{apikey.Start}, Tags: []string{"startTask1"},
	})
	must(t, err)
	s.startApp(startSettings(", auth: {mode: keys}", ""))
	body := fmt.Sprintf(`{"taskId":[%q,%q]}`, s.taskID(dailySales), s.taskID(userSync))
	s.wantCall("PUT", "/v4/reloadtask/start", body, 401, "not accepted")
	a := s.startCall("/v4/reloadtask/start", body, 200, "X-API-Key", key.Reveal())
	s.wantStarted("what has the tag", dailySales)
	if len(a.TasksID.Denied) != 1 || !strings.Contains(a.TasksID.Denied[0].Reason, "bound to tags") {
		t.Errorf("want the other one denied, got %+v", a.TasksID)
	}
}

func TestStart_withoutARepositoryIsAnsweredAtOnce(t *testing.T) {
	s := siteOf(t)
	settings := startSettings("", "")
	settings.Directory = s.dir
	path, err := demo.WriteConfig(s.sim, settings)
	must(t, err)
	cfg, err := config.Load(config.Options{Path: path, Schemas: app.Schemas()})
	must(t, err)
	s.app, err = app.New(app.Options{Config: cfg, Log: zap.NewNop(), Isolated: true})
	must(t, err)
	must(t, s.app.Start(t.Context()))
	defer func() { must(t, s.app.Stop(context.Background())) }()
	s.wantCall("PUT", "/v4/reloadtask/start", `{"tag":"startTask1"}`, 503, "configQRS.host")
}
