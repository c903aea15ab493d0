package destination_test

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"butler/internal/destination"
	"butler/messages"
)

func TestKindOf_readsTheKindThroughEveryWrapping(t *testing.T) {
	base := errors.New("the provider said no")
	rows := map[string]struct {
		err   error
		kind  destination.ErrorKind
		after time.Duration
	}{
		"plain error":         {base, destination.Transient, 0},
		"nil":                 {nil, destination.Transient, 0},
		"permanent":           {destination.Permanent(base), destination.PermanentKind, 0},
		"misconfigured":       {destination.Misconfigured(base), destination.MisconfiguredKind, 0},
		"throttled":           {destination.Throttled(base, 7*time.Second), destination.ThrottledKind, 7 * time.Second},
		"throttled, no delay": {destination.Throttled(base, 0), destination.ThrottledKind, 0},
		"wrapped":             {fmt.Errorf("deliver: %w", destination.Permanent(base)), destination.PermanentKind, 0},
		"joined":              {errors.Join(io.EOF, destination.Misconfigured(base)), destination.MisconfiguredKind, 0},
		"outermost kind wins": {destination.Permanent(destination.Throttled(base, time.Second)), destination.PermanentKind, 0},
	}
	for name, row := range rows {
		t.Run(name, func(t *testing.T) {
			if kind, after := destination.KindOf(row.err); kind != row.kind || after != row.after {
				t.Errorf("got kind %d after %v, want kind %d after %v", kind, after, row.kind, row.after)
			}
		})
	}
}

func TestError_readsAsItsCause(t *testing.T) {
	base := errors.New("the provider said no")
	for _, err := range []error{destination.Permanent(base), destination.Misconfigured(base), destination.Throttled(base, time.Second)} {
		if err.Error() != base.Error() || !errors.Is(err, base) {
			t.Errorf("got %q, want it to read and compare as its cause", err)
		}
	}
}

// drawNeeds draws any needs.
func drawNeeds(t *rapid.T) destination.Needs {
	return destination.Needs{
		Task: rapid.Bool().Draw(t, "task"), App: rapid.Bool().Draw(t, "app"), Owner: rapid.Bool().Draw(t, "owner"),
		Execution: rapid.Bool().Draw(t, "execution"), FinalState: rapid.Bool().Draw(t, "final"),
		ScriptHead: rapid.IntRange(0, 50).Draw(t, "head"), ScriptTail: rapid.IntRange(0, 50).Draw(t, "tail"),
		FullScriptLog: rapid.Bool().Draw(t, "full"),
	}
}

func TestNeeds_unionIsWhatEitherNeeds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := drawNeeds(t), drawNeeds(t)
		union := a.Or(b)
		if union != b.Or(a) || union.Or(a) != union || a.Or(destination.Needs{}) != a {
			t.Errorf("%+v and %+v: the union %+v is no union", a, b, union)
		}
		if union.ScriptLog() != (a.ScriptLog() || b.ScriptLog()) {
			t.Errorf("%+v and %+v: script log is %t", a, b, union.ScriptLog())
		}
		if union.ScriptTail < a.ScriptTail || union.ScriptTail < b.ScriptTail || union.ScriptHead < a.ScriptHead {
			t.Errorf("%+v and %+v: too few lines in %+v", a, b, union)
		}
	})
}

func TestSelection_nobodyHasAReason(t *testing.T) {
	want := destination.Selection{Reason: "the task has no property X"}
	if diff := cmp.Diff(want, destination.Nobody("the task has no property %s", "X")); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{""}, destination.Everyone().Recipients); diff != "" {
		t.Error(diff)
	}
}

// sampleSection is the configuration of the destination below.
type sampleSection struct {
	Off   bool
	Names []string
}

func sampleSpec() destination.Spec[sampleSection, string] {
	return destination.Spec[sampleSection, string]{
		Section: "sample", Route: "sample", Schema: []byte("- {key: sample}"),
		Enabled: func(c sampleSection) bool { return !c.Off }, Address: func(s string) []string { return []string{s} },
		Uses: func(c sampleSection) []destination.Use[string] {
			var out []destination.Use[string]
			for i, name := range c.Names {
				out = append(out, destination.Use[string]{
					Name: name, Path: fmt.Sprintf("sample.names[%d]", i), Kinds: []messages.AlertKind{failed}, Settings: name,
				})
			}
			return out
		},
		Check: func(c sampleSection, _ destination.Deps) destination.Problems {
			var p destination.Problems
			if slices.Contains(c.Names, "poison") {
				p.Wrong("sample.server", "is missing", "")
			}
			return p
		},
		CheckUse: func(_ sampleSection, u destination.Use[string], _ destination.Deps) destination.Problems {
			var p destination.Problems
			switch u.Settings {
			case "wrong":
				p.Wrong("host", "is no host", "write a name")
			case "odd":
				p.Warn("", "is odd", "")
			}
			return p
		},
		Expand: func(_ sampleSection, u destination.Use[string]) []destination.Use[string] {
			first, second, double := strings.Cut(u.Settings, "+")
			if !double {
				return []destination.Use[string]{u}
			}
			one, two := u, u
			one.Name, two.Name = u.Name+"/"+first, u.Name+"/"+second
			return []destination.Use[string]{one, two}
		},
		Instance: func(sampleSection, destination.Use[string]) destination.Instance { return destination.Instance{} },
		New: func(_ sampleSection, u destination.Use[string], _ destination.Deps) (destination.Destination, error) {
			if u.Settings == "broken" {
				return nil, errors.New("no such file")
			}
			return nil, nil
		},
	}
}

// names returns a configuration of the sample with these names and no routes.
func names(list ...string) destination.Decode { return configured(sampleSection{Names: list}, nil) }

// configured returns a configuration of the sample, with routes whose entries for it are given.
func configured(section sampleSection, routes []destination.Route, entries ...[]string) destination.Decode {
	return func(path string, into any) error {
		switch into := into.(type) {
		case *sampleSection:
			*into = section
		case *[]destination.Route:
			*into = slices.Clone(routes)
		case *[][]string:
			*into = entries
		default:
			return fmt.Errorf("%s was read into %T", path, into)
		}
		return nil
	}
}

// built lists the names, integrations and paths of what a configuration builds.
func builtOf(t *testing.T, decode destination.Decode) []string {
	t.Helper()
	built, err := destination.Define("sample", sampleSpec()).Build(decode, nopDeps())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, b := range built {
		i := b.Instance
		got = append(got, fmt.Sprintf("%s of %s at %s for %d kinds", i.Name, i.Integration, i.Path, len(i.Kinds)))
	}
	return got
}

func TestDefine_buildsEveryUse(t *testing.T) {
	routes := []destination.Route{{Name: "night"}, {Name: "quiet"}, {Name: "day", Match: destination.Match{Events: []string{"failed"}}}}
	got := builtOf(t, configured(sampleSection{Names: []string{"b", "x+y"}}, routes, []string{"one", "two"}, nil, []string{"three"}))
	all, failures := len(messages.AllKinds())-2, 5 // two are readings
	want := []string{
		"sample/b of sample at sample.names[0] for 1 kinds",
		"sample/x+y/x of sample at sample.names[1] for 1 kinds",
		"sample/x+y/y of sample at sample.names[1] for 1 kinds",
		fmt.Sprintf("sample/routes/night of sample at routes[0].sample[0] for %d kinds", all),
		fmt.Sprintf("sample/routes/night/2 of sample at routes[0].sample[1] for %d kinds", all),
		fmt.Sprintf("sample/routes/day of sample at routes[2].sample[0] for %d kinds", failures),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestDefine_aRouteNeedsTheMasterSwitch(t *testing.T) {
	decode := configured(sampleSection{Off: true}, []destination.Route{{Name: "night"}}, []string{"one"})
	if got := builtOf(t, decode); len(got) > 0 {
		t.Errorf("want nothing built, got %v", got)
	}
	got, err := destination.Define("sample", sampleSpec()).Check(decode, nopDeps())
	want := destination.Problems{{
		Path: "routes[0].sample", Reason: "has no effect, because sample.enable is false", Suggestion: "set sample.enable to true", Warning: true,
	}}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Error(err, diff)
	}
}

func TestDefine_aRouteBringsWhatTheDestinationCanCarry(t *testing.T) {
	spec := sampleSpec()
	spec.RouteKinds = []messages.AlertKind{failed}
	definition := destination.Define("sample", spec)
	routes := []destination.Route{{Name: "all"}, {Name: "other", Match: destination.Match{Events: []string{"succeeded"}}}}
	decode := configured(sampleSection{}, routes, []string{"one"}, []string{"two"})
	built, err := definition.Build(decode, nopDeps())
	if err != nil || len(built) != 1 || !cmp.Equal(built[0].Instance.Kinds, spec.RouteKinds) {
		t.Errorf("want one instance of one kind, got %+v, %v", built, err)
	}
	problems, err := definition.Check(decode, nopDeps())
	if err != nil || len(problems) != 1 || problems[0].Path != "routes[1].sample" || !problems[0].Warning {
		t.Errorf("want a warning about the second, got %v, %v", problems, err)
	}
}

func TestDefine_saysWhyItCannotBuild(t *testing.T) {
	definition := destination.Define("sample", sampleSpec())
	for name, row := range map[string]struct {
		decode destination.Decode
		want   string
	}{
		"unreadable section": {func(string, any) error { return errors.New("line 3 is no YAML") }, "read section sample: line 3 is no YAML"},
		"wrong settings":     {names("a", "wrong"), "set up sample/wrong: sample.names[1].host: is no host (write a name)"},
		"wrong file":         {names("a", "broken"), "set up sample/broken: no such file"},
	} {
		if _, err := definition.Build(row.decode, nopDeps()); err == nil || err.Error() != row.want {
			t.Errorf("%s: got %v, want %s", name, err, row.want)
		}
	}
}

func TestCheck_listsEverythingBelowTheRoot(t *testing.T) {
	definition := destination.Define("sample", sampleSpec())
	got, err := definition.Check(configured(
		sampleSection{Names: []string{"wrong", "odd", "a", "wrong"}}, []destination.Route{{Name: "night"}}, []string{"wrong"},
	), nopDeps())
	if err != nil {
		t.Fatal(err)
	}
	want := destination.Problems{
		{Path: "sample.names[0].host", Reason: "is no host", Suggestion: "write a name"},
		{Path: "sample.names[1]", Reason: "is odd", Warning: true},
		{Path: "sample.names[3].host", Reason: "is no host", Suggestion: "write a name"},
		{Path: "routes[0].sample[0].host", Reason: "is no host", Suggestion: "write a name"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestBuild_leavesOutWhatIsWrongAndNothingElse(t *testing.T) {
	definition := destination.Define("sample", sampleSpec())
	for name, row := range map[string]struct{ configured, built []string }{
		"one is wrong":            {[]string{"a", "wrong", "b"}, []string{"sample/a", "sample/b"}},
		"a warning costs nothing": {[]string{"a", "odd"}, []string{"sample/a", "sample/odd"}},
		"what all share is wrong": {[]string{"a", "poison"}, nil},
	} {
		built, err := definition.Build(names(row.configured...), nopDeps())
		var got []string
		for _, b := range built {
			got = append(got, b.Instance.Name)
		}
		if diff := cmp.Diff(row.built, got); diff != "" || (err == nil) != (len(got) == len(row.configured)) {
			t.Errorf("%s: error %v, built (-want +got):\n%s", name, err, diff)
		}
	}
}

func TestDefine_panicsOnNonsense(t *testing.T) {
	for name, spoil := range map[string]func(*destination.Spec[sampleSection, string]){
		"no section":       func(s *destination.Spec[sampleSection, string]) { s.Section = "" },
		"no schema":        func(s *destination.Spec[sampleSection, string]) { s.Schema = nil },
		"no uses":          func(s *destination.Spec[sampleSection, string]) { s.Uses = nil },
		"no instance":      func(s *destination.Spec[sampleSection, string]) { s.Instance = nil },
		"no New":           func(s *destination.Spec[sampleSection, string]) { s.New = nil },
		"no master switch": func(s *destination.Spec[sampleSection, string]) { s.Enabled = nil },
		"no address":       func(s *destination.Spec[sampleSection, string]) { s.Address = nil },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if text := fmt.Sprint(recover()); !strings.HasPrefix(text, "BUG: ") {
					t.Errorf("got %s, want a panic that names the bug", text)
				}
			}()
			spec := sampleSpec()
			spoil(&spec)
			destination.Define("sample", spec)
		})
	}
}

func TestUnknownName_suggestsWhatIsMeant(t *testing.T) {
	known := []string{"email/reload_task_failed", "webhook/reload_task_failed/1", "webhook/routes/finance"}
	for name, want := range map[string]string{
		"emial":                     "(did you mean email?)",
		"webhok/reload_task_failed": "(did you mean webhook/reload_task_failed/1?)",
		"webhook/routes/finanse":    "(did you mean webhook/routes/finance?)",
		"slack":                     `called "slack"; there are email`,
		"slack/reload_task_failed":  `called "slack/reload_task_failed"; there are email`,
		"webhook/nothing":           `called "webhook/nothing"; there are email`,
	} {
		if err := destination.UnknownName(name, known); !strings.Contains(err.Error(), want) {
			t.Errorf("%s: want %q, got %v", name, want, err)
		}
	}
	if err := destination.UnknownName("email", nil); !strings.HasSuffix(err.Error(), "there are none") {
		t.Errorf("want the error to say that there are none, got %v", err)
	}
}
