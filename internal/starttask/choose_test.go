package starttask

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"butler/messages"
)

func TestStart_allTaskIDsMustExist(t *testing.T) {
	tests := []struct {
		name    string
		ids     []string
		starts  []string
		denied  int
		invalid int
	}{
		{"all are right", []string{idOf(1), idOf(3)}, []string{idOf(1), idOf(3), idOf(2)}, 0, 0},
		{"one is not found", []string{idOf(1), idB}, []string{idOf(1), idOf(2)}, 1, 1},
		{"one is malformed", []string{"x", idOf(3)}, []string{idOf(1), idOf(2)}, 1, 1},
		{"one is not allowed", []string{idOf(3), idOf(7)}, []string{idOf(3), idOf(1), idOf(2)}, 1, 0},
	}
	filter, bad := NewFilter(AllowList{TaskIDs: []string{strings.ToUpper(idOf(1)), idOf(3), " " + idB, "x"}, Tags: []string{"nightly"}})
	wantTexts(t, "entries that are no IDs", bad, "x")
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := team(t)
			a := s.starter(func(o *Options) { o.Filter, o.MaxConcurrent = filter, 1 }).
				Start(t.Context(), caller(), Request{IDs: tt.ids, Tags: []string{"nightly"}, AllTaskIDsMustExist: true, Form: FormObject})
			wantTexts(t, "starts", s.starts(), tt.starts...)
			if len(a.TasksID.Denied) != tt.denied || len(a.TasksID.Invalid) != tt.invalid || a.Status != http.StatusOK {
				t.Errorf("want %d denied, %d invalid and 200, got %+v, %d", tt.denied, tt.invalid, a.TasksID, a.Status)
			}
		})
	}
}

func TestStart_allowsWhatTheFilterListsPerSelector(t *testing.T) {
	filter, _ := NewFilter(AllowList{TaskIDs: []string{strings.ToUpper(idOf(3))}, Tags: []string{"sales"}, Properties: []messages.Property{teamHR}})
	nothing, _ := NewFilter(AllowList{})
	tests := []struct {
		name    string
		filter  Filter
		request Request
		starts  []string
		denied  []string
	}{
		{"an ID that is listed in another case", filter, Request{PathID: idOf(3)}, []string{idOf(3)}, nil},
		{"an ID that is given in another case", filter, Request{PathID: strings.ToUpper(idOf(3))}, []string{idOf(3)}, nil},
		{"a task by its ID that may be started by its tag alone", filter, Request{IDs: []string{idOf(2)}}, nil, []string{idOf(2)}},
		{"by its tag", filter, Request{Tags: []string{"sales"}}, []string{idOf(2)}, nil},
		{"by both", filter, Request{IDs: []string{idOf(2)}, Tags: []string{"sales"}}, []string{idOf(2)}, []string{idOf(2)}},
		{"a tag in another case", filter, Request{Tags: []string{"Sales"}}, nil, []string{"Sales"}},
		{"a property", filter, Request{Properties: []messages.Property{teamHR}}, []string{idOf(1), idOf(3)}, nil},
		{"another value", filter, Request{Properties: []messages.Property{{Name: "team", Value: "HR"}}}, nil, []string{"team=HR"}},
		{"empty lists", nothing, Request{IDs: []string{idOf(1)}, Tags: []string{"sales"}, Properties: []messages.Property{teamHR}}, nil, []string{idOf(1), "sales", "team=hr"}},
		{"no filter", Filter{}, Request{IDs: []string{idOf(1)}, Tags: []string{"sales"}}, []string{idOf(1), idOf(2)}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := team(t)
			a := s.starter(func(o *Options) { o.Filter, o.MaxConcurrent = tt.filter, 1 }).Start(t.Context(), caller(), tt.request)
			wantTexts(t, "starts", s.starts(), tt.starts...)
			wantTexts(t, "denied", denied(a), tt.denied...)
			if a.Status != http.StatusOK || a.Error != "" {
				t.Errorf("want 200 without an error, got %d, %q", a.Status, a.Error)
			}
			for _, e := range s.audit {
				if e.Outcome == Denied && (e.Reason != notListed || e.Caller.From != "10.0.0.1") {
					t.Errorf("want the denial told with reason and source, got %+v", e)
				}
			}
			for _, d := range tt.denied {
				for _, call := range s.diary {
					if call == "ids "+d || call == "tag "+d || call == "property "+d {
						t.Errorf("what is denied was asked for: %s", call)
					}
				}
			}
		})
	}
}

func TestStart_holdsTheTagsOfTheCredentials(t *testing.T) {
	tests := []struct {
		name    string
		request Request
		starts  []string
		denied  []string
	}{
		{"its tag", Request{Tags: []string{"sales"}}, []string{idOf(2)}, nil},
		{"a tag that other tasks have, too", Request{Tags: []string{"nightly"}}, []string{idOf(2)}, []string{"nightly"}},
		{"an ID of a task with the tag", Request{PathID: idOf(2)}, []string{idOf(2)}, nil},
		{"an ID of a task without it", Request{PathID: idOf(1)}, nil, []string{idOf(1)}},
		{"a property of other tasks", Request{Properties: []messages.Property{teamHR}}, nil, []string{"team=hr"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := team(t)
			a := s.starter().Start(t.Context(), caller("sales", "other"), tt.request)
			wantTexts(t, "starts", s.starts(), tt.starts...)
			wantTexts(t, "denied", denied(a), tt.denied...)
		})
	}
}

func TestStart_tellsWhatCouldNotBeLookedUp(t *testing.T) {
	down, refused, odd := errDown, answerError{messages.FailureRejected, 400}, answerError{messages.FailureInvalid, 200}
	tests := []struct {
		name   string
		call   string // what goes wrong
		err    error
		status int
		starts []string
		title  string
	}{
		{"an ID, unreachable", "ids", down, 200, []string{idOf(2)}, "Not every task ID could be looked up"},
		{"an ID, refused", "ids", refused, 200, []string{idOf(2)}, "Not every task ID could be looked up"},
		{"a tag, unreachable", "tag", down, 500, nil, "Internal Server Error"},
		{"a tag, too slow", "tag", answerError{messages.FailureTimeout, 0}, 500, nil, "Internal Server Error"},
		{"a tag, no error of ours", "tag", context.DeadlineExceeded, 500, nil, "Internal Server Error"},
		{"a tag, refused", "tag", refused, 200, []string{idOf(1)}, `The tasks with the tag "sales" could not be looked up`},
		{"a tag, an internal error of theirs", "tag", answerError{messages.FailureUnavailable, 500}, 200, []string{idOf(1)}, `The tasks with the tag "sales" could not be looked up`},
		{"a property, odd", "property", odd, 200, []string{idOf(1), idOf(2)}, `The tasks with the value "x" of the custom property "team" could not be looked up`},
		{"a property, unreachable", "property", down, 500, nil, "Internal Server Error"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := team(t)
			s.fail = func(_ context.Context, call string) error {
				if strings.HasPrefix(call, tt.call) {
					return tt.err
				}
				return nil
			}
			a := s.starter(func(o *Options) { o.MaxConcurrent = 1 }).Start(t.Context(), caller(), Request{
				IDs: []string{idOf(1)}, Tags: []string{"sales"}, Properties: []messages.Property{{Name: "team", Value: "x"}},
			})
			wantTexts(t, "starts", s.starts(), tt.starts...)
			if a.Status != tt.status || a.Error != tt.title || a.Details == "" {
				t.Errorf("want %d %q with details, got %d %q %q", tt.status, tt.title, a.Status, a.Error, a.Details)
			}
			if tt.call == "ids" && (len(a.TasksID.Invalid) != 1 || len(a.TasksNotFound) != 0) {
				t.Errorf("want the ID invalid, but not unknown, got %+v, %v", a.TasksID, a.TasksNotFound)
			}
			if text, _ := json.Marshal(a); strings.Contains(string(text), "secret.internal") {
				t.Errorf("the answer tells of hosts: %s", text)
			}
			if !slices.ContainsFunc(s.audit, func(e Event) bool { return e.Action == SelectTasks && e.Outcome == Failed && e.Err != nil }) {
				t.Errorf("want the audit to know the error, got %+v", s.audit)
			}
		})
	}
}

func TestStart_refusesToStartTooMuch(t *testing.T) {
	s := team(t)
	a := s.starter(func(o *Options) { o.MaxTasks = 1 }).Start(t.Context(), caller(), Request{Tags: []string{"nightly"}})
	if a.Status != http.StatusBadRequest || len(s.starts()) != 0 || !strings.Contains(a.Message, "selects 2 tasks") {
		t.Errorf("want 400 and no start, got %d, %q, %q", a.Status, s.starts(), a.Message)
	}
	a = s.starter(func(o *Options) { o.MaxTasks = 2 }).Start(t.Context(), caller(), Request{Tags: []string{"nightly"}})
	if a.Status != http.StatusOK || len(s.starts()) != 2 {
		t.Errorf("want as many started as may be, got %d, %q", a.Status, s.starts())
	}
}

func TestStart_asksForManyIDsInBatches(t *testing.T) {
	s := newSite(t)
	var ids []string
	for i := range 99 {
		s.tasks = append(s.tasks, task(idOf(i), idOf(i)))
		ids = append(ids, idOf(i))
	}
	a := s.starter().Start(t.Context(), caller(), Request{IDs: ids})
	if got := len(s.calls("ids ")); got != 2 || a.TotalTasksStarted != 99 {
		t.Errorf("want 2 look-ups and 99 starts, got %d, %d", got, a.TotalTasksStarted)
	}
}
