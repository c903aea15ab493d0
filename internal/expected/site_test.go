package expected_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"butler/internal/destination"
	"butler/internal/expected"
	"butler/internal/qlik/qrs"
	"butler/messages"
)

// definitions are all custom properties of a repository.
type definitions []qrs.PropertyDefinition

func (d definitions) CustomPropertyDefinitions(_ context.Context, objectType string) ([]qrs.PropertyDefinition, error) {
	return slices.DeleteFunc(slices.Clone(d), func(one qrs.PropertyDefinition) bool { return !slices.Contains(one.ObjectTypes, objectType) }), nil
}

func (definitions) Named(context.Context, string, ...string) ([]qrs.Reference, error) {
	return nil, nil
}

func (d definitions) AllCustomPropertyDefinitions(context.Context) ([]qrs.PropertyDefinition, error) {
	return d, nil
}

// site are objects by their kind; it may not be asked for others.
type site map[string][]qrs.Reference

var errForbidden = errors.New("forbidden")

func (s site) Named(_ context.Context, kind string, _ ...string) ([]qrs.Reference, error) {
	if known, ok := s[kind]; ok {
		return known, nil
	}
	if kind == "app" {
		return nil, nil
	}
	return nil, errForbidden
}

func (site) CustomPropertyDefinitions(context.Context, string) ([]qrs.PropertyDefinition, error) {
	return nil, errForbidden
}

func (site) AllCustomPropertyDefinitions(context.Context) ([]qrs.PropertyDefinition, error) {
	return nil, errForbidden
}

var repository = definitions{
	{Name: "Alert", ObjectTypes: []string{"ReloadTask"}, ChoiceValues: []string{"Yes", "No"}},
	{Name: "Account", ObjectTypes: []string{"ReloadTask"}, ChoiceValues: []string{"Finance", "Sales"}},
	{Name: "Free", ObjectTypes: []string{"ReloadTask"}},
	{Name: "Department", ObjectTypes: []string{"App"}},
}

// none reads a configuration without routes.
func none(string, any) error { return nil }

func TestCompare_tellsWhatCannotBeAsItIsExpected(t *testing.T) {
	for name, row := range map[string]struct {
		of           destination.Property
		missing, odd []string
	}{
		"one with a value it can have": {of: destination.Property{Path: "a.b", Name: "Alert", Value: "Yes"}},
		"one that does not exist":      {of: destination.Property{Path: "a.b", Name: "Alarm"}, missing: []string{`a.b: reload tasks have no custom property "Alarm"`}},
		"one of apps alone":            {of: destination.Property{Path: "a.b", Name: "Department"}, missing: []string{`a.b: reload tasks have no custom property "Department"`}},
		"a value it cannot have":       {of: destination.Property{Path: "a.b", Name: "Alert", Value: "yes"}, missing: []string{`a.b: "yes" is not a value of the custom property "Alert"`}},
		"values that mean nothing": {
			of:  destination.Property{Path: "a.b", Name: "Account", Values: []string{"Finance"}},
			odd: []string{`a.b: the custom property "Account" offers "Sales", which the configuration does not know`},
		},
		"none to choose from": {
			of:  destination.Property{Path: "a.b", Name: "Free", Values: []string{"Finance"}},
			odd: []string{`a.b: the custom property "Free" offers no values to choose from`},
		},
	} {
		built := destination.Built{Instance: destination.Instance{Properties: []destination.Property{row.of}}}
		site, err := expected.SiteOf(none, []destination.Built{built, built}) // two instances may come of one key
		if err != nil {
			t.Fatal(err)
		}
		want := []expected.Look{{Subject: "custom properties", Missing: row.missing, Odd: row.odd}}
		if diff := cmp.Diff(want, site.Compare(t.Context(), repository)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// routes reads a configuration with one route.
func routes(match destination.Match) destination.Decode {
	return func(section string, into any) error {
		if out, ok := into.(*[]destination.Route); ok && section == "routes" {
			*out = []destination.Route{{Name: "finance", Match: match}}
		}
		return nil
	}
}

func TestCompare_looksForWhatRoutesName(t *testing.T) {
	const task, stream = "8f2a0c51-71d2-4a0e-9d5f-2b9be1f0a111", "0b6c2a4e-0f5c-4d55-8a55-6d1c6a2c9222"
	from := site{"task": {{ID: task, Name: "Sales"}}, "stream": {{ID: stream, Name: "Everyone"}}, "tag": {{ID: "x", Name: "Finance"}}}
	for name, row := range map[string]struct {
		match destination.Match
		want  []expected.Look
	}{
		"all are there": {
			destination.Match{
				TaskTags: []string{"Finance"}, AppTags: []string{"Finance"}, Streams: []string{"Everyone", strings.ToUpper(stream)},
				Tasks: []string{"Sales", strings.ToUpper(task)},
			},
			[]expected.Look{{Subject: "tags"}, {Subject: "streams"}, {Subject: "tasks"}},
		},
		"a tag in another letter case, and one by its ID": {
			destination.Match{TaskTags: []string{"Finance", "finance"}, AppTags: []string{"x"}},
			[]expected.Look{{Subject: "tags", Missing: []string{
				`routes[0].match.taskTags[1]: there is no tag "finance" that the user sees`,
				`routes[0].match.appTags[0]: there is no tag "x" that the user sees`,
			}}},
		},
		"a task and an app that are gone": {
			destination.Match{Tasks: []string{"Sales", "Purchase"}, Apps: []string{"Sales"}},
			[]expected.Look{
				{Subject: "tasks", Odd: []string{`routes[0].match.tasks[1]: there is no task "Purchase" that the user sees`}},
				{Subject: "apps", Odd: []string{`routes[0].match.apps[0]: there is no app "Sales" that the user sees`}},
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			all, err := expected.SiteOf(routes(row.match), nil)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(row.want, all.Compare(t.Context(), from)); diff != "" {
				t.Errorf("looks (-want +got):\n%s", diff)
			}
		})
	}
}

// What cannot be asked for says nothing, and keeps nothing else from being looked for.
func TestCompare_tellsWhichSubjectItCouldNotLookFor(t *testing.T) {
	all, err := expected.SiteOf(routes(destination.Match{
		TaskTags: []string{"Finance"}, Streams: []string{"Nobody"}, TaskCustomProperties: []messages.Property{{Name: "Alert", Value: "Yes"}},
	}), nil)
	if err != nil {
		t.Fatal(err)
	}
	got := all.Compare(t.Context(), site{"stream": {}})
	if len(got) != 3 || got[0].Err == nil || got[1].Err == nil || got[1].Missing != nil || got[2].Err != nil || len(got[2].Missing) != 1 {
		t.Errorf("want only the streams looked for, got %+v", got)
	}
}

// A route for reloads in Qlik Cloud names apps of the tenant.
func TestSiteOf_appsOfATenantAreNotExpectedOfTheSite(t *testing.T) {
	for name, row := range map[string]struct {
		events  []string
		watched bool
		want    int
	}{
		"reloads in Qlik Cloud":               {[]string{"cloud_app_reload_failed"}, true, 0},
		"the same, which are not watched now": {[]string{"cloud_app_reload_failed"}, false, 0},
		"any event":                           {nil, true, 0},
		"any event without a tenant":          {nil, false, 1},
		"failed tasks":                        {[]string{"failed"}, true, 1},
	} {
		decode := routes(destination.Match{Events: row.events, Apps: []string{"of the tenant"}})
		all, err := expected.SiteOf(func(section string, into any) error {
			if enabled, ok := into.(*bool); ok && section == "qlikSenseCloud.enable" {
				*enabled = row.watched
			}
			return decode(section, into)
		}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := all.Compare(t.Context(), site{}); len(got) != row.want {
			t.Errorf("%s: want %d subjects looked for, got %+v", name, row.want, got)
		}
	}
}

func TestSiteOf_mayExpectNothing(t *testing.T) {
	all, err := expected.SiteOf(none, []destination.Built{{}})
	if err != nil || !all.Nothing() {
		t.Errorf("want nothing, got %v, %v", all, err)
	}
	if all, err = expected.SiteOf(routes(destination.Match{Apps: []string{"a"}}), nil); err != nil || all.Nothing() {
		t.Errorf("want an app, got %v, %v", all, err)
	}
}
