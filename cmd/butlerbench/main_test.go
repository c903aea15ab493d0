package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"butler/bench"
	"butler/bench/report"
)

func execute(t *testing.T, args ...string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	root := newRoot()
	root.SetOut(&out)
	root.SetArgs(args)
	err := root.ExecuteContext(t.Context())
	return out.String(), err
}

func TestList_namesEveryScenario(t *testing.T) {
	out, err := execute(t, "list")
	if err != nil {
		t.Fatal(err)
	}
	all, err := bench.Scenarios()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range all {
		if !strings.Contains(out, s.Name+" ") || !strings.Contains(out, s.What) {
			t.Errorf("want %s in the list:\n%s", s.Name, out)
		}
	}
}

func TestCompare_showsRatiosAndWhatDiffers(t *testing.T) {
	run := func(name, scenario, cpu string, scale, p50 float64) string {
		path := filepath.Join(t.TempDir(), name)
		r := bench.Report{Machine: bench.Machine{CPU: cpu}, Scale: scale, Results: []bench.Result{
			{Scenario: scenario, Figures: []bench.Figure{{Name: "p50", Value: p50, Unit: "ms", Better: "lower"}}},
		}}
		if err := report.Save(path, r); err != nil {
			t.Fatal(err)
		}
		return path
	}
	before := run("old.json", "a", "Old", 0, 10)
	for _, test := range []struct {
		name, after string
		want        []string
		not, failed string
	}{
		{"one machine", run("new.json", "a", "Old", 1, 5), []string{"0.50 x baseline, better", "figures in common: 1"}, "differ", ""},
		{"another machine", run("new.json", "a", "New", 1, 5), []string{"of Old", "of New", "the machines differ"}, "scales", ""},
		{"another scale", run("new.json", "a", "Old", 0.1, 5), []string{"the scales differ: 0.1 here, 1 of the baseline"}, "machines differ", ""},
		{"another scenario", run("new.json", "b", "Old", 1, 5), []string{"figures in common: 0"}, "x baseline", "no figure in common"},
		{"nothing", write(t, "empty.json", "{}"), nil, "x baseline", "no figure in common"},
	} {
		t.Run(test.name, func(t *testing.T) {
			out, err := execute(t, "compare", before, test.after)
			for _, want := range test.want {
				if !strings.Contains(out, want) {
					t.Errorf("want %q in\n%s", want, out)
				}
			}
			if strings.Contains(out, test.not) {
				t.Errorf("want no %q in\n%s", test.not, out)
			}
			if (test.failed == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), test.failed) {
				t.Errorf("want the error %q, got %v", test.failed, err)
			}
		})
	}
}

func TestScreen_showsNoControlCharacters(t *testing.T) {
	var out bytes.Buffer
	s := screen{out: &out, terminal: true}
	if _, err := s.Write([]byte("a \x1b[2J\u009bb\n")); err != nil || out.String() != "a \ufffd[2J\ufffdb\n" {
		t.Errorf("want them replaced, got %q, %v", out.String(), err)
	}
}

func TestRun_checksWhatItIsToldTo(t *testing.T) {
	zero, five := 0.0, 5.0
	report := func(lost, p50 float64) bench.Report {
		return bench.Report{Results: []bench.Result{{Scenario: "a", Figures: []bench.Figure{
			{Name: "lost", Value: lost, Bar: &bench.Bar{Max: &zero}}, {Name: "p50", Value: p50, Bar: &bench.Bar{Max: &five}},
		}}}}
	}
	for _, test := range []struct {
		name, check string
		report      bench.Report
		want        string
	}{
		{"nothing", "", report(1, 9), ""},
		{"everything", checkAll, report(1, 9), "a: lost; a: p50"},
		{"what must not happen, and it did", checkZeros, report(1, 9), "have to be: a: lost"},
		{"what must not happen, on a slow machine", checkZeros, report(0, 9), ""},
		{"what holds anywhere, and did not", checkZeros, bench.Report{Results: []bench.Result{{Scenario: "a", Figures: []bench.Figure{
			{Name: "calls", Value: 9, Bar: &bench.Bar{Max: &five, Anywhere: true}},
		}}}}, "a: calls"},
		{"what must not happen, and it was not counted", checkZeros, bench.Report{Results: []bench.Result{{Scenario: "a", Figures: []bench.Figure{
			{Name: "lost", Bar: &bench.Bar{Max: &zero}, Unmeasured: true},
		}}}}, "a: lost"},
	} {
		t.Run(test.name, func(t *testing.T) {
			err := (&runOptions{check: test.check}).judge(test.report)
			if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.HasSuffix(err.Error(), test.want)) {
				t.Errorf("want %q, got %v", test.want, err)
			}
		})
	}
}

func TestRun_refusesWhatItCannotRun(t *testing.T) {
	for _, test := range []struct {
		name, want string
		args       []string
	}{
		{"a scenario that does not exist", `no scenario "burts"`, []string{"burts"}},
		{"a set that does not exist", `no scenario in the set "short"`, []string{"--set", "short"}},
		{"a scenario file that does not exist", "missing.yaml", []string{"--scenario-file", "missing.yaml"}},
		{"a scenario file with the name of another", `another scenario "burst"`, []string{"--scenario-file", write(t, "burst.yaml", "name: burst\nrate: 1\ncount: 1\n")}},
		{"a scale of nothing", "scale 0", []string{"burst", "--scale", "0"}},
		{"a check that does not exist", `--check "lost": all or zeros`, []string{"burst", "--check=lost"}},
		{"a set and a scenario", "--set chooses when no scenario is named", []string{"burst", "--set", "bogus"}},
		{"a process of a target that it starts", "--pid is for a target that you start", []string{"burst", "--pid", "1"}},
		{"a command for a target that it does not start", "give one of them", []string{"burst", "--external", "--command", "x"}},
		{"a port that does not exist", "--ports [70000]", []string{"burst", "--ports", "70000"}},
		{"a target that does not exist", "missing.yaml", []string{"burst", "--target", "missing.yaml"}},
		{"a command without a word", "command has no word", []string{"burst", "--command", "  "}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if _, err := execute(t, append([]string{"run", "--out", t.TempDir()}, test.args...)...); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("want an error with %q, got %v", test.want, err)
			}
		})
	}
}

// write writes a file to a directory of the test and returns its path.
func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// The results of a failed run must not replace a baseline.
func TestRun_keepsEarlierResultsWhenItFails(t *testing.T) {
	baseline := write(t, "baseline.json", "{}")
	out := filepath.Dir(baseline)
	_, err := execute(t, "run", "--out", out, "--name", "baseline",
		"--target", write(t, "target.yaml", "name: absent\ncommand: /no/such/program\nconfig: nothing\n"),
		"--scenario-file", write(t, "skipped.yaml", "name: skipped\nmeasure: http\nduration: 1s\n"),
		"--scenario-file", write(t, "failing.yaml", "name: failing\nrate: 1\ncount: 1\n"))
	if !errors.Is(err, os.ErrNotExist) {
		t.Fatalf("want an error of the target that cannot be started, got %v", err)
	}
	if kept, err := os.ReadFile(baseline); err != nil || string(kept) != "{}" {
		t.Errorf("want the earlier results kept, got %s, %v", kept, err)
	}
	if partial, err := report.Load(filepath.Join(out, "baseline.partial.json")); err != nil || len(partial.Results) != 1 {
		t.Errorf("want the one result beside it, got %+v, %v", partial.Results, err)
	}
}

func TestDocs_everyCommandShownExists(t *testing.T) {
	shown := regexp.MustCompile("(?m)(?:^|`|bin/)butlerbench ([a-z][^`|&#\n]*)")
	option := regexp.MustCompile(`--([a-z-]+)`)
	scenarios, err := bench.Scenarios()
	if err != nil {
		t.Fatal(err)
	}
	checked := 0
	for _, page := range []string{"docs/performance.md", "bench/README.md"} {
		text, err := os.ReadFile(filepath.Join("..", "..", page))
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range shown.FindAllStringSubmatch(string(text), -1) {
			command, rest, err := newRoot().Find(strings.Fields(m[1]))
			if err != nil || !command.HasParent() {
				continue // a sentence, such as "butlerbench measures"
			}
			checked++
			for _, o := range option.FindAllStringSubmatch(m[1], -1) {
				if command.Flag(o[1]) == nil {
					t.Errorf("%s: butlerbench %s: there is no option --%s", page, m[1], o[1])
				}
			}
			isNamed := func(s bench.Scenario) bool { return s.Name == rest[0] }
			if command.Name() == "run" && len(rest) > 0 && !strings.HasPrefix(rest[0], "-") && !slices.ContainsFunc(scenarios, isNamed) {
				t.Errorf("%s: butlerbench %s: there is no scenario %s", page, m[1], rest[0])
			}
		}
	}
	if checked < 6 {
		t.Errorf("want the commands of the pages, got %d", checked)
	}
}
