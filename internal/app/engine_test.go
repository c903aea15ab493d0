package app_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"butler/internal/app"
	"butler/internal/demo"
	"butler/internal/qlik"
	"butler/internal/sim"
	"butler/internal/sim/edge"
	"butler/internal/sim/enginesim"
	"butler/internal/sim/world"
)

// appsConfig serves the endpoints for apps; %s is more of the file.
const appsConfig = `
  restServerConfig: {enable: true, serverHost: 127.0.0.1, serverPort: 0, maxCallsPerMinute: 0}
  restServerEndpointsEnable: {senseListApps: true, senseAppDump: true, senseAppReload: true}%s
`

// startApps starts a site whose engine reloads as told, and a service with the
// endpoints for apps.
func startApps(t *testing.T, more string, onReload func(enginesim.Reload) enginesim.ReloadResult) *site {
	t.Helper()
	ownTemp(t)
	s := siteWith(t, sim.Options{Engine: enginesim.Options{OnReload: onReload}})
	s.startApp(demo.Settings{InMemory: true, Off: demo.Destinations, Extra: fmt.Sprintf(appsConfig, more)})
	return s
}

func (s *site) appID() string {
	for app := range s.sim.World.Apps() {
		return app.ID
	}
	s.t.Fatal("the site has no app")
	return ""
}

// reloadTask returns the ID of the n-th reload task.
func (s *site) reloadTask(n int) string {
	id, ok := s.sim.World.TaskOfType(qlik.TaskReload, n)
	if !ok {
		s.t.Fatalf("the site has no reload task %d", n)
	}
	return id
}

// logged waits for a line of the log.
func (s *site) logged(message string) map[string]any {
	s.t.Helper()
	s.until(message, func() bool { return s.logs.FilterMessage(message).Len() > 0 })
	return s.logs.FilterMessage(message).All()[0].ContextMap()
}

// noSession waits until n sessions of the engine are over, and wants none open.
func (s *site) noSession(n int) []enginesim.Session {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	must(s.t, s.sim.Engine.Ended().AwaitTotal(ctx, n))
	if open := s.sim.Engine.Open(); open != 0 {
		s.t.Errorf("want no session of the engine open, got %d", open)
	}
	return s.sim.Engine.Ended().All()
}

// ownTemp makes a directory of its own the one for temporary files.
func ownTemp(t *testing.T) {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"TMPDIR", "TMP"} { // the second on Windows
		t.Setenv(name, dir)
	}
}

func TestApps_areListedAndDumped(t *testing.T) {
	s := startApps(t, "", nil)
	status, text := s.call("GET", "/v4/apps/list", "")
	var list []map[string]string
	must(t, json.Unmarshal([]byte(text), &list))
	var want []map[string]string
	for app := range s.sim.World.Apps() {
		want = append(want, map[string]string{"id": app.ID, "name": app.Name})
	}
	if diff := cmp.Diff(want, list); diff != "" || status != 200 {
		t.Errorf("status %d, apps (-want +got):\n%s", status, diff)
	}

	id := s.appID()
	status, text = s.call("GET", "/v4/senseappdump/"+id, "")
	var dump map[string]json.RawMessage
	must(t, json.Unmarshal([]byte(text), &dump))
	keys := []string{
		"appId", "appprops", "bookmarks", "dataconnections", "dimensions", "embeddedmedia", "fields", "lineage", "loadScript",
		"masterobjects", "measures", "properties", "sheets", "snapshots", "stories", "variables",
	}
	if diff := cmp.Diff(keys, slices.Sorted(maps.Keys(dump))); diff != "" || status != 200 {
		t.Errorf("status %d, members of the dump (-want +got):\n%s", status, diff)
	}
	for member, part := range map[string]string{
		"appId": id, "loadScript": "sales.qvd", "lineage": `{"qLineage":[{`, "sheets": `"qProperty"`, "dimensions": `"dimension-2"`,
		"bookmarks": `"qBookMark":{"qStateData"`, "embeddedmedia": `"/media/logo.png"`, "fields": `"$Field"`,
		"dataconnections": `"qConnectionString"`, "variables": `"qIsReserved":true`,
	} {
		if !strings.Contains(string(dump[member]), part) {
			t.Errorf("want %s in %s, got %s", part, member, dump[member])
		}
	}

	s.wantCall("GET", "/v4/app/00000000-0000-0000-0000-00000000abcd/dump", "", 422, "00000000-0000-0000-0000-00000000abcd")
	s.wantCall("GET", "/v4/app/%2E%2E/dump", "", 400, "app ID")
	for _, session := range s.noSession(3) {
		if session.CloseCode != 1000 || session.User != "UserDirectory=Internal;UserId=sa_repository" {
			t.Errorf("want a session of the user of the configuration that ends with a farewell, got %+v", session)
		}
	}
	left, err := os.ReadDir(os.TempDir())
	if err != nil || len(left) > 0 {
		t.Errorf("want no file left of a dump, got %v, %v", left, err)
	}
}

func TestApps_reloadIsFollowedByTheTasksOfItsOutcome(t *testing.T) {
	for name, row := range map[string]struct {
		result  enginesim.ReloadResult
		message string
		good    bool
	}{
		"a full reload":                {enginesim.ReloadResult{Good: true}, "app reloaded and saved", true},
		"a failing reload":             {enginesim.ReloadResult{}, "app reload failed, nothing was saved", false},
		"an aborted reload":            {enginesim.ReloadResult{Code: 15}, "app reload was interrupted and counts as failed", false},
		"an engine that hangs up":      {enginesim.ReloadResult{Drop: true}, "app reload was interrupted and counts as failed", false},
		"a reload that takes its time": {enginesim.ReloadResult{Good: true, After: 300 * time.Millisecond}, "app reloaded and saved", true},
	} {
		t.Run(name, func(t *testing.T) {
			var mu sync.Mutex
			var asked []enginesim.Reload
			s := startApps(t, "", func(r enginesim.Reload) enginesim.ReloadResult {
				mu.Lock()
				defer mu.Unlock()
				asked = append(asked, r)
				return row.result
			})
			id, onSuccess, onFailure := s.appID(), []string{s.reloadTask(2), s.reloadTask(0)}, []string{s.reloadTask(1)}
			body := fmt.Sprintf(`{"reloadMode":1,"partialReload":"true","startQSEoWTaskOnSuccess":[%q,%q],"startQSEoWTaskOnFailure":[%q]}`, onSuccess[0], onSuccess[1], onFailure[0])
			s.wantCall("POST", "/v4/app/"+id+"/reload", body, 201, `{"appId":"`+id+`"}`, "X-HTTP-Method-Override", "PUT")

			want, saved := onFailure, 0
			if row.good {
				want, saved = onSuccess, 1
			}
			s.logged(row.message)
			if told := s.logged("tasks that follow an app reload"); told["started"] != int64(len(want)) {
				t.Errorf("want %d tasks started, the log says %v", len(want), told)
			}
			if got := s.started(); !slices.Equal(got, slices.Sorted(slices.Values(want))) {
				t.Errorf("want the tasks %v started, got %v", want, got)
			}
			mu.Lock()
			defer mu.Unlock()
			if diff := cmp.Diff([]enginesim.Reload{{AppID: id, Mode: 1, Partial: true}}, asked); diff != "" || s.sim.Engine.Saved(id) != saved {
				t.Errorf("want %d saved, got %d; reloads (-want +got):\n%s", saved, s.sim.Engine.Saved(id), diff)
			}
			s.noSession(1)
			audited := s.logs.FilterLoggerName("audit").FilterMessage("task start").All()
			if len(audited) != len(want) || audited[0].ContextMap()["way"] != "reload" || audited[0].ContextMap()["source"] != "127.0.0.1" {
				t.Errorf("want every start in the audit log with its way, got %v", audited)
			}
		})
	}
}

func TestApps_startFilterHoldsForWhatFollowsAReload(t *testing.T) {
	s := siteOf(t)
	allowed, id := s.reloadTask(0), s.appID()
	filter := fmt.Sprintf("\n  startTaskFilter: {enable: true, allowTask: {taskId: [%s]}}", allowed)
	s.startApp(demo.Settings{InMemory: true, Off: demo.Destinations, Extra: fmt.Sprintf(appsConfig, filter)})
	s.wantCall("PUT", "/v4/app/"+id+"/reload", fmt.Sprintf(`{"startQSEoWTaskOnSuccess":[%q,%q]}`, s.reloadTask(1), allowed), 201, id)
	s.logged("tasks that follow an app reload")
	if got := s.started(); !slices.Equal(got, []string{allowed}) {
		t.Errorf("want the task on the list started and no other, got %v", got)
	}
}

func TestApps_endOfTheServiceCutsReloadsOff(t *testing.T) {
	s := startApps(t, "", func(enginesim.Reload) enginesim.ReloadResult {
		return enginesim.ReloadResult{After: time.Hour, Good: true}
	})
	id := s.appID()
	s.wantCall("PUT", "/v4/app/"+id+"/reload", fmt.Sprintf(`{"startQSEoWTaskOnSuccess":[%q],"startQSEoWTaskOnFailure":[%q]}`, s.reloadTask(0), s.reloadTask(1)), 201, id)
	_, err := s.sim.Engine.Calls().Await(t.Context(), func(c enginesim.Call) bool { return c.Method == "OpenDoc" })
	must(t, err)
	s.stopApp()
	s.noSession(1)
	if told := s.logged("app reload interrupted by the shutdown; none of its follow-up tasks is started"); told["app_id"] != id || !strings.Contains(fmt.Sprint(told["on_failure"]), s.reloadTask(1)) {
		t.Errorf("want to be told what was cut off, got %v", told)
	}
	if got := s.started(); len(got) > 0 || s.sim.Engine.Saved(id) > 0 {
		t.Errorf("want nothing started or saved, got %v", got)
	}
}

func TestApps_engineThatIsDown(t *testing.T) {
	s := startApps(t, "", nil)
	must(t, s.sim.Engine.Outage(true))
	for _, row := range [][2]string{{"GET", "/v4/apps/list"}, {"GET", "/v4/app/" + s.appID() + "/dump"}, {"PUT", "/v4/app/" + s.appID() + "/reload"}} {
		status, text := s.call(row[0], row[1], "")
		if status != 500 || !strings.Contains(text, "cannot be reached") || strings.Contains(text, s.sim.Engine.Addr()) {
			t.Errorf("%s: want status 500 without the address of the engine, got %d with %s", row[1], status, text)
		}
	}
	if line := fmt.Sprint(s.logged("api call")); !strings.Contains(line, s.sim.Engine.Addr()) {
		t.Errorf("want the address of the engine in the log, got %s", line)
	}
	must(t, s.sim.Engine.Outage(false))
	s.wantCall("GET", "/v4/apps/list", "", 200, s.appID())
}

func TestApps_onlySoManyDumpsAtOnce(t *testing.T) {
	s := startApps(t, "", nil)
	s.sim.Engine.Faults().Set(edge.Rule{Name: "slow", Kind: edge.Slow, Method: "GetScript", Delay: time.Hour})
	var dumps sync.WaitGroup
	for range 4 {
		dumps.Go(func() { s.wantCall("GET", "/v4/app/"+s.appID()+"/dump", "", 503, "the service stops") })
	}
	s.until("four sessions", func() bool { return s.sim.Engine.Open() == 4 })
	s.wantCall("GET", "/v4/app/"+s.appID()+"/dump", "", 503, "limit")
	s.wantCall("GET", "/v4/apps/list", "", 200, s.appID())
	s.stopApp()
	dumps.Wait()
	s.noSession(5)
}

func TestApps_dumpThatIsTooLargeIsGivenUp(t *testing.T) {
	ownTemp(t)
	s := siteWith(t, sim.Options{Engine: enginesim.Options{Document: func(a world.App) enginesim.Document {
		d := enginesim.DemoDocument(a)
		d.Script = strings.Repeat("x", 2<<20)
		return d
	}}}, "BUTLER_CONFIGENGINE_MAXDUMPBYTES=1MiB")
	s.startApp(demo.Settings{InMemory: true, Off: demo.Destinations, Extra: fmt.Sprintf(appsConfig, "")})
	s.wantCall("GET", "/v4/app/"+s.appID()+"/dump", "", 500, "or is too large")
	s.noSession(1)
	if left, err := os.ReadDir(os.TempDir()); err != nil || len(left) > 0 {
		t.Errorf("want no file left, got %v, %v", left, err)
	}
}

func TestApps_withoutAnEngineOrARepository(t *testing.T) {
	s := siteOf(t)
	path := filepath.Join(s.dir, "butler.yaml")
	start := func(sections string) {
		t.Helper()
		const common = "Butler:\n  journal: {inMemory: true}\n  operations: {host: 127.0.0.1, port: 0}\n  udpServerConfig: {enable: true, serverHost: 127.0.0.1, portTaskFailure: 0}\n"
		must(t, os.WriteFile(path, []byte(common+sections+fmt.Sprintf(appsConfig, "")), 0o600))
		s.startFile(path)
	}
	start("")
	for _, row := range [][2]string{{"GET", "/v4/apps/list"}, {"GET", "/v4/app/" + s.appID() + "/dump"}, {"PUT", "/v4/app/" + s.appID() + "/reload"}} {
		s.wantCall(row[0], row[1], "", 503, "configEngine.host")
	}
	s.stopApp()

	host, port, err := net.SplitHostPort(s.sim.Engine.Addr())
	must(t, err)
	files := s.sim.Certificates()
	start(fmt.Sprintf("  cert: {clientCert: %s, clientCertKey: %s, clientCertCA: %s}\n  configEngine: {host: %s, port: %s, headers: {static: [{name: X-Qlik-User, value: a}]}}\n", files.Client, files.ClientKey, files.Root, host, port))
	s.wantCall("PUT", "/v4/app/"+s.appID()+"/reload", fmt.Sprintf(`{"startQSEoWTaskOnSuccess":[%q]}`, s.reloadTask(0)), 201, s.appID())
	s.logged("tasks that follow an app reload were not started, there is no repository; set configQRS.host")
}

func TestInspection_looksAtTheEngineThatEndpointsNeed(t *testing.T) {
	const rest = "restServerConfig: {enable: true}\n  restServerEndpointsEnable: {senseAppReload: true}"
	const user = "headers: {static: [{name: X-Qlik-User, value: a}]}"
	for name, row := range map[string]struct {
		text       string
		inspection app.Inspection
		problems   int
	}{
		"no engine":             {rest, app.Inspection{}, 1},
		"nobody asks for apps":  {"restServerEndpointsEnable: {senseListApps: true}", app.Inspection{}, 0},
		"no user":               {rest + "\n  configEngine: {host: sense, useSSL: false}", app.Inspection{}, 1},
		"an engine":             {rest + "\n  configEngine: {host: sense, useSSL: false, " + user + "}", app.Inspection{}, 0},
		"no certificates":       {rest + "\n  configEngine: {host: sense, " + user + "}", app.Inspection{}, 3},
		"no certificates twice": {rest + "\n  configQRS: {host: sense}\n  configEngine: {host: sense, " + user + "}", app.Inspection{}, 3},
		"left alone":            {rest + "\n  configEngine: {host: sense}", app.Inspection{Isolated: true}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			cfg, err := inspect(t, "Butler:\n  "+row.text+"\n", row.inspection, true)
			must(t, err)
			if len(cfg.Ignored()) != row.problems {
				t.Errorf("want %d problems, got %v", row.problems, cfg.Ignored())
			}
		})
	}
}
