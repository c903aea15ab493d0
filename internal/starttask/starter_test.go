package starttask

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"butler/internal/apikey"
	"butler/messages"
)

func TestStart_answersInBothForms(t *testing.T) {
	s := team(t)
	a := s.starter().Start(t.Context(), caller(), Request{IDs: []string{idOf(1), "D3ADBEEF-0000-4000-8000-000000000001"}, Form: FormObject})
	got, err := json.MarshalIndent(a, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	want := `{
 "tasksId": {
  "started": [
   {
    "taskId": "` + idOf(1) + `",
    "taskName": "Load HR"
   }
  ],
  "invalid": [
   {
    "taskId": "D3ADBEEF-0000-4000-8000-000000000001",
    "reason": "Qlik Sense does not know the task"
   }
  ],
  "denied": []
 },
 "tasksTag": [],
 "tasksTagDenied": [],
 "tasksCP": [],
 "tasksCPDenied": [],
 "tasksStarted": [
  {
   "taskId": "` + idOf(1) + `",
   "taskName": "Load HR",
   "status": "started"
  }
 ],
 "tasksFailed": [],
 "tasksNotFound": [
  {
   "taskId": "D3ADBEEF-0000-4000-8000-000000000001",
   "reason": "Qlik Sense does not know the task"
  }
 ],
 "totalTasksStarted": 1
}`
	if diff := cmp.Diff(want, string(got)); diff != "" || a.Status != http.StatusOK {
		t.Errorf("status %d, answer (-want +got):\n%s", a.Status, diff)
	}
}

func TestStart_isTheUnionAndStartsEachTaskOnce(t *testing.T) {
	s := team(t)
	a := s.starter(func(o *Options) { o.MaxConcurrent = 1 }).Start(t.Context(), caller(), Request{
		PathID: strings.ToUpper(idOf(3)), IDs: []string{idOf(3), idOf(3)}, Tags: []string{"nightly", "sales", "nightly", "none"},
		Properties: []messages.Property{teamHR, teamHR},
	})
	wantTexts(t, "starts, by ID, by tag, by property", s.starts(), idOf(3), idOf(1), idOf(2))
	wantTexts(t, "tasksStarted", started(a), "Load Plan", "Load HR", "Load Sales")
	wantTexts(t, "tasksId.started", names(a.TasksID.Started), "Load Plan")
	wantTexts(t, "tasksTag, under each tag", names(a.TasksTag), "Load HR", "Load Sales", "Load Sales")
	wantTexts(t, "tasksCP", names(a.TasksCP), "Load Plan", "Load HR")
	wantTexts(t, "warnings", a.Warnings, `no task has the tag "none"`)
	if a.TotalTasksStarted != 3 || a.Error != "" || a.Status != http.StatusOK {
		t.Errorf("want 3 tasks, no error and 200, got %d, %q, %d", a.TotalTasksStarted, a.Error, a.Status)
	}
}

func TestStart_badPathID(t *testing.T) {
	tests := []struct {
		name    string
		request Request
		status  int
		starts  int
		invalid int
	}{
		{"alone", Request{PathID: "nope"}, http.StatusBadRequest, 0, 0},
		{"with an empty object", Request{PathID: "nope", Form: FormObject}, http.StatusBadRequest, 0, 0},
		{"with a pair alone", Request{PathID: "nope", Form: FormObject, KeyValues: []KeyValue{{"n", "k", "v", 0}}}, http.StatusBadRequest, 0, 0},
		{"with an empty list", Request{PathID: "nope", Form: FormArray}, http.StatusOK, 0, 1},
		{"with another selector", Request{PathID: "nope", Form: FormObject, IDs: []string{idOf(1)}}, http.StatusOK, 1, 1},
		{"in the body", Request{IDs: []string{"nope", "NOPE"}, Form: FormObject}, http.StatusOK, 0, 1},
		{"none at all", Request{}, http.StatusOK, 0, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := team(t)
			a := s.starter().Start(t.Context(), caller(), tt.request)
			if a.Status != tt.status || len(s.starts()) != tt.starts || len(a.TasksID.Invalid) != tt.invalid {
				t.Errorf("want status %d, %d starts, %d invalid, got %d, %q, %v", tt.status, tt.starts, tt.invalid, a.Status, s.starts(), a.TasksID.Invalid)
			}
			if len(s.calls("put ")) > 0 || len(a.TasksNotFound) > 0 {
				t.Errorf("want nothing stored and nothing not found, got %q, %v", s.diary, a.TasksNotFound)
			}
			wrong := tt.status != http.StatusOK || tt.invalid > 0
			if wrong != (a.Error == invalidID && a.Details == needsAGUID) || (tt.status == http.StatusBadRequest) != (a.Message == needsAGUID && a.StatusCode == http.StatusBadRequest) {
				t.Errorf("error %q, details %q, message %q, statusCode %d", a.Error, a.Details, a.Message, a.StatusCode)
			}
		})
	}
}

func TestStart_needsTheScopes(t *testing.T) {
	only := func(scopes ...apikey.Scope) Caller {
		return Caller{Principal: apikey.Principal{Name: "x", Scopes: scopes}, Way: ByMQTT}
	}
	pair := []KeyValue{{"n", "k", "v", 0}}
	tests := []struct {
		name    string
		caller  Caller
		request Request
		status  int
	}{
		{"nobody", Caller{}, Request{PathID: idOf(1)}, http.StatusForbidden},
		{"another scope", only(apikey.Read, apikey.KV), Request{PathID: idOf(1)}, http.StatusForbidden},
		{"start", only(apikey.Start), Request{PathID: idOf(1)}, http.StatusOK},
		{"pairs without their scope", only(apikey.Start), Request{PathID: idOf(1), KeyValues: pair}, http.StatusForbidden},
		{"pairs with it", only(apikey.Start, apikey.KV), Request{PathID: idOf(1), KeyValues: pair}, http.StatusOK},
		{"all", only(apikey.Admin), Request{PathID: idOf(1), KeyValues: pair}, http.StatusOK},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := team(t)
			a := s.starter().Start(t.Context(), tt.caller, tt.request)
			if done := len(s.diary) > 0; a.Status != tt.status || done != (tt.status == http.StatusOK) {
				t.Errorf("want %d, got %d with %q", tt.status, a.Status, s.diary)
			}
			if a.Status != http.StatusOK && (len(s.audit) != 1 || s.audit[0].Outcome != Denied) {
				t.Errorf("want the denial told, got %+v", s.audit)
			}
		})
	}
}

func TestStart_dryRunDoesNothing(t *testing.T) {
	s := team(t)
	filter, _ := NewFilter(AllowList{TaskIDs: []string{idOf(1)}, Tags: []string{"nightly"}})
	a := s.starter(func(o *Options) { o.Filter = filter }).Start(t.Context(), caller(), Request{
		IDs: []string{idOf(1), idOf(3), idOf(1)}, Tags: []string{"nightly"}, KeyValues: []KeyValue{{"n", "k", "v", 0}}, DryRun: true, Wait: time.Hour,
	})
	if len(s.starts())+len(s.calls("put ")) > 0 {
		t.Fatalf("want nothing done, got %q", s.diary)
	}
	want := []Rehearsal{
		{TaskName{idOf(1), "Load HR"}, "wouldStart", []Selector{{TaskID: idOf(1)}, {Tag: "nightly"}}},
		{TaskName{idOf(2), "Load Sales"}, "wouldStart", []Selector{{Tag: "nightly"}}},
	}
	if diff := cmp.Diff(want, a.TasksToStart); diff != "" {
		t.Errorf("tasksToStart (-want +got):\n%s", diff)
	}
	wantTexts(t, "denied", denied(a), idOf(3))
	if !a.DryRun || a.TotalTasksStarted != 0 || len(a.TasksStarted) != 0 || len(a.TasksID.Started) != 0 || a.KeyValues[0].Status != "wouldStore" {
		t.Errorf("want an answer that says nothing was done, got %+v", a)
	}
	for _, e := range s.audit {
		if e.Outcome != Rehearsed && e.Outcome != Denied {
			t.Errorf("want nothing but rehearsals in the audit, got %+v", e)
		}
	}
	if text, _ := json.Marshal(s.starter().Start(t.Context(), caller(), Request{DryRun: true})); !strings.Contains(string(text), `"tasksToStart":[]`) {
		t.Errorf("want an empty list where nothing would be started, got %s", text)
	}
}
