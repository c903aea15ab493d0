package bench_test

import (
	"strings"
	"testing"

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
		{"no name", "rate: 1\ncount: 1\n", "name"},
		{"a key that does not exist", good + "destination: webhook\n", "destination"},
		{"the same in a variant", good + "variants: [{name: x, rat: 2}]\n", "rat"},
		{"nothing to send", "name: a\n", "rate and count"},
		{"events about nothing", good + "tasks: 0\n", "tasks must be above 0"},
		{"a measure that does not exist", good + "measure: guess\n", "measure \"guess\""},
		{"an event that does not exist", good + "mix: [{family: failed, type: tea}]\n", "\"tea\""},
		{"a fault that does not exist", good + "qrs: {faults: [{kind: rain}]}\n", "\"rain\""},
		{"a variant with a wrong value", good + "variants: [{name: x, count: 0}]\n", `variant "x"`},
	} {
		t.Run(test.name, func(t *testing.T) {
			if _, err := bench.ParseScenario([]byte(test.text)); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("want an error with %q, got %v", test.want, err)
			}
		})
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
