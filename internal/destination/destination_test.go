package destination_test

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"butler/internal/destination"
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
type sampleSection struct{ Names []string }

func sampleSpec() destination.Spec[sampleSection] {
	return destination.Spec[sampleSection]{
		Section: "sample", Schema: []byte("- {key: sample}"),
		Check: func(c sampleSection, _ destination.Deps) destination.Problems {
			var p destination.Problems
			for i, name := range c.Names {
				switch name {
				case "wrong":
					p.Wrong(fmt.Sprintf("names[%d].host", i), "is no host", "write a name")
				case "odd":
					p.Warn(fmt.Sprintf("names[%d]", i), "is odd", "")
				case "poison":
					p.Wrong("server", "is missing", "")
				}
			}
			return p
		},
		Instances: func(c sampleSection) []destination.Instance {
			var out []destination.Instance
			for i, name := range c.Names {
				out = append(out, destination.Instance{Name: "sample/" + name, Path: fmt.Sprintf("names[%d]", i)})
			}
			return out
		},
		New: func(_ sampleSection, i destination.Instance, _ destination.Deps) (destination.Destination, error) {
			if i.Name == "sample/broken" {
				return nil, errors.New("no such file")
			}
			return nil, nil
		},
	}
}

func TestDefine_buildsEveryInstanceOfTheSection(t *testing.T) {
	definition := destination.Define("sample", sampleSpec())
	decode := func(names ...string) destination.Decode {
		return func(section string, into any) error {
			if section != "sample" {
				t.Errorf("section %q was read", section)
			}
			into.(*sampleSection).Names = names
			return nil
		}
	}
	built, err := definition.Build(decode("b", "a"), nopDeps())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, b := range built {
		got = append(got, b.Instance.Name+" of "+b.Instance.Integration)
	}
	if diff := cmp.Diff([]string{"sample/b of sample", "sample/a of sample"}, got); diff != "" {
		t.Error(diff)
	}
	for name, row := range map[string]struct {
		decode destination.Decode
		want   string
	}{
		"unreadable section": {func(string, any) error { return errors.New("line 3 is no YAML") }, "read section sample: line 3 is no YAML"},
		"wrong settings":     {decode("a", "wrong"), "set up sample/wrong: names[1].host: is no host (write a name)"},
		"wrong instance":     {decode("a", "broken"), "set up sample/broken: no such file"},
	} {
		if _, err := definition.Build(row.decode, nopDeps()); err == nil || err.Error() != row.want {
			t.Errorf("%s: got %v, want %s", name, err, row.want)
		}
	}
}

func TestCheck_listsEverythingBelowTheRoot(t *testing.T) {
	definition := destination.Define("sample", sampleSpec())
	got, err := definition.Check(names("wrong", "odd", "a", "wrong"), nopDeps())
	if err != nil {
		t.Fatal(err)
	}
	want := destination.Problems{
		{Path: "sample.names[0].host", Reason: "is no host", Suggestion: "write a name"},
		{Path: "sample.names[1]", Reason: "is odd", Warning: true},
		{Path: "sample.names[3].host", Reason: "is no host", Suggestion: "write a name"},
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
		"the tenth is not the first": {
			[]string{"a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "wrong"},
			[]string{"sample/a", "sample/b", "sample/c", "sample/d", "sample/e", "sample/f", "sample/g", "sample/h", "sample/i", "sample/j"},
		},
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

// names returns the section of the sample with these names.
func names(list ...string) destination.Decode {
	return func(_ string, into any) error {
		into.(*sampleSection).Names = list
		return nil
	}
}

func TestDefine_panicsOnNonsense(t *testing.T) {
	for name, spoil := range map[string]func(*destination.Spec[sampleSection]){
		"no section":   func(s *destination.Spec[sampleSection]) { s.Section = "" },
		"no schema":    func(s *destination.Spec[sampleSection]) { s.Schema = nil },
		"no Check":     func(s *destination.Spec[sampleSection]) { s.Check = nil },
		"no instances": func(s *destination.Spec[sampleSection]) { s.Instances = nil },
		"no New":       func(s *destination.Spec[sampleSection]) { s.New = nil },
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
