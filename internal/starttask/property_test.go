package starttask

import (
	"context"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"butler/messages"
)

// TestStart_property holds Start against the specification in its plainest
// words, for any site, request, filter, credentials and failures.
func TestStart_property(t *testing.T) {
	tags := []string{"nightly", "sales", "hr", "Nightly"}
	properties := []messages.Property{{Name: "team", Value: "hr"}, {Name: "team", Value: "it"}, {Name: "unit", Value: "hr"}}
	rapid.Check(t, func(r *rapid.T) {
		s := newSite(t)
		for i := range rapid.IntRange(0, 8).Draw(r, "tasks") {
			one := task(idOf(i), idOf(i), some(r, tags, "tags")...)
			one.CustomProperties = some(r, properties, "properties")
			s.tasks = append(s.tasks, one)
		}
		ids := []string{idOf(0), idOf(1), idOf(2), idOf(3), idOf(50), "no ID"}
		request := Request{
			IDs: some(r, ids, "IDs"), Tags: some(r, tags, "tags asked"), Properties: some(r, properties, "properties asked"),
			AllTaskIDsMustExist: rapid.Bool().Draw(r, "all must exist"), DryRun: rapid.Bool().Draw(r, "dry run"), Form: FormArray,
		}
		filter := Filter{}
		if rapid.Bool().Draw(r, "filter") {
			filter, _ = NewFilter(AllowList{TaskIDs: some(r, ids, "IDs allowed"), Tags: some(r, tags, "tags allowed"), Properties: some(r, properties, "properties allowed")})
		}
		var bound []string
		if rapid.Bool().Draw(r, "bound") {
			bound = tags[1:2]
		}
		failing := some(r, []string{"start " + idOf(0), "start " + idOf(1), "start " + idOf(4)}, "failing")
		s.fail = func(_ context.Context, call string) error {
			if slices.Contains(failing, call) {
				return errDown
			}
			return nil
		}
		who := caller(bound...)
		answer := s.starter(func(o *Options) { o.Filter = filter }).Start(t.Context(), who, request)

		var want []string
		for _, one := range s.tasks {
			if wanted(one, request, filter, who, s.tasks) {
				want = append(want, one.ID)
			}
		}
		got := s.starts()
		if request.DryRun {
			if len(got) > 0 {
				r.Fatalf("a dry run started %q", got)
			}
			for _, p := range answer.TasksToStart {
				got = append(got, p.TaskID)
			}
		}
		slices.Sort(got)
		if !slices.Equal(want, got) {
			r.Fatalf("want each of %q once, got %q", want, got)
		}
		failed := slices.DeleteFunc(slices.Clone(want), func(id string) bool { return !slices.Contains(failing, "start "+id) })
		if !request.DryRun && (answer.TotalTasksStarted != len(want)-len(failed) || len(answer.TasksFailed) != len(failed)) {
			r.Fatalf("want %d started and %d failed, got %+v", len(want)-len(failed), len(failed), answer)
		}
		wantAllTold(r, request, answer)
	})
}

func some[T any](r *rapid.T, from []T, what string) []T {
	return rapid.SliceOfN(rapid.SampledFrom(from), 0, len(from)+1).Draw(r, what)
}

// wanted says whether a task is to be started: some selector that is allowed
// finds it, and the credentials extend to it.
func wanted(t messages.Task, r Request, f Filter, c Caller, all []messages.Task) bool {
	if len(c.Tags) > 0 && !slices.ContainsFunc(t.Tags, func(tag string) bool { return slices.Contains(c.Tags, tag) }) {
		return false
	}
	for _, tag := range r.Tags {
		if f.AllowsTag(tag) && slices.Contains(t.Tags, tag) {
			return true
		}
	}
	for _, p := range r.Properties {
		if f.AllowsProperty(p) && t.HasProperty(p.Name, p.Value) {
			return true
		}
	}
	if !slices.Contains(r.IDs, t.ID) || !f.AllowsID(t.ID) {
		return false
	}
	return !r.AllTaskIDsMustExist || !slices.ContainsFunc(r.IDs, func(id string) bool {
		exists := slices.ContainsFunc(all, func(t messages.Task) bool { return t.ID == id })
		return id == "no ID" || f.AllowsID(id) && !exists
	})
}

// wantAllTold checks that no ID is lost: each is started, failed, invalid or denied.
func wantAllTold(r *rapid.T, request Request, a Answer) {
	told := map[string]bool{}
	for _, n := range a.TasksID.Started {
		told[n.TaskID] = true
	}
	for _, n := range a.TasksFailed {
		told[n.TaskID] = true
	}
	for _, n := range a.TasksToStart {
		told[n.TaskID] = true
	}
	for _, n := range slices.Concat(a.TasksID.Invalid, a.TasksID.Denied) {
		if told[n.TaskID] && !slices.Contains(startedOtherwise(a), n.TaskID) {
			r.Fatalf("%s is told of twice: %+v", n.TaskID, a)
		}
		told[n.TaskID] = true
	}
	for _, id := range request.IDs {
		if !told[id] {
			r.Fatalf("nothing is told of %s: %+v", id, a)
		}
	}
}

// startedOtherwise lists what another selector than an ID may have started, or tried to.
func startedOtherwise(a Answer) []string {
	var out []string
	for _, n := range a.TasksFailed {
		out = append(out, n.TaskID)
	}
	for _, n := range a.TasksToStart {
		out = append(out, n.TaskID)
	}
	return out
}
