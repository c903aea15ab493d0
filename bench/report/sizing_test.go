package report

import (
	"fmt"
	"strings"
	"testing"

	"butler/bench"
)

// sizingRows are the rates of docs/sizing.md, each of a scenario or of a variant.
var sizingRows = []struct{ what, title, memory string }{
	{"nothing", "idle", "memory"},
	{"1 a second, one webhook", "webhook-1", peak},
	{"1 a second with its script log, every destination but InfluxDB", "every-1", peak},
	{"200 a second, one webhook", "webhook-200", peak},
	{"550 a second with its script log, every destination that takes more than one message a second", "every-500", peak},
	{"3,000 a second of 1,000 tasks, one webhook", "tasks: 1,000 tasks", peak},
	{"3,000 a second of 100,000 tasks, one webhook", "tasks: 100,000 tasks", peak},
	{"4,500 a second, one webhook", "webhook-4400", peak},
	{"100,000 in one second, then silence", "burst", peak},
	{"a start with a million events in the journal that were not decided", "pending", "memory"},
	{"a million distribute tasks that are followed at once", "million-followed", "memory"},
}

const peak = "peak memory"

func TestDocs_sizingStatesWhatEachRateTook(t *testing.T) {
	_, runs := committed(t)
	var measured []bench.Result
	for _, run := range runs {
		measured = append(measured, run.Results...)
	}
	isGenerated(t, "../../docs/sizing.md", sizingTable(measured))
}

// sizingTable formats the memory and the processor use of the rows.
func sizingTable(measured []bench.Result) string {
	var out strings.Builder
	out.WriteString("| Events | `butlerbench` scenario | Memory at its peak | Processor |\n|---|---|---:|---:|\n")
	for _, row := range sizingRows {
		result := bench.Result{}
		for _, r := range measured {
			if r.Title() == row.title {
				result = r
			}
		}
		memory, has := result.Figure(row.memory)
		memory.Unmeasured = memory.Unmeasured || !has
		fmt.Fprintf(&out, "| %s | `%s` | %s | %s |\n", row.what, row.title, value(memory), cores(result))
	}
	return out.String()
}

// cores formats the processor time a second while events were delivered.
func cores(r bench.Result) string {
	if idle, has := r.Figure("CPU while idle"); has && !idle.Unmeasured {
		return fmt.Sprintf("%.3g cores", idle.Value/100)
	}
	cpu, has := r.Figure("CPU an event")
	rate, delivered := r.Figure("delivered")
	if !has || !delivered || cpu.Unmeasured || rate.Unmeasured {
		return "not measured"
	}
	const second = 1e6 // microseconds
	return fmt.Sprintf("%.3g cores", cpu.Value*rate.Value/second)
}

func TestSizing_isOfTheScenariosThatThereAre(t *testing.T) {
	titles := map[string]bool{}
	scenarios, _ := committed(t)
	for _, s := range scenarios {
		variants, err := s.Expand()
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range variants {
			titles[bench.Result{Scenario: s.Name, Variant: v.Name}.Title()] = true
		}
	}
	for _, row := range sizingRows {
		if !titles[row.title] {
			t.Errorf("there is no scenario %q", row.title)
		}
	}
}

func TestSizing_saysWhatIsNotMeasured(t *testing.T) {
	measured := bench.Result{Scenario: "webhook-1", Figures: []bench.Figure{
		{Name: "CPU an event", Value: 20_000, Unit: "us"}, {Name: "delivered", Value: 2, Unit: "events/s"}, {Name: peak, Value: 90.05, Unit: "MiB"},
	}}
	table := sizingTable([]bench.Result{measured, {Scenario: "burst"}})
	for _, want := range []string{"| `webhook-1` | 90.05 MiB | 0.04 cores |", "| `burst` | not measured | not measured |"} {
		if !strings.Contains(table, want) {
			t.Errorf("want %q in\n%s", want, table)
		}
	}
}
