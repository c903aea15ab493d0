package bench_test

import (
	"math"
	"os"
	"strings"
	"testing"
	"time"

	"butler/bench"
	"butler/bench/target"
)

func TestScenarios_areSoundAndFitTheTarget(t *testing.T) {
	all, err := bench.Scenarios()
	if err != nil {
		t.Fatal(err)
	}
	spec, err := bench.Butler()
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, s := range all {
		if seen[s.Name] || s.What == "" || strings.HasSuffix(s.What, ".") {
			t.Errorf("%q: wants a name of its own and a line without a full stop", s.Name)
		}
		seen[s.Name] = true
		variants, err := s.Expand()
		if err != nil {
			t.Errorf("%s: %v", s.Name, err)
		}
		for _, v := range variants {
			site := target.Site{}.WithDestinations(append(v.Destinations, v.Unmeasured...))
			if _, err := spec.Configuration(site, v.Config); err != nil {
				t.Errorf("%s, %s: %v", s.Name, v.Name, err)
			}
		}
	}
}

func TestParseScenario_saysWhatIsWrong(t *testing.T) {
	const good = "name: a\nrate: 1\ncount: 1\n"
	for _, test := range []struct{ name, text, want string }{
		{"nothing at all", "", "the file is empty"},
		{"no name", "rate: 1\ncount: 1\n", "name \"\" must be a word"},
		{"a key that does not exist", good + "destination: webhook\n", "destination: there is no such key"},
		{"the same in a variant", good + "variants: [{name: x, rat: 2}]\n", `variant "x": rat: there is no such key`},
		{"a number for a time in a variant", good + "variants: [{name: x, drain: 5}]\n", `variant "x": drain: "5"`},
		{"two scenarios", good + "---\n" + good, "second document"},
		{"nothing to send", "name: a\n", "rate must be a number above 0, such as 200\ncount must be above 0"},
		{"a rate that is no number", good + "rate: .nan\n", "already defined"},
		{"no number as a rate", "name: a\nrate: .nan\ncount: 1\n", "rate must be a number"},
		{"an endless rate", "name: a\nrate: .inf\ncount: 1\n", "rate must be a number"},
		{"a rate and nearly no time", "name: a\nrate: 1\nduration: 10ms\n", "count must be above 0"},
		{"count and duration", good + "duration: 5s\n", "count or duration"},
		{"a wait below 0", good + "drain: -5s\n", "drain must be above 0"},
		{"a time below 0", good + "measure: follow\nduration: -5s\n", "duration must not be below 0"},
		{"fewer than no events before", good + "warm: -3\n", "warm and pending must not be below 0"},
		{"events before, at no rate", good + "warm: 3\nwarmRate: 0\n", "warmRate must be a number above 0"},
		{"events about nothing", good + "tasks: 0\n", "tasks must be above 0"},
		{"less than none of a kind", good + "mix: [{family: failed, type: reload, of: -2}]\n", "of -2"},
		{"a measure that does not exist", good + "measure: guess\n", "measure \"guess\" is not one of events, follow, http, intake, start"},
		{"a key that the measure ignores", good + "measure: http\nduration: 1s\n", "count means nothing to measure http\nrate means nothing"},
		{"one that another ignores", good + "pending: 5\n", "pending means nothing to measure events"},
		{"a comparison without a time", "name: a\nmeasure: intake\n", "duration must be above 0"},
		{"an event that does not exist", good + "mix: [{family: failed, type: tea}]\n", "\"tea\""},
		{"a fault that does not exist", good + "qrs: {faults: [{kind: rain}]}\n", "\"rain\""},
		{"a fault of more than all", good + "qrs: {faults: [{kind: hang, percent: 120}]}\n", "percent 120"},
		{"a status that does not exist", good + "sinks: [{kind: status}]\n", "status 0"},
		{"a variant with a wrong value", good + "variants: [{name: x, count: 0}]\n", `variant "x": count`},
		{"a variant with two", good + "variants: [{name: x, count: 0, drain: 0s}]\n", "\nvariant \"x\": drain"},
		{"a variant without a name", good + "variants: [{count: 2}]\n", "one has no name"},
		{"two variants of one name", good + "variants: [{name: x}, {name: x}]\n", `two are called "x"`},
		{"a variant with ratios", good + "variants: [{name: x, ratios: []}]\n", `ratios of "x"`},
		{"a bar of nothing", good + "bars: {lost: {}}\n", `"lost" needs min or max`},
		{"a bar that is no number", good + "bars: {lost: {max: .nan}}\n", "must be numbers"},
		{"a bar that nothing reaches", good + "bars: {lost: {min: 2, max: 1}}\n", "above max"},
		{"a bar of a figure that does not exist", good + "bars: {loss: {max: 0}}\n", `no figure "loss": CPU an event;`},
		{"a bar of a figure of another measure", good + "bars: {not followed: {max: 0}}\n", `measure events has no figure "not followed"`},
		{"a ratio of a variant that does not exist", good + "variants: [{name: x}]\nratios: [{name: r, figure: p50, of: x, to: y}]\n", `no variant "y"`},
		{"a ratio of the scenario beside variants", good + "variants: [{name: x}]\nratios: [{name: r, figure: p50, of: x}]\n", `no variant ""`},
		{"a ratio of a figure that does not exist", good + "ratios: [{name: r, figure: p51, against: 'intake: p50'}]\n", `no figure "p51"`},
		{"a ratio against nothing", good + "ratios: [{name: r, figure: p50, against: p50}]\n", `against "p50" is no`},
		{"two ratios of one name", good + "ratios: [{name: r, figure: p50, against: 'b: p50'}, {name: r, figure: p99, against: 'b: p99'}]\n", `two are called "r"`},
		{"a line with signs for the terminal", good + "what: \"a \\e[2J\"\n", "one line of text"},
		{"all of it at once", "rate: 1\ncount: 1\ndrain: -5s\nbars: {lost: {}}\n", "must be a word\ndrain must be above 0, such as 5s\nbars:"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if _, err := bench.ParseScenario([]byte(test.text)); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("want an error with %q, got %v", test.want, err)
			}
		})
	}
}

func TestScenario_aDurationIsACount(t *testing.T) {
	s, err := bench.ParseScenario([]byte("name: a\nrate: 200\nduration: 1500ms\nvariants: [{name: x}, {name: y, rate: 400}]\n"))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Scale(0.5); err != nil {
		t.Fatal(err)
	}
	if v, err := s.Expand(); err != nil || v[0].Count != 150 || v[1].Count != 300 {
		t.Errorf("want half of 300 and of 600 events, got %+v, %v", v, err)
	}
}

func TestScenario_watchesForLessAtASmallerScale(t *testing.T) {
	s, err := bench.ParseScenario([]byte("name: a\nmeasure: follow\nrate: 1\ncount: 100\nduration: 60s\n"))
	if err != nil {
		t.Fatal(err)
	}
	for scale, want := range map[float64]time.Duration{0.05: 3 * time.Second, 1: time.Minute, 2: time.Minute} {
		if err := s.Scale(scale); err != nil {
			t.Fatal(err)
		}
		if v, err := s.Expand(); err != nil || v[0].Duration != want {
			t.Errorf("scale %g: want %s, got %s, %v", scale, want, v[0].Duration, err)
		}
	}
}

func TestScenario_isScaledByANumber(t *testing.T) {
	for _, by := range []float64{0, -1, math.NaN(), math.Inf(1)} {
		if err := new(bench.Scenario).Scale(by); err == nil {
			t.Errorf("%g: want an error", by)
		}
	}
}

func TestScenario_variantsReplaceWhatTheyName(t *testing.T) {
	s, err := bench.ParseScenario([]byte("name: a\nrate: 10\ncount: 100\nbars: {lost: {max: 0}}\nvariants: [{name: x}, {name: y, rate: 20, bars: {lost: {max: 5}}}]\n"))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Scale(0.1); err != nil {
		t.Fatal(err)
	}
	v, err := s.Expand()
	if err != nil || len(v) != 2 {
		t.Fatalf("got %d variants, %v", len(v), err)
	}
	if v[0].Rate != 10 || v[1].Rate != 20 || v[1].Count != 10 || v[1].Name != "y" || v[1].Scenario.Name != "a" {
		t.Errorf("want rates 10 and 20 and a tenth of the events, got %+v and %+v", v[0], v[1])
	}
	if *v[0].Bars["lost"].Max != 0 || *v[1].Bars["lost"].Max != 5 {
		t.Error("want the bar of one variant to leave the other alone")
	}
}

func TestReadme_showsASoundScenarioAndTarget(t *testing.T) {
	page, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	shown := map[string]string{}
	for _, block := range strings.Split(string(page), "```yaml\n")[1:] {
		text, _, _ := strings.Cut(block, "```")
		name, _, _ := strings.Cut(strings.TrimPrefix(text, "name: "), "\n")
		shown[name] = text
	}
	if _, err := bench.ParseScenario([]byte(shown["mine"])); err != nil {
		t.Errorf("scenario: %v", err)
	}
	if _, err := target.ParseSpec([]byte(shown["other"])); err != nil {
		t.Errorf("target: %v", err)
	}
}
