package qrs

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"butler/internal/qlik"
	"butler/internal/qlik/qliktest"
	"butler/messages"
)

func taskIDs(tasks []messages.Task) []string {
	var out []string
	for _, t := range tasks {
		out = append(out, t.ID)
	}
	slices.Sort(out)
	return out
}

func filters(s *qliktest.Server) []string {
	var out []string
	for _, r := range s.Requests() {
		out = append(out, r.Filter)
	}
	return out
}

var three = map[string]string{idA: task(idA), idB: task(idB), idC: task(idC)}

func TestTasks_asksForManyWithOneCall(t *testing.T) {
	c, server := plain(t, qliktest.ByID(three))
	got, err := c.Tasks(t.Context(), idB, strings.ToUpper(idA), idC, idA)
	if err != nil {
		t.Fatalf("Tasks: %v", err)
	}
	if diff := cmp.Diff([]string{idA, idB, idC}, taskIDs(got)); diff != "" {
		t.Errorf("tasks (-want +got):\n%s", diff)
	}
	want := []string{"id eq " + idA + " or id eq " + idB + " or id eq " + idC}
	if diff := cmp.Diff(want, filters(server)); diff != "" {
		t.Errorf("filters (-want +got):\n%s", diff)
	}
}

func TestTasks_areKeptAsWrittenWhereThatIsWanted(t *testing.T) {
	long := `{"id": "` + idC + `", "name": "` + strings.Repeat("x", maxMetadata) + `"}`
	odd := "{\n  \"id\": \"" + idB + "\", \"name\": [1], \"more\": {\"a\": null}\n}"
	documents := map[string]string{idA: task(idA), idB: odd, idC: long}
	server := qliktest.NewServer(t, nil, qliktest.ByID(documents))
	with, without := options(server.URL), options(server.URL)
	with.Metadata = true
	got, err := newClient(t, with).Tasks(t.Context(), idA, idB, idC)
	if err != nil {
		t.Fatal(err)
	}
	plainly, err := newClient(t, without).Tasks(t.Context(), idA, idB, idC)
	if err != nil {
		t.Fatal(err)
	}
	if want := `{"id":"` + idB + `","name":[1],"more":{"a":null}}`; got[1].Metadata != want || got[2].Metadata != "" || got[0].Metadata == "" {
		t.Errorf("want the first two in short form and not the long one, got %q and %q", got[0].Metadata, got[1].Metadata)
	}
	for i := range got {
		got[i].Metadata = ""
	}
	if diff := cmp.Diff(plainly, got); diff != "" {
		t.Errorf("what is read of them differs (-without +with):\n%s", diff)
	}
}

func TestTasks_splitsIntoBatches(t *testing.T) {
	docs, ids := map[string]string{}, []string{}
	for i := range 120 {
		id := fmt.Sprintf("11111111-aaaa-4bbb-8ccc-%012d", i)
		ids, docs[id] = append(ids, id), task(id)
	}
	c, server := plain(t, qliktest.ByID(docs))
	got, err := c.Tasks(t.Context(), ids...)
	if err != nil || len(got) != 120 {
		t.Fatalf("Tasks: %d tasks, %v; want 120", len(got), err)
	}
	if calls := len(server.Requests()); calls != 3 {
		t.Errorf("%d calls, want 3 of at most 50 tasks", calls)
	}
}

// The decision that a task does not exist drops an alert, so it is never based on a filter the server misread.
func TestTasks_doesNotTakeAMisreadFilterForAMissingTask(t *testing.T) {
	single := qliktest.ByID(three)
	or := func(with qliktest.Response) func(qliktest.Request) qliktest.Response {
		return func(r qliktest.Request) qliktest.Response {
			if strings.Contains(r.Filter, " or ") {
				return with
			}
			return single(r)
		}
	}
	tests := []struct {
		name   string
		handle func(qliktest.Request) qliktest.Response
		// first and second are the calls of two look-ups of three tasks.
		first, second int
	}{
		{"refuses the filter", or(qliktest.Response{Status: 400, Body: "bad filter"}), 4, 3},
		{"finds nothing", or(qliktest.Response{Body: "[]"}), 4, 3},
		{"reads the first term only", or(qliktest.Response{Body: "[" + task(idA) + "]"}), 3, 3},
		{"answers nonsense", or(qliktest.Response{Body: "{}"}), 4, 4},
		{"ignores the filter", or(qliktest.Response{Body: "[" + task(idGone) + "]"}), 4, 3},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c, server := plain(t, test.handle)
			for round, want := range []int{test.first, test.second} {
				before := len(server.Requests())
				got, err := c.Tasks(t.Context(), idA, idB, idC)
				if err != nil {
					t.Fatalf("Tasks: %v", err)
				}
				if diff := cmp.Diff([]string{idA, idB, idC}, taskIDs(got)); diff != "" {
					t.Errorf("tasks (-want +got):\n%s", diff)
				}
				if calls := len(server.Requests()) - before; calls != want {
					t.Errorf("round %d: %d calls, want %d", round, calls, want)
				}
			}
		})
	}
}

func TestTasks_believesAServerThatHasShownToUnderstand(t *testing.T) {
	c, server := plain(t, qliktest.ByID(three))
	if _, err := c.Tasks(t.Context(), idA, idB); err != nil {
		t.Fatal(err)
	}
	got, err := c.Tasks(t.Context(), idA, idGone)
	if err != nil || len(got) != 1 {
		t.Fatalf("Tasks: %v, %v; want one task", got, err)
	}
	if calls := len(server.Requests()); calls != 2 {
		t.Errorf("%d calls, want 2: nothing is verified one by one", calls)
	}
}

func TestTasks_doesNotAskFiftyTimesWhenItIsNotLetIn(t *testing.T) {
	for _, status := range []int{401, 403, 404, 429} {
		c, server := plain(t, always(qliktest.Response{Status: status}))
		if tasks, err := c.Tasks(t.Context(), idA, idB, idC); err == nil || len(tasks) != 0 {
			t.Errorf("status %d: %v, %v; want an error", status, tasks, err)
		}
		if got := len(server.Requests()); got != 1 {
			t.Errorf("status %d: %d requests, want 1", status, got)
		}
	}
}

func TestTasks_reportsWhatItFoundBesideAnError(t *testing.T) {
	c, _ := plain(t, func(r qliktest.Request) qliktest.Response {
		switch {
		case strings.Contains(r.Filter, " or "):
			return qliktest.Response{Status: 400}
		case strings.Contains(r.Filter, idB):
			return qliktest.Response{Body: `[{"name":"no ID"}]`}
		}
		return qliktest.ByID(three)(r)
	})
	got, err := c.Tasks(t.Context(), idA, idB, idC)
	if kindOf(t, err) != messages.FailureInvalid {
		t.Errorf("error = %v, want invalid", err)
	}
	if diff := cmp.Diff([]string{idA, idC}, taskIDs(got)); diff != "" {
		t.Errorf("tasks (-want +got):\n%s", diff)
	}
}

func TestLookups_sayThatSomethingIsMissingOnlyWhenTheServiceDoes(t *testing.T) {
	tests := []struct {
		name   string
		answer qliktest.Response
		list   messages.FailureKind // of Tasks; none means an empty list
		single messages.FailureKind // of User
	}{
		{"404", qliktest.Response{Status: 404}, messages.FailureRejected, messages.FailureNotFound},
		{"500", qliktest.Response{Status: 500}, messages.FailureUnavailable, messages.FailureUnavailable},
		{"401", qliktest.Response{Status: 401}, messages.FailureRejected, messages.FailureRejected},
		{"empty body", qliktest.Response{}, messages.FailureInvalid, messages.FailureInvalid},
		{"empty list", qliktest.Response{Body: "[]"}, messages.FailureNone, messages.FailureInvalid},
		{"empty object", qliktest.Response{Body: "{}"}, messages.FailureInvalid, messages.FailureInvalid},
		{"half a list", qliktest.Response{Body: "[" + task(idA)}, messages.FailureInvalid, messages.FailureInvalid},
		{"null", qliktest.Response{Body: "null"}, messages.FailureInvalid, messages.FailureInvalid},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c, _ := plain(t, always(test.answer))
			_, err := c.Tasks(t.Context(), idA)
			if test.list == messages.FailureNone && err != nil || test.list != messages.FailureNone && kindOf(t, err) != test.list {
				t.Errorf("Tasks: %v, want %v", err, test.list)
			}
			if _, err = c.User(t.Context(), idA); kindOf(t, err) != test.single {
				t.Errorf("User: %v, want %v", err, test.single)
			}
		})
	}
}

func TestLookups_takeNoOtherObjectForTheOneAskedFor(t *testing.T) {
	other := `{"id":"` + idB + `","userId":"eve","operational":{"lastExecutionResult":{"id":"r","status":7}}}`
	c, _ := plain(t, always(qliktest.Response{Body: other}))
	_, user := c.User(t.Context(), idA)
	_, account := c.Account(t.Context(), idA)
	_, execution := c.Execution(t.Context(), idA, qlik.TaskReload)
	_, alone := c.Executions(t.Context(), qlik.TaskReload, idA)
	for name, err := range map[string]error{"user": user, "account": account, "execution": execution, "one of several": alone} {
		if kindOf(t, err) != messages.FailureInvalid || !strings.Contains(err.Error(), "another object") {
			t.Errorf("%s: %v, want it refused", name, err)
		}
	}
	if _, err := c.User(t.Context(), strings.ToUpper(idB)); err != nil {
		t.Errorf("in capitals: %v", err)
	}
}

func TestLookups_refuseWhatIsNoIdentifier(t *testing.T) {
	c, server := plain(t, always(qliktest.Response{Body: "[]"}))
	hostile := "../../about?x=" + idA
	_, tasks := c.Tasks(t.Context(), idA, hostile)
	_, user := c.User(t.Context(), hostile)
	_, execution := c.Execution(t.Context(), hostile, qlik.TaskReload)
	_, untyped := c.Execution(t.Context(), idA, qlik.TaskTypeUnknown)
	_, old := c.ScriptLogTicketByFile(t.Context(), idA, hostile)
	_, ticket := c.DownloadScriptLog(t.Context(), "..")
	for name, err := range map[string]error{
		"tasks": tasks, "user": user, "execution": execution, "untyped": untyped,
		"script log": old, "ticket": ticket, "start": c.StartTask(t.Context(), hostile),
	} {
		if kindOf(t, err) != messages.FailureRejected {
			t.Errorf("%s: %v, want rejected", name, err)
		}
	}
	if got := len(server.Requests()); got != 0 {
		t.Errorf("%d requests were sent, want none", got)
	}
}

func TestExecution_asksTheEntityOfTheTaskType(t *testing.T) {
	want := map[qlik.TaskType]string{
		qlik.TaskReload: "reloadtask/", qlik.TaskPreload: "reloadtask/", qlik.TaskDistribute: "reloadtask/",
		qlik.TaskExternalProgram: "externalprogramtask/", qlik.TaskUserSync: "usersynctask/",
	}
	body := `{"id":"` + idA + `","operational":{"lastExecutionResult":{"id":"r","status":7}}}`
	for _, taskType := range qlik.TaskTypes() {
		c, server := plain(t, always(qliktest.Response{Body: body}))
		got, err := c.Execution(t.Context(), strings.ToUpper(idA), taskType)
		if err != nil || !got.Known || got.Status != qlik.StatusFinishedSuccess {
			t.Errorf("%v: %+v, %v", taskType, got, err)
		}
		if path := server.Requests()[0].Path; path != want[taskType]+idA {
			t.Errorf("%v: path = %s, want %s", taskType, path, want[taskType]+idA)
		}
	}
}

func TestExecution_ofATaskThatNeverRan(t *testing.T) {
	c, _ := plain(t, always(qliktest.Response{Body: `{"id":"` + idA + `","operational":{}}`}))
	if _, err := c.Execution(t.Context(), idA, qlik.TaskReload); kindOf(t, err) != messages.FailureNotFound {
		t.Errorf("Execution: %v, want not found", err)
	}
}

func TestExecutions_asksForManyWithOneCall(t *testing.T) {
	body := fmt.Sprintf(`[{"id":%q,"operational":{"lastExecutionResult":{"id":"r","status":7}}},{"id":%q,"operational":{}}]`, strings.ToUpper(idB), idA)
	c, server := plain(t, always(qliktest.Response{Body: body}))
	got, err := c.Executions(t.Context(), qlik.TaskPreload, idA, idB)
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 1 || got[idB].ResultID != "r" || got[idB].Status != qlik.StatusFinishedSuccess {
		t.Errorf("want the result of the task that ran, got %+v", got)
	}
	requests := server.Requests()
	if len(requests) != 1 || requests[0].Path != "reloadtask/full" {
		t.Errorf("want one call to reloadtask/full, got %+v", requests)
	}
}

func TestExecutions_ofOneTaskAsksForThatTask(t *testing.T) {
	c, server := plain(t, always(qliktest.Response{Status: http.StatusNotFound}))
	got, err := c.Executions(t.Context(), qlik.TaskUserSync, idA)
	if err != nil || len(got) != 0 {
		t.Errorf("a task that does not exist has no result and is no error, got %+v, %v", got, err)
	}
	if path := server.Requests()[0].Path; path != "usersynctask/"+idA {
		t.Errorf("path = %s", path)
	}
}

func TestExecutions_reportsWhatItFoundBesideAnError(t *testing.T) {
	c, _ := plain(t, func(r qliktest.Request) qliktest.Response {
		if r.Filter == "id eq "+idA {
			return qliktest.Response{Body: `[{"id":"` + idA + `","operational":{"lastExecutionResult":{"id":"r"}}}]`}
		}
		return qliktest.Response{Status: http.StatusBadRequest}
	})
	got, err := c.Executions(t.Context(), qlik.TaskReload, idA, idB)
	if len(got) != 1 || kindOf(t, err) != messages.FailureRejected {
		t.Errorf("want one result and a refusal, got %+v, %v", got, err)
	}
}

func TestTasksByCustomProperty_verifiesThePair(t *testing.T) {
	property := func(name, value string) string {
		return fmt.Sprintf(`{"value":%q,"definition":{"name":%q}}`, value, name)
	}
	doc := func(id string, properties ...string) string {
		return fmt.Sprintf(`{"id":%q,"customProperties":[%s]}`, id, strings.Join(properties, ","))
	}
	body := "[" + strings.Join([]string{
		doc(idA, property("team", "hr")),
		doc(idB, property("team", "it"), property("group", "hr")),
		doc(idC, property("Team", "hr")),
	}, ",") + "]"
	c, _ := plain(t, always(qliktest.Response{Body: body}))
	got, err := c.TasksByCustomProperty(t.Context(), "team", "hr")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{idA}, taskIDs(got)); diff != "" {
		t.Errorf("tasks (-want +got):\n%s", diff)
	}
}

func TestTasksByTag_isExact(t *testing.T) {
	body := `[{"id":"` + idA + `","tags":[{"name":"nightly"}]},{"id":"` + idB + `","tags":[{"name":"Nightly"}]}]`
	c, _ := plain(t, always(qliktest.Response{Body: body}))
	got, err := c.TasksByTag(t.Context(), "nightly")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{idA}, taskIDs(got)); diff != "" {
		t.Errorf("tasks (-want +got):\n%s", diff)
	}
}

func TestStartTask_posts(t *testing.T) {
	c, server := plain(t, always(qliktest.Response{Status: http.StatusNoContent}))
	if err := c.StartTask(t.Context(), idA); err != nil {
		t.Fatalf("StartTask: %v", err)
	}
	if r := server.Requests()[0]; r.Method != http.MethodPost || r.Path != "task/"+idA+"/start" || r.Body != "{}" {
		t.Errorf("request = %s %s %q", r.Method, r.Path, r.Body)
	}
	c, _ = plain(t, always(qliktest.Response{Status: http.StatusNotFound}))
	err := c.StartTask(t.Context(), idA)
	if kindOf(t, err) != messages.FailureNotFound || !strings.Contains(err.Error(), "method: POST, expectedStatus: 204, status: 404") {
		t.Errorf("unknown task: %v", err)
	}
}

func TestCustomPropertyDefinitions(t *testing.T) {
	body := `[{"id":"` + idA + `","name":"Alert","choiceValues":["Yes","No"],"objectTypes":["ReloadTask"]},{"id":"` + idB + `","name":"alert","choiceValues":null}]`
	c, server := plain(t, always(qliktest.Response{Body: body}))
	want := []PropertyDefinition{
		{ID: idA, Name: "Alert", ChoiceValues: []string{"Yes", "No"}, ObjectTypes: []string{"ReloadTask"}},
		{ID: idB, Name: "alert"},
	}
	got, err := c.CustomPropertyDefinitions(t.Context(), "ReloadTask")
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("definitions (-want +got):\n%s\n%v", diff, err)
	}
	one, err := c.CustomPropertyDefinition(t.Context(), "alert")
	if diff := cmp.Diff(want[1], one); diff != "" || err != nil {
		t.Errorf("definition (-want +got):\n%s\n%v", diff, err)
	}
	if _, err := c.CustomPropertyDefinition(t.Context(), "nix"); kindOf(t, err) != messages.FailureNotFound {
		t.Errorf("missing definition: %v, want not found", err)
	}
	wantFilters := []string{"objectTypes eq 'ReloadTask'", "name eq 'alert'", "name eq 'nix'"}
	if diff := cmp.Diff(wantFilters, filters(server)); diff != "" {
		t.Errorf("filters (-want +got):\n%s", diff)
	}
}

func TestScriptLog_ticketAndDownload(t *testing.T) {
	c, server := plain(t, func(r qliktest.Request) qliktest.Response {
		if strings.HasPrefix(r.Path, "download/") {
			return qliktest.Response{Body: "\uFEFF17"}
		}
		return qliktest.Response{Body: `{"value":"ticket-1","schemaPath":"StringResponse"}`}
	})
	for _, ticket := range []func() (string, error){
		func() (string, error) { return c.ScriptLogTicketByFile(t.Context(), idA, idB) },
		func() (string, error) { return c.ScriptLogTicketByResult(t.Context(), idA, idB) },
	} {
		if got, err := ticket(); got != "ticket-1" || err != nil {
			t.Errorf("ticket = %q, %v", got, err)
		}
	}
	if got, err := c.DownloadScriptLog(t.Context(), "ticket-1"); got != "17" || err != nil {
		t.Errorf("script log = %q, %v; want the text without its byte order mark", got, err)
	}
	var paths []string
	for _, r := range server.Requests() {
		paths = append(paths, r.Path+"?"+r.RawQuery)
	}
	want := []string{
		"reloadtask/" + idA + "/scriptlog?fileReferenceId=" + idB,
		"reloadtask/" + idA + "/scriptlogfile?executionResultId=" + idB,
		"download/reloadtask/ticket-1/scriptlog.txt?",
	}
	if diff := cmp.Diff(want, paths); diff != "" {
		t.Errorf("paths (-want +got):\n%s", diff)
	}
}

// A loop in a load script writes logs of any length, and the reason for a failure is at the end.
func TestScriptLog_keepsBothEndsOfALongOne(t *testing.T) {
	const rows = 300_000
	var long strings.Builder
	for i := range rows {
		fmt.Fprintf(&long, "%06d LOAD * FROM [lib://årsbokslut/part.qvd] (qvd); // a line like all the others\r\n", i)
	}
	c, server := plain(t, always(qliktest.Response{Body: "\uFEFF" + long.String() + "Execution Failed"}))
	got, err := c.DownloadScriptLog(t.Context(), "ticket-1")
	if err != nil {
		t.Fatal(err)
	}
	if n := len(server.Requests()); n != 1 {
		t.Errorf("want one call, got %d", n)
	}
	if len(got) > maxScriptLogBytes+100 || len(got) < maxScriptLogBytes*9/10 {
		t.Errorf("want about %d bytes, got %d", maxScriptLogBytes, len(got))
	}
	lines := strings.Split(got, "\r\n")
	gaps := 0
	for i, line := range lines[:len(lines)-1] {
		if left, ok := strings.CutPrefix(line, "["); ok {
			gaps++
			if want := fmt.Sprint(long.Len()+len("Execution Failed")-len(got)+len(line)+2, " bytes of this log are left out]"); left != want {
				t.Errorf("want [%s, got %s", want, line)
			}
			continue
		}
		if !strings.HasSuffix(line, " // a line like all the others") || !strings.Contains(line, "årsbokslut") {
			t.Fatalf("line %d is not whole: %q", i, line)
		}
	}
	if gaps != 1 || !strings.HasPrefix(got, "000000 LOAD") || !strings.HasSuffix(got, fmt.Sprintf("%06d", rows-1)+strings.TrimPrefix(lines[0], "000000")+"\r\nExecution Failed") {
		t.Errorf("want the beginning, one gap and the end, got %d gaps, %.60q and %q", gaps, got, got[len(got)-100:])
	}
}

func TestScriptLog_distrustsTickets(t *testing.T) {
	for _, value := range []string{`""`, `null`, `"../../user"`, `".."`, `"a/b"`, `"a?b"`, `"a b"`, `{}`} {
		c, _ := plain(t, always(qliktest.Response{Body: `{"value":` + value + `}`}))
		if ticket, err := c.ScriptLogTicketByFile(t.Context(), idA, idB); kindOf(t, err) != messages.FailureInvalid {
			t.Errorf("value %s: ticket %q, %v; want invalid", value, ticket, err)
		}
	}
}

func TestPages_collectsUntilNothingNewComes(t *testing.T) {
	doc := func(i int) entityDoc { return entityDoc{ID: text(fmt.Sprint(i))} }
	all := make([]entityDoc, 25)
	for i := range all {
		all[i] = doc(i)
	}
	tests := []struct {
		name  string
		fetch func(skip, take int) ([]entityDoc, error)
		want  int
		calls int
	}{
		{"a server that pages", func(skip, take int) ([]entityDoc, error) {
			return all[min(skip, 25):min(skip+take, 25)], nil
		}, 25, 3},
		{"a last page that is full", func(skip, take int) ([]entityDoc, error) { return all[min(skip, 20):min(skip+take, 20)], nil }, 20, 3},
		{"a server that does not page", func(int, int) ([]entityDoc, error) { return all, nil }, 25, 2},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			calls := 0
			got, err := pages(10, func(skip, take int) ([]entityDoc, error) {
				calls++
				return test.fetch(skip, take)
			})
			if err != nil || len(got) != test.want || calls != test.calls {
				t.Errorf("%d objects with %d calls, %v; want %d with %d", len(got), calls, err, test.want, test.calls)
			}
		})
	}
}

func TestClient_pagesAListThatIsTooLarge(t *testing.T) {
	doc := func(i int) string {
		return fmt.Sprintf(`{"id":"11111111-aaaa-4bbb-8ccc-%012d","tags":[{"name":"t"}]}`, i)
	}
	c, server := plain(t, func(r qliktest.Request) qliktest.Response {
		var docs []string
		first, last := 0, 300
		if _, params, ok := strings.Cut(r.RawQuery, "&"); ok {
			var skip, take int
			if _, err := fmt.Sscanf(params, "orderby=id&skip=%d&take=%d", &skip, &take); err != nil {
				return qliktest.Response{Status: 400}
			}
			first, last = skip, min(skip+take, 300)
		}
		for i := first; i < last; i++ {
			docs = append(docs, doc(i))
		}
		return qliktest.Response{Body: "[" + strings.Join(docs, ",") + "]"}
	})
	c.documentLimit = 16 << 10
	got, err := c.TasksByTag(t.Context(), "t")
	if err != nil || len(got) != 300 {
		t.Fatalf("TasksByTag: %d tasks, %v; want 300", len(got), err)
	}
	if calls := len(server.Requests()); calls != 3 {
		t.Errorf("%d calls, want 3: the whole list, then two pages", calls)
	}
}

func TestClient_isSafeForConcurrentUse(t *testing.T) {
	c, server := plain(t, qliktest.ByID(three))
	done := make(chan error)
	for range 20 {
		go func() {
			_, err := c.Tasks(t.Context(), idA, idB)
			done <- err
		}()
	}
	for range 20 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	keys := map[string]bool{}
	for _, r := range server.Requests() {
		keys[r.Key] = true
	}
	if len(keys) != 20 {
		t.Errorf("%d different request keys, want 20", len(keys))
	}
}

func TestRandom_isReproducibleAndDetectsAFailingSource(t *testing.T) {
	seeded := func() *random { return &random{source: strings.NewReader(strings.Repeat("abcdefgh", 100))} }
	one, _ := seeded().requestKey()
	two, _ := seeded().requestKey()
	if one != two || len(one) != keyLength {
		t.Errorf("keys of one seed: %q and %q", one, two)
	}
	if key, err := (&random{source: strings.NewReader(strings.Repeat("\xff", 4096))}).requestKey(); err == nil {
		t.Errorf("a stuck source gave %q, want an error", key)
	}
	for range 20 {
		if d := seeded().jitter(time.Second); d < time.Second/2 || d > time.Second {
			t.Errorf("jitter = %v, want between half and the whole", d)
		}
	}
}

// Whoever asks for one task is told of a failure without those that were asked for together with it.
func TestTasks_aFailureNamesNoOtherTask(t *testing.T) {
	c, _ := plain(t, always(qliktest.Response{Status: http.StatusServiceUnavailable}))
	_, err := c.Tasks(t.Context(), idA, idB, idC)
	if err == nil || strings.Contains(err.Error(), idA) || strings.Contains(err.Error(), idB) || !strings.Contains(err.Error(), "task/full?filter=id eq one of 3,") {
		t.Errorf("want an error that says how many were asked for and not which, got %v", err)
	}
	if _, err = c.Tasks(t.Context(), idA); err == nil || !strings.Contains(err.Error(), "task/full?filter=id eq "+idA) {
		t.Errorf("want an error that names the one task, got %v", err)
	}
}
