package qrs

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"butler/internal/qlik"
	"butler/messages"
)

func sample(tb testing.TB, name string) []byte {
	tb.Helper()
	content, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		tb.Fatal(err)
	}
	return content
}

func TestDecode_task(t *testing.T) {
	var got []messages.Task
	err := decodeList(sample(t, "task_full.json"), func(d taskDoc) error {
		got = append(got, d.task())
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []messages.Task{{
		Known: true, ID: idA, Name: "Load orders", Type: qlik.TaskReload,
		Tags:             []string{"Production", "Nightly"},
		CustomProperties: []messages.Property{{Name: "Notify", Value: "ops@example.com"}, {Name: "Notify", Value: "bi@example.com"}},
		PartialReload:    true, MaxRetries: 2, SessionTimeout: 1440,
		ModifiedBy: `LAB\admin`, ModifiedDate: "2025-03-02T09:10:11.000Z", NextExecution: "2026-05-07T03:00:00.000Z",
		AppID: idB, AppName: "Orders", LastStatus: qlik.StatusFinishedFail, LastResultID: "66666666-7777-4888-8999-aaaaaaaaaaaa",
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("tasks (-want +got):\n%s", diff)
	}
}

func TestDecode_execution(t *testing.T) {
	var doc taskDoc
	if err := decodeObject(sample(t, "reloadtask.json"), &doc); err != nil {
		t.Fatal(err)
	}
	want := messages.Execution{
		Known: true, ResultID: "66666666-7777-4888-8999-aaaaaaaaaaaa", FileReferenceID: "bbbbbbbb-cccc-4ddd-8eee-ffffffffffff",
		Node: "sense-server-01", Status: qlik.StatusFinishedSuccess,
		Start: "2026-05-06T12:20:00.000Z", Stop: "2026-05-06T12:23:45.000Z", Duration: 225 * time.Second,
		ScriptLogSize: 15321, ScriptLogAvailable: true,
		Details: []messages.ExecutionDetail{
			{Created: "2026-05-06T12:20:00.010Z", Message: "Changing task-state from Queued to Triggered", Type: "2"},
			{Created: "2026-05-06T12:20:01.000Z", Message: "first of two at once", Type: "TaskState"},
			{Created: "2026-05-06T12:20:01.000Z", Message: "second of two at once"},
			{Created: "2026-05-06T12:23:45.500Z", Message: messages.FinalSuccessMessage, Type: "2"},
		},
	}
	got := doc.Operational.LastExecutionResult.execution()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("execution (-want +got):\n%s", diff)
	}
	if !got.FinishedSuccessfully() {
		t.Error("the execution is not seen as finished")
	}
}

func TestDecode_app(t *testing.T) {
	var got []messages.App
	err := decodeList(sample(t, "app_full.json"), func(d appDoc) error {
		got = append(got, d.app())
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []messages.App{
		{
			Known: true, ID: idB, Name: "Orders", Description: "What was ordered.\nAnd when.", FileSize: 10485760,
			LastReloadTime: "2026-05-05T03:04:05.000Z", ModifiedDate: "2026-05-05T09:00:00.000Z", ModifiedBy: `LAB\jdoe`,
			PublishTime: "2024-02-01T12:00:00.000Z", Published: true, StreamID: "aaec8d41-5201-43ab-809f-3063750dfafd", StreamName: "Everyone",
			Tags: []string{"Sales"}, CustomProperties: []messages.Property{{Name: "Department", Value: "Finance"}},
			OwnerID: "7e2b3f10-9a8b-4c7d-b6e5-1234567890ab",
		},
		{Known: true, ID: idC, Name: "Unpublished"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("apps (-want +got):\n%s", diff)
	}
}

func TestDecode_owner(t *testing.T) {
	var doc userDoc
	if err := decodeObject(sample(t, "user.json"), &doc); err != nil {
		t.Fatal(err)
	}
	want := messages.Owner{
		Known: true, ID: "7e2b3f10-9a8b-4c7d-b6e5-1234567890ab", Directory: "LAB", UserID: "jdoe", Name: "Jane Doe",
		Emails: []string{"jane.doe@example.com", "jane@example.org"},
	}
	if diff := cmp.Diff(want, doc.owner()); diff != "" {
		t.Errorf("owner (-want +got):\n%s", diff)
	}
}

func TestDecode_taskTypeMissingIsNotUnknown(t *testing.T) {
	tests := []struct {
		field   string
		want    qlik.TaskType
		missing bool
	}{
		{`"taskType":3`, qlik.TaskDistribute, false},
		{`"taskType":"4"`, qlik.TaskPreload, false},
		{`"x":1`, qlik.TaskReload, true},
		{`"taskType":null`, qlik.TaskReload, true},
		{`"taskType":9`, 9, false},
		{`"taskType":"distribute"`, qlik.TaskTypeUnknown, false},
		{`"taskType":-7`, qlik.TaskTypeUnknown, false},
		{`"taskType":{}`, qlik.TaskTypeUnknown, false},
	}
	for _, test := range tests {
		var doc taskDoc
		if err := decodeObject([]byte(`{"id":"x",`+test.field+`}`), &doc); err != nil {
			t.Fatalf("%s: %v", test.field, err)
		}
		if got := doc.task(); got.Type != test.want || got.TypeMissing != test.missing {
			t.Errorf("%s: type %d, missing %v; want %d, %v", test.field, got.Type, got.TypeMissing, test.want, test.missing)
		}
	}
}

func TestDecode_readsAroundFieldsOfAnUnexpectedKind(t *testing.T) {
	var doc taskDoc
	err := decodeObject([]byte(`{"id":"x","name":17,"tags":"none","customProperties":{"a":1},"app":"app","maxRetries":"3",
		"operational":{"lastExecutionResult":{"status":"8","duration":"soon","details":[1,"two",{"message":"three"},null]}},"enabled":1}`), &doc)
	if err != nil {
		t.Fatal(err)
	}
	got := doc.task()
	want := messages.Task{Known: true, ID: "x", Name: "17", MaxRetries: 3, TypeMissing: true, LastStatus: qlik.StatusFinishedFail}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("task (-want +got):\n%s", diff)
	}
	result := doc.Operational.LastExecutionResult.execution()
	wantResult := messages.Execution{
		Known: true, Status: qlik.StatusFinishedFail,
		Details: []messages.ExecutionDetail{{Message: "three"}, {}},
	}
	if diff := cmp.Diff(wantResult, result); diff != "" {
		t.Errorf("execution (-want +got):\n%s", diff)
	}
}

func TestDecode_sortsStepsByTheirTimeHoweverManyDigitsItHas(t *testing.T) {
	var doc taskDoc
	err := decodeObject([]byte(`{"id":"x","operational":{"lastExecutionResult":{"details":[
		{"detailCreatedDate":"2026-05-06T12:23:45.86Z","message":"3"},{"detailCreatedDate":"2026-05-06T12:23:46Z","message":"5"},
		{"detailCreatedDate":"2026-05-06T12:23:45.861Z","message":"4"},{"detailCreatedDate":"2026-05-06T12:23:45Z","message":"1"},
		{"detailCreatedDate":"2026-05-06T12:23:45.5Z","message":"2"}]}}}`), &doc)
	if err != nil {
		t.Fatal(err)
	}
	got := ""
	for _, d := range doc.Operational.LastExecutionResult.execution().Details {
		got += d.Message
	}
	if got != "12345" {
		t.Errorf("want the steps in the order of their times, got %s", got)
	}
}

func TestDecode_boundsAndCleans(t *testing.T) {
	name := strings.Repeat("å", 600)
	tags := strings.TrimSuffix(strings.Repeat(`{"name":"t"},`, 300), ",")
	var details []string
	for i := range 700 {
		details = append(details, fmt.Sprintf(`{"detailCreatedDate":"2026-01-01T00:00:%05d","message":"m%d"}`, i, i))
	}
	raw := fmt.Sprintf(`{"id":"x","name":%q,"tags":[%s],"modifiedByUserName":"a\u0000b\u001b[31m\u202ec\nd",
		"operational":{"lastExecutionResult":{"duration":1e300,"details":[%s]}}}`, name, tags, strings.Join(details, ","))
	var doc taskDoc
	if err := decodeObject([]byte(raw), &doc); err != nil {
		t.Fatal(err)
	}
	got := doc.task()
	if n := utf8.RuneCountInString(got.Name); n != maxName {
		t.Errorf("the name has %d characters, want %d", n, maxName)
	}
	if len(got.Tags) != maxEntries {
		t.Errorf("%d tags, want %d", len(got.Tags), maxEntries)
	}
	if got.ModifiedBy != "ab[31mc d" {
		t.Errorf("modified by %q, want it without control characters", got.ModifiedBy)
	}
	result := doc.Operational.LastExecutionResult.execution()
	if len(result.Details) != maxDetails || result.Details[maxDetails-1].Message != "m699" {
		t.Errorf("%d details ending with %q, want the newest %d", len(result.Details), result.Details[len(result.Details)-1].Message, maxDetails)
	}
	if result.Duration != 0 {
		t.Errorf("duration = %v, want 0 for one that is no number of milliseconds", result.Duration)
	}
}

func FuzzDecodeTasks(f *testing.F) {
	for _, name := range []string{"task_full.json", "app_full.json", "user.json", "reloadtask.json"} {
		f.Add(sample(f, name))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		_ = decodeList(raw, func(d taskDoc) error {
			checkTask(t, d.task())
			if result := d.Operational.LastExecutionResult; result != nil {
				checkExecution(t, result.execution())
			}
			return nil
		})
		_ = decodeList(raw, func(d appDoc) error {
			checkText(t, d.app().Name, maxName, false)
			checkText(t, d.app().Description, maxDescription, true)
			return nil
		})
		var user userDoc
		if decodeObject(raw, &user) == nil {
			for _, address := range user.owner().Emails {
				checkText(t, address, maxName, false)
			}
		}
		checkText(t, line(summary(raw), 1000), 1000, false)
	})
}

func checkTask(t *testing.T, task messages.Task) {
	t.Helper()
	checkText(t, task.Name, maxName, false)
	checkText(t, task.ID, maxStamp, false)
	if len(task.Tags) > maxEntries || len(task.CustomProperties) > maxEntries {
		t.Errorf("%d tags and %d properties", len(task.Tags), len(task.CustomProperties))
	}
	if _, err := json.Marshal(task); err != nil {
		t.Errorf("the task does not marshal: %v", err)
	}
}

func checkExecution(t *testing.T, e messages.Execution) {
	t.Helper()
	if len(e.Details) > maxDetails || e.Duration < 0 || e.ScriptLogSize < 0 {
		t.Errorf("out of bounds: %d details, duration %v, size %d", len(e.Details), e.Duration, e.ScriptLogSize)
	}
	for i, d := range e.Details {
		checkText(t, d.Message, maxDescription, true)
		if i > 0 && moment(e.Details[i-1]) > moment(d) {
			t.Errorf("detail %d is not sorted", i)
		}
	}
}

func checkText(t *testing.T, s string, limit int, multiline bool) {
	t.Helper()
	if !utf8.ValidString(s) || utf8.RuneCountInString(s) > limit {
		t.Errorf("text of %d characters (limit %d), valid UTF-8 %v", utf8.RuneCountInString(s), limit, utf8.ValidString(s))
	}
	for _, r := range s {
		kept := multiline && (r == '\n' || r == '\t')
		if line(string(r), 1) != string(r) && !kept {
			t.Errorf("text holds %U", r)
		}
	}
}

func TestDecode_tellsWhatAnAnswerIsInstead(t *testing.T) {
	const markup = "the answer is HTML or XML and not JSON; is this address the repository service itself?"
	for body, want := range map[string][2]string{
		"":                        {"the answer is empty", "the answer is empty"},
		" \r\n":                   {"the answer is empty", "the answer is empty"},
		"\n<!DOCTYPE html><html>": {markup, markup},
		"Bad Gateway":             {"the answer is not JSON", "the answer is not JSON"},
		"\xff\xfe[\x00]\x00":      {"the answer is not JSON", "the answer is not JSON"},
		"null":                    {"the answer is not a list", "the answer is not an object"},
		"[]":                      {"", "the answer is not an object"},
		"{}":                      {"the answer is not a list", ""},
		"[] []":                   {"the answer is not JSON", "the answer is not an object"},
		"[]\x00":                  {"the answer is not JSON", "the answer is not an object"},
		"{} {}":                   {"the answer is not a list", "the answer is not JSON"},
	} {
		said := func(err error) string {
			if err == nil {
				return ""
			}
			return err.Error()
		}
		list := decodeList([]byte(body), func(entityDoc) error { return nil })
		if got := [2]string{said(list), said(decodeObject([]byte(body), &entityDoc{}))}; got != want {
			t.Errorf("%q: want %q, got %q", body, want, got)
		}
	}
}
