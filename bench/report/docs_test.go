package report

import (
	"cmp"
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"butler/bench"
)

//go:generate go test -run TestDocs -count 1 . -update

var update = flag.Bool("update", false, "rewrite what the README and pages of docs say of the committed results")

// The lines that enclose the part of a page generated from the committed results.
const (
	tableBegin = "<!-- generated from bench/scenarios and bench/results: begin -->\n"
	tableEnd   = "<!-- generated: end -->\n"
)

func TestDocs_performanceStatesEveryBarAndWhetherItIsReached(t *testing.T) {
	scenarios, runs := committed(t)
	isGenerated(t, "../../docs/performance.md", barTable(scenarios, runs...))
}

func TestDocs_theReadmeStatesWhatWasMeasuredAndWhatIsMissed(t *testing.T) {
	scenarios, runs := committed(t)
	var measured []bench.Result
	for _, run := range runs {
		measured = append(measured, run.Results...)
	}
	isGenerated(t, "../../README.md", readmeTable(measured)+"\n"+readmeVerdict(scenarios, measured))
}

// committed returns the scenarios, and the runs whose results are in the tree.
func committed(t *testing.T) ([]bench.Scenario, []bench.Report) {
	t.Helper()
	scenarios, err := bench.Scenarios()
	if err != nil {
		t.Fatal(err)
	}
	names := []string{"baseline"}
	for _, s := range scenarios {
		if s.Set == "long" { // each takes minutes, and is measured on its own
			names = append(names, s.Name)
		}
	}
	var runs []bench.Report
	for _, name := range names {
		one, err := Load("../results/" + name + ".json")
		if err != nil {
			t.Fatal(err)
		}
		runs = append(runs, one)
	}
	return scenarios, runs
}

// isGenerated compares the part of a page between the two lines with text, or updates it.
func isGenerated(t *testing.T, path, text string) {
	t.Helper()
	page, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, hasBegin := strings.Cut(string(page), tableBegin)
	_, tail, hasEnd := strings.Cut(rest, tableEnd)
	if !hasBegin || !hasEnd {
		t.Fatalf("%s has no table between\n%s%s", path, tableBegin, tableEnd)
	}
	want := head + tableBegin + text + tableEnd + tail
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if want != string(page) {
		t.Errorf("%s is out of date; run go test ./bench/report -run TestDocs -update", path)
	}
}

// readmeRows are the figures that the README shows, of scenarios without variants.
var readmeRows = []struct {
	what, scenario string
	figures        []string
}{
	{"failed reload to webhook at 1/s, repository answering at once", "webhook-1", []string{"p50"}},
	{"failed reload to webhook at 200/s, repository answering in 5 ms", "webhook-200", []string{"p50", "p99"}},
	{"the same at 4,400/s, `delivery.maxInFlight: 64`", "webhook-4400", []string{"delivered", "lost", "p50", "p99"}},
	{"failed reload with its script log to every destination but InfluxDB at 1/s", "every-1", []string{"p50", "QRS calls an event"}},
	{"100,000 failures in one second, then silence", "burst", []string{"lost", "events not decided"}},
	{"start with an empty journal", "idle", []string{"start to ready", "memory"}},
	{"start with 1,000,000 events waiting", "pending", []string{"start to ready"}},
	{"REST API beside a handler that only answers", "http", []string{"key-value get / bare handler", "key-value put / bare handler"}},
	{"the same with the values in memory only", "http-in-memory", []string{"key-value get / bare handler", "key-value put / bare handler"}},
}

// readmeTable formats the measured figures of the rows.
func readmeTable(measured []bench.Result) string {
	var out strings.Builder
	out.WriteString("| What | Figure |\n|---|---|\n")
	for _, row := range readmeRows {
		var figures []string
		for _, name := range row.figures {
			f := worst(measured, row.scenario, name, bench.Bar{})
			figures = append(figures, name+": "+value(f))
		}
		fmt.Fprintf(&out, "| %s | %s |\n", row.what, strings.Join(figures, ", "))
	}
	return out.String()
}

// readmeVerdict names the scenarios that miss a bar, and those for which it is not known.
func readmeVerdict(scenarios []bench.Scenario, measured []bench.Result) string {
	var missed, unknown []string
	for _, s := range scenarios {
		var verdicts []string
		for name, bar := range s.Bars {
			verdicts = append(verdicts, verdictOf(worst(measured, s.Name, name, bar)))
		}
		switch {
		case slices.Contains(verdicts, no):
			missed = append(missed, "`"+s.Name+"`")
		case slices.Contains(verdicts, notKnown):
			unknown = append(unknown, "`"+s.Name+"`")
		}
	}
	out := "[docs/performance.md](docs/performance.md) lists every target and whether it is met."
	if len(missed) > 0 {
		out += " A target is missed by " + strings.Join(missed, " and ") + "."
	}
	if len(unknown) > 0 {
		out += " Not all is measured of " + strings.Join(unknown, ", ") + "."
	}
	return out + "\n"
}

// barTable lists the bars of the scenarios with the figures of runs, each of another set.
func barTable(scenarios []bench.Scenario, runs ...bench.Report) string {
	var out strings.Builder
	var measured []bench.Result
	for _, run := range runs {
		measured = append(measured, run.Results...)
		what := quoted(run.Results[0])
		if last := quoted(run.Results[len(run.Results)-1]); last != what {
			what += " to " + last
		}
		fmt.Fprintf(&out, "%s: measured on %s, %s, revision %s.", what, describe(run.Machine), run.Began.UTC().Format(time.DateOnly), cmp.Or(run.Revision, "unknown"))
		if warning := run.Machine.Warning(); warning != "" {
			fmt.Fprintf(&out, " **Warning**: %s.", warning)
		}
		out.WriteString("\n\n")
	}
	out.WriteString("| What | Scenario | Bar | Measured | Reached |\n|---|---|---|---|---|\n")
	for _, s := range scenarios {
		var bars, figures, reached []string
		for _, name := range slices.Sorted(maps.Keys(s.Bars)) {
			bar := s.Bars[name]
			f := worst(measured, s.Name, name, bar)
			bars = append(bars, name+" "+limits(bar))
			figures, reached = append(figures, value(f)), append(reached, verdictOf(f))
		}
		fmt.Fprintf(&out, "| %s | `%s` | %s | %s | %s |\n", s.What, s.Name,
			cmp.Or(strings.Join(bars, "<br>"), "reported"), strings.Join(figures, "<br>"), strings.Join(reached, "<br>"))
	}
	return out.String()
}

func quoted(r bench.Result) string { return "`" + r.Scenario + "`" }

// worst returns the figure of the variant that is farthest from its bar. It is judged by
// the current bar, which may have changed since the measurement.
func worst(measured []bench.Result, scenario, name string, bar bench.Bar) bench.Figure {
	out := bench.Figure{Name: name, Bar: &bar, Unmeasured: true}
	for _, result := range measured {
		f, has := result.Figure(name)
		if result.Scenario != scenario || !has || f.Unmeasured {
			continue
		}
		f.Bar = &bar
		if out.Unmeasured || bar.Max != nil && f.Value > out.Value || bar.Max == nil && f.Value < out.Value {
			out = f
		}
	}
	return out
}

// The answers to whether a bar is met.
const (
	yes      = "yes"
	no       = "**no**"
	notKnown = "**not known**"
)

func verdictOf(f bench.Figure) string {
	switch {
	case f.Unmeasured:
		return notKnown
	case f.Met():
		return yes
	default:
		return no
	}
}

func TestBarTable_hidesNoMiss(t *testing.T) {
	five, one := 5.0, 1.0
	scenario := bench.Scenario{Name: "webhook-200", What: "Failed reload", Bars: map[string]bench.Bar{
		"p50": {Max: &five}, "delivered": {Min: &one}, "CPU an event": {Max: &one},
	}}
	measured := run(30)
	measured.Results = append(measured.Results, run(3).Results...) // another variant, which is better
	table := barTable([]bench.Scenario{scenario, {Name: "storm", What: "A storm"}}, measured)
	for _, want := range []string{
		"| Failed reload | `webhook-200` | CPU an event <= 1<br>delivered >= 1<br>p50 <= 5 | not measured<br>123,456 events/s<br>30 ms | **not known**<br>yes<br>**no** |",
		"| A storm | `storm` | reported |  |  |",
	} {
		if !strings.Contains(table, want) {
			t.Errorf("want %q in\n%s", want, table)
		}
	}
}

func TestReadme_hidesNoMiss(t *testing.T) {
	five := 5.0
	bars := map[string]bench.Bar{"p50": {Max: &five}}
	scenarios := []bench.Scenario{{Name: "webhook-200", Bars: bars}, {Name: "webhook-1", Bars: bars}, {Name: "storm"}}
	measured := run(30).Results
	if got, want := readmeVerdict(scenarios, measured), "missed by `webhook-200`. Not all is measured of `webhook-1`."; !strings.Contains(got, want) {
		t.Errorf("want %q in %s", want, got)
	}
	table := readmeTable(measured)
	for _, want := range []string{"| p50: 30 ms, p99: not measured |", "| p50: not measured |"} {
		if !strings.Contains(table, want) {
			t.Errorf("want %q in\n%s", want, table)
		}
	}
}
