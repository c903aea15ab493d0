package starttask

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"

	"butler/internal/apikey"
	"butler/internal/qlik"
	"butler/messages"
)

// site is a small Qlik Sense, and a key-value store, that keep a diary.
type site struct {
	*testing.T
	mu    sync.Mutex
	tasks []messages.Task
	// fail is asked before every call; the text is the call as the diary has it.
	fail  func(ctx context.Context, call string) error
	diary []string
	audit []Event
	// running and highest count calls at once.
	running, highest int
}

func newSite(t *testing.T, tasks ...messages.Task) *site {
	return &site{T: t, tasks: tasks, fail: func(context.Context, string) error { return nil }}
}

func task(id, name string, tags ...string) messages.Task {
	return messages.Task{Known: true, ID: id, Name: name, Tags: tags, LastStatus: qlik.StatusFinishedSuccess, LastResultID: "before-" + name}
}

func withProperty(t messages.Task, name, value string) messages.Task {
	t.CustomProperties = append(t.CustomProperties, messages.Property{Name: name, Value: value})
	return t
}

func (s *site) note(ctx context.Context, call string) error {
	s.mu.Lock()
	s.diary = append(s.diary, call)
	s.running++
	s.highest = max(s.highest, s.running)
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.running--
	}()
	return s.fail(ctx, call)
}

func (s *site) matching(want func(messages.Task) bool) []messages.Task {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(s.tasks), func(t messages.Task) bool { return !want(t) })
}

func (s *site) edit(id string, edit func(*messages.Task)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.tasks {
		if s.tasks[i].ID == id {
			edit(&s.tasks[i])
		}
	}
}

func (s *site) Tasks(ctx context.Context, ids ...string) ([]messages.Task, error) {
	if err := s.note(ctx, "ids "+strings.Join(ids, " ")); err != nil {
		return nil, err
	}
	return s.matching(func(t messages.Task) bool {
		return slices.ContainsFunc(ids, func(id string) bool { return strings.EqualFold(id, t.ID) })
	}), nil
}

func (s *site) TasksByTag(ctx context.Context, tag string) ([]messages.Task, error) {
	if err := s.note(ctx, "tag "+tag); err != nil {
		return nil, err
	}
	return s.matching(func(t messages.Task) bool { return slices.Contains(t.Tags, tag) }), nil
}

func (s *site) TasksByCustomProperty(ctx context.Context, name, value string) ([]messages.Task, error) {
	if err := s.note(ctx, "property "+name+"="+value); err != nil {
		return nil, err
	}
	return s.matching(func(t messages.Task) bool { return t.HasProperty(name, value) }), nil
}

func (s *site) StartTask(ctx context.Context, id string) error { return s.note(ctx, "start "+id) }

func (s *site) Put(ctx context.Context, in messages.PutValue) (messages.PutValueReply, error) {
	err := s.note(ctx, "put "+in.Namespace+"/"+in.Key+"="+in.Value+" "+in.TTL.String())
	if refused, ok := errors.AsType[refusal](err); ok {
		return messages.PutValueReply{Failure: messages.Failure(refused)}, nil
	}
	return messages.PutValueReply{}, err
}

// refusal is what the store refuses, as opposed to how it breaks.
type refusal messages.Failure

func (refusal) Error() string { return "refused" }

func (s *site) starter(change ...func(*Options)) *Starter {
	o := Options{Repository: s, KeyValues: s, Audit: func(e Event) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.audit = append(s.audit, e)
	}}
	for _, c := range change {
		c(&o)
	}
	return New(o)
}

// starts returns which tasks were started, in order.
func (s *site) starts() []string { return s.calls("start ") }

func (s *site) calls(prefix string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []string
	for _, call := range s.diary {
		if rest, ok := strings.CutPrefix(call, prefix); ok {
			out = append(out, rest)
		}
	}
	return out
}

func caller(tags ...string) Caller {
	return Caller{Principal: apikey.Principal{Name: "etl", Scopes: []apikey.Scope{apikey.Start, apikey.KV}, Tags: tags}, Way: ByREST, From: "10.0.0.1"}
}

// answerError is an error that knows the HTTP status, as *qrs.Error does.
type answerError struct {
	kind   messages.FailureKind
	status int
}

func (answerError) Error() string               { return "endpoint: secret.internal" }
func (e answerError) Status() int               { return e.status }
func (e answerError) Failure() messages.Failure { return messages.Failure{Kind: e.kind} }

var errDown = answerError{messages.FailureUnavailable, 0}

// idOf returns an ID that ends in n.
func idOf(n int) string {
	const digits = "0123456789"
	return "5b0c1f0e-7a55-4e0b-9a40-0000000000" + string([]byte{digits[n/10%10], digits[n%10]})
}

// team is a site with three tasks of the team hr, two of which run every night.
func team(t *testing.T) *site {
	return newSite(t,
		withProperty(task(idOf(1), "Load HR", "nightly"), "team", "hr"),
		task(idOf(2), "Load Sales", "nightly", "sales"),
		withProperty(task(idOf(3), "Load Plan"), "team", "hr"),
	)
}

var teamHR = messages.Property{Name: "team", Value: "hr"}

func names(list []TaskName) []string {
	var out []string
	for _, n := range list {
		out = append(out, n.Name)
	}
	return out
}

func started(a Answer) []string {
	var out []string
	for _, s := range a.TasksStarted {
		out = append(out, s.Name)
	}
	return out
}

func wantTexts(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(want, got) {
		t.Errorf("%s: want %q, got %q", what, want, got)
	}
}

// denied lists what the answer says was denied.
func denied(a Answer) []string {
	var out []string
	for _, d := range a.TasksID.Denied {
		out = append(out, d.TaskID)
	}
	for _, d := range a.TasksTagDenied {
		out = append(out, d.Tag)
	}
	for _, d := range a.TasksCPDenied {
		out = append(out, d.Name+"="+d.Value)
	}
	return out
}
