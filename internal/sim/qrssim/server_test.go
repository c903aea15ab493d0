package qrssim_test

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"flag"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"butler/internal/qlik"
	"butler/internal/sim/cert"
	"butler/internal/sim/qrssim"
	"butler/internal/sim/world"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func TestServer_documentsAreTheRecordedOnes(t *testing.T) {
	r := start(t, qrssim.Options{})
	app := decode[[]world.App](r, "/qrs/app/full")[0]
	taskOf := func(kind qlik.TaskType) string {
		id, _ := r.world.TaskOfType(kind, 0)
		return id
	}
	tests := []struct{ name, path string }{
		{"q01-task-condensed", "/qrs/task?filter=id%20eq%20" + r.world.TaskID(0)},
		{"q02-task-full", "/qrs/task/full?filter=id%20eq%20" + r.world.TaskID(0)},
		{"q03-app-full", "/qrs/app/full?filter=id+eq+" + app.ID},
		{"q04-app", "/qrs/app/" + app.ID},
		{"q05-user", "/qrs/user/" + app.Owner.ID},
		{"q06-task-by-property", "/qrs/task/full?filter=id%20eq%20" + r.world.TaskID(1) +
			"%20and%20customProperties.definition.name%20eq%20%27Butler_FailedAlertSendToEmail%27"},
		{"q07-task-by-property-value", "/qrs/task/full?filter=id%20eq%20" + r.world.TaskID(0) +
			"%20and%20customProperties.definition.name%20eq%20%27Butler_FailedAlertEnableEmail%27%20and%20customProperties.value%20eq%20%27Yes%27"},
		{"q08-reloadtask", "/qrs/reloadtask/" + r.world.TaskID(0)},
		{"q08-reloadtask-distribute", "/qrs/reloadtask/" + taskOf(qlik.TaskDistribute)},
		{"q08-reloadtask-preload", "/qrs/reloadtask/" + taskOf(qlik.TaskPreload)},
		{"q09-externalprogramtask", "/qrs/externalprogramtask/" + taskOf(qlik.TaskExternalProgram)},
		{"q10-usersynctask", "/qrs/usersynctask/" + taskOf(qlik.TaskUserSync)},
		{"q14-task-by-tag", "/qrs/task?filter=tags.name%20eq%20%27startTask1%27"},
		{"q15-task-by-property", "/qrs/task?filter=(customProperties.definition.name%20eq%20%27startTask1CustomProperty%27)" +
			"%20and%20(customProperties.value%20eq%20%27it%27%27s%20value%202%27)"},
		{"q17-custompropertydefinition", "/qrs/custompropertydefinition/full?filter=objectTypes%20eq%20%27ReloadTask%27"},
		{"q18-custompropertydefinition", "/qrs/custompropertydefinition/full?filter=name%20eq%20%27Butler_FailedTask_NewRelic%27"},
		{"q19-license", "/qrs/license"},
		{"q20-accesstypeoverview", "/qrs/license/accesstypeoverview"},
		{"q21-professionalaccesstype", "/qrs/license/professionalaccesstype/full?filter=lastUsed%20le%20%272026-03-01T22:59:59.999Z%27"},
		{"q22-analyzeraccesstype", "/qrs/license/analyzeraccesstype/full?filter=lastUsed%20le%20%272026-03-01T22:59:59.999Z%27"},
		{"about", "/qrs/about"},
		{"app-condensed", "/qrs/app?filter=name%20so%20%27R%26D%27"},
		{"user-condensed", "/qrs/user?orderby=userId"},
		{"stream", "/qrs/stream/full"},
		{"tag", "/qrs/tag?orderby=name%20desc"},
		{"servernodeconfiguration", "/qrs/servernodeconfiguration"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			status, body := r.get(test.path)
			if status != http.StatusOK {
				t.Fatalf("status %d: %s", status, body)
			}
			var pretty bytes.Buffer
			if err := json.Indent(&pretty, []byte(strings.TrimSpace(body)), "", "  "); err != nil {
				t.Fatal(err)
			}
			pretty.WriteByte('\n')
			golden := filepath.Join("testdata", "golden", test.name+".json")
			if *update {
				if err := os.WriteFile(golden, pretty.Bytes(), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), pretty.String()); diff != "" {
				t.Errorf("document changed (-want +got), run with -update if intended:\n%s", diff)
			}
		})
	}
}

func TestServer_refusesWithoutKeyOrUser(t *testing.T) {
	r := start(t, qrssim.Options{})
	tests := []struct {
		name   string
		change func(*http.Request)
		want   int
	}{
		{"as it should be", func(*http.Request) {}, http.StatusOK},
		{"user without space", func(q *http.Request) { q.Header.Set("X-Qlik-User", "UserDirectory=Internal;UserId=x") }, http.StatusOK},
		{"no key header", func(q *http.Request) { q.Header.Del("X-Qlik-Xrfkey") }, http.StatusBadRequest},
		{"other key header", func(q *http.Request) { q.Header.Set("X-Qlik-Xrfkey", "0000000000000000") }, http.StatusBadRequest},
		{"no key parameter", func(q *http.Request) { q.URL.RawQuery = "" }, http.StatusBadRequest},
		{"short key", func(q *http.Request) {
			q.Header.Set("X-Qlik-Xrfkey", "short")
			q.URL.RawQuery = "xrfkey=short"
		}, http.StatusBadRequest},
		{"broken escape", func(q *http.Request) { q.URL.RawQuery += "&filter=%zz" }, http.StatusBadRequest},
		{"no user", func(q *http.Request) { q.Header.Del("X-Qlik-User") }, http.StatusForbidden},
		{"half a user", func(q *http.Request) { q.Header.Set("X-Qlik-User", "UserDirectory=Internal") }, http.StatusForbidden},
		{"empty user", func(q *http.Request) { q.Header.Set("X-Qlik-User", "UserDirectory=Internal;UserId=") }, http.StatusForbidden},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			request := r.request(http.MethodGet, "/qrs/license", nil)
			test.change(request)
			if status, body := r.do(request); status != test.want {
				t.Errorf("status = %d, want %d: %s", status, test.want, body)
			}
		})
	}
}

func TestServer_answersStatusesOfTheInterface(t *testing.T) {
	r := start(t, qrssim.Options{})
	id := r.world.TaskID(0)
	external, _ := r.world.TaskOfType(qlik.TaskExternalProgram, 0)
	tests := []struct {
		method, path string
		want         int
	}{
		{http.MethodGet, "/QRS/Task/FULL?Filter=id%20eq%20" + id, http.StatusOK},
		{http.MethodGet, "/qrs/ReloadTask/" + strings.ToUpper(id), http.StatusOK},
		{http.MethodGet, "/qrs/task/?filter=id%20eq%20" + id, http.StatusOK},
		{http.MethodGet, "/qrs/task/full?filter=id%20eq%20" + qlik.ZeroGUID, http.StatusOK},
		{http.MethodGet, "/qrs/task/full?filter=id%20eq%20", http.StatusBadRequest},
		{http.MethodGet, "/qrs/task/full?filter=name%20eq%20%27half", http.StatusBadRequest},
		{http.MethodGet, "/qrs/task/full?orderby=nothing", http.StatusBadRequest},
		{http.MethodGet, "/qrs/task/" + qlik.ZeroGUID, http.StatusNotFound},
		{http.MethodGet, "/qrs/reloadtask/" + external, http.StatusNotFound},
		{http.MethodGet, "/qrs/externalprogramtask/" + external, http.StatusOK},
		{http.MethodGet, "/qrs/user/nobody", http.StatusNotFound},
		{http.MethodGet, "/qrs/nothing", http.StatusNotFound},
		{http.MethodGet, "/", http.StatusNotFound},
		{http.MethodGet, "/qrs/task/" + id + "/start", http.StatusMethodNotAllowed},
		{http.MethodPost, "/qrs/task/" + qlik.ZeroGUID + "/start", http.StatusNotFound},
		{http.MethodPost, "/qrs/task/" + id + "/start", http.StatusNoContent},
		{http.MethodPut, "/qrs/app/" + id, http.StatusMethodNotAllowed},
		{http.MethodDelete, "/qrs/task/" + id, http.StatusMethodNotAllowed},
		{http.MethodPost, "/qrs/license", http.StatusMethodNotAllowed},
		{http.MethodDelete, "/qrs/license/analyzeraccesstype/" + id, http.StatusNotFound},
	}
	for _, test := range tests {
		t.Run(test.method+" "+test.path, func(t *testing.T) {
			if status, body := r.do(r.request(test.method, test.path, strings.NewReader("{}"))); status != test.want {
				t.Errorf("status = %d, want %d: %.200s", status, test.want, body)
			}
		})
	}
	if status, body := r.get("/qrs/task/full?filter=id%20eq%20" + qlik.ZeroGUID); body != "[]" {
		t.Errorf("unknown identifier in a filter: %d %q, want []", status, body)
	}
}

func TestServer_findsManyTasksAtOnce(t *testing.T) {
	c := &clock{at: noon}
	big := world.New(world.Options{Seed: 5, Tasks: 1_000_000, Now: c.now})
	r := start(t, qrssim.Options{World: big})
	var parts, want []string
	for n := 0; n < 1_000_000; n += 10_000 {
		want = append(want, big.TaskID(n))
		parts = append(parts, "id eq "+big.TaskID(n))
	}
	var got []string
	for _, task := range r.tasks(strings.Join(parts, " or ")) {
		got = append(got, task.ID)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("tasks (-want +got):\n%s", diff)
	}
}

func TestServer_countsAndShowsTables(t *testing.T) {
	r := start(t, qrssim.Options{})
	type value struct{ Value int }
	if got := decode[value](r, "/qrs/task/count"); got.Value != r.world.TaskCount() {
		t.Errorf("count = %d, want %d", got.Value, r.world.TaskCount())
	}
	if got := decode[value](r, "/qrs/reloadtask/count?filter=taskType%20eq%204"); got.Value != 2 {
		t.Errorf("preload tasks = %d, want 2", got.Value)
	}
	definition := `{"entity":"Task","columns":[{"name":"n","columnType":"Property","definition":"name"},{"name":"taskType"}]}`
	status, body := r.do(r.request(http.MethodPost, "/qrs/task/table?skip=1&take=2&sortColumn=name&orderAscending=false&filter=taskType+ge+3",
		strings.NewReader(definition)))
	var table struct {
		ColumnNames []string
		Rows        [][]any
	}
	if err := json.Unmarshal([]byte(body), &table); status != http.StatusCreated || err != nil {
		t.Fatalf("status %d, %v: %s", status, err, body)
	}
	want := [][]any{{"Preload O'Brien's board", 4.0}, {"Distribute Sales App", 3.0}}
	if diff := cmp.Diff(want, table.Rows); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
	for _, path := range []string{"/qrs/task/table?skip=x", "/qrs/task/table?take=-1", "/qrs/task/table?filter=x"} {
		if status, _ := r.do(r.request(http.MethodPost, path, strings.NewReader(definition))); status != http.StatusBadRequest {
			t.Errorf("%s: status %d, want 400", path, status)
		}
	}
}

func TestServer_startedTaskRunsAndFinishes(t *testing.T) {
	r := start(t, qrssim.Options{
		OnStart:       func(world.Task) world.Outcome { return world.Outcome{Duration: 8 * time.Second} },
		RejectRunning: true,
	})
	id, _ := r.world.TaskOfType(qlik.TaskDistribute, 0)
	if status, body := r.do(r.request(http.MethodPost, "/qrs/task/"+id+"/start", strings.NewReader("{}"))); status != 204 || body != "" {
		t.Fatalf("start: %d %q, want 204 without a body", status, body)
	}
	if status, _ := r.do(r.request(http.MethodPost, "/qrs/task/"+id+"/start", nil)); status != http.StatusConflict {
		t.Errorf("start of a running task: %d, want 409", status)
	}
	var states []int
	for _, wait := range []time.Duration{0, 4 * time.Second, 2 * time.Second, 2 * time.Second} {
		r.clock.advance(wait)
		states = append(states, r.tasks("id eq " + id)[0].Operational.LastExecutionResult.Status)
	}
	if diff := cmp.Diff([]int{3, 13, 14, 7}, states); diff != "" {
		t.Errorf("states (-want +got):\n%s", diff)
	}
	if status, body := r.do(r.request(http.MethodPost, "/qrs/task/"+id+"/start/synchronous", nil)); status != http.StatusCreated || !strings.Contains(body, `"value"`) {
		t.Errorf("synchronous start: %d %s", status, body)
	}
	if status, _ := r.do(r.request(http.MethodPost, "/qrs/task/"+id+"/stop", nil)); status != http.StatusNoContent {
		t.Errorf("stop: %d, want 204", status)
	}
	if last, _ := r.world.Last(id); last.Final != qlik.StatusAborted {
		t.Errorf("stopped task ends in %v", last.Final)
	}
}

func TestServer_scriptLogComesWithATicketThatWorksOnce(t *testing.T) {
	for _, way := range []string{"old", "new"} {
		t.Run(way, func(t *testing.T) {
			r := start(t, qrssim.Options{ScriptLogBOM: true, ScriptLogDelay: time.Second})
			id := r.world.TaskID(0)
			result := r.tasks("id eq " + id)[0].Operational.LastExecutionResult
			path := "/qrs/reloadtask/" + id + "/scriptlog?fileReferenceId=" + result.FileReferenceID
			if way == "new" {
				path = "/qrs/reloadtask/" + id + "/scriptlogfile?executionResultId=" + result.ID
			}
			ticket := decode[struct{ Value string }](r, path).Value
			download := "/qrs/download/reloadtask/" + ticket + "/scriptlog.txt"
			if status, _ := r.get(download); status != http.StatusNotFound {
				t.Errorf("download too early: %d, want 404", status)
			}
			r.clock.advance(time.Second)
			status, body := r.get(download)
			if status != http.StatusOK || len(body) != result.ScriptLogSize+len("\ufeff") {
				t.Fatalf("download: %d with %d bytes, want %d and a byte order mark", status, len(body), result.ScriptLogSize)
			}
			if !strings.HasPrefix(body, "\ufeff") || strings.Count(body, "\r\n") != strings.Count(body, "\n") {
				t.Error("the log has no byte order mark or not CRLF throughout")
			}
			if status, _ := r.get(download); status != http.StatusNotFound {
				t.Errorf("second download: %d, want 404", status)
			}
		})
	}
}

func TestServer_scriptLogWaysCanBeSwitchedOff(t *testing.T) {
	r := start(t, qrssim.Options{})
	id := r.world.TaskID(0)
	result := r.tasks("id eq " + id)[0].Operational.LastExecutionResult
	oldWay := "/qrs/reloadtask/" + id + "/scriptlog?fileReferenceId=" + result.FileReferenceID
	newWay := "/qrs/reloadtask/" + id + "/scriptlogfile?executionResultId=" + result.ID
	for _, test := range []struct{ old, new bool }{{false, false}, {true, false}, {false, true}, {true, true}} {
		r.server.DisableScriptLog(test.old, test.new)
		for path, off := range map[string]bool{oldWay: test.old, newWay: test.new} {
			want := map[bool]int{true: http.StatusNotFound, false: http.StatusOK}[off]
			if status, _ := r.get(path); status != want {
				t.Errorf("disabled %+v: %s answers %d, want %d", test, path, status, want)
			}
		}
	}
	r.server.DisableScriptLog(false, false)
	for path, want := range map[string]int{
		"/qrs/reloadtask/" + id + "/scriptlog?fileReferenceId=undefined":          http.StatusBadRequest,
		"/qrs/reloadtask/" + id + "/scriptlog":                                    http.StatusBadRequest,
		"/qrs/reloadtask/" + id + "/scriptlog?fileReferenceId=" + qlik.ZeroGUID:   http.StatusNotFound,
		"/qrs/reloadtask/" + qlik.ZeroGUID + "/scriptlog?fileReferenceId=" + id:   http.StatusNotFound,
		"/qrs/download/reloadtask/" + qlik.ZeroGUID + "/scriptlog.txt":            http.StatusNotFound,
		"/qrs/reloadtask/" + id + "/scriptlogfile?ExecutionResultID=" + result.ID: http.StatusOK,
	} {
		if status, _ := r.get(path); status != want {
			t.Errorf("%s answers %d, want %d", path, status, want)
		}
	}
}

func TestServer_releasesLicences(t *testing.T) {
	r := start(t, qrssim.Options{})
	list := decode[[]world.AccessType](r, "/qrs/license/analyzeraccesstype/full")
	path := "/qrs/license/analyzeraccesstype/" + list[0].ID
	if status, body := r.do(r.request(http.MethodDelete, path, nil)); status != http.StatusNoContent || body != "" {
		t.Fatalf("release: %d %q, want 204", status, body)
	}
	if status, _ := r.do(r.request(http.MethodDelete, path, nil)); status != http.StatusNotFound {
		t.Errorf("second release: %d, want 404", status)
	}
	if got := decode[[]world.AccessType](r, "/qrs/license/analyzeraccesstype"); len(got) != len(list)-1 {
		t.Errorf("%d licences are left of %d", len(got), len(list))
	}
}

func TestSystemInfo_standsOnItsOwn(t *testing.T) {
	authority, err := cert.NewAuthority("test")
	if err != nil {
		t.Fatal(err)
	}
	info, err := qrssim.NewSystemInfo(world.New(world.Options{}), authority)
	if err != nil {
		t.Fatal(err)
	}
	if err := info.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(info.Stop)
	pair, err := authority.Client("c")
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := pair.TLS()
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: authority.Pool(), Certificates: []tls.Certificate{certificate}}}
	t.Cleanup(transport.CloseIdleConnections)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, info.URL()+"/v1/systeminfo", nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := transport.RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var document world.SystemInfo
	if err := json.NewDecoder(response.Body).Decode(&document); err != nil || document.ProductName != "Qlik Sense" {
		t.Errorf("document %+v, %v", document, err)
	}
}
