package report

import (
	"io"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"butler/bench"
)

func run(p50 float64) bench.Report {
	zero, most := 0.0, 20.0
	return bench.Report{
		Target: `<b>"butler"`, Machine: bench.Machine{CPU: "Some CPU", Cores: 2, System: "linux/amd64", Go: "go1.26"},
		Began: time.Date(2031, 1, 5, 12, 0, 0, 0, time.UTC), Took: 61,
		Results: []bench.Result{{
			Scenario: "webhook-200", What: "Failed reload <to> webhook",
			Figures: []bench.Figure{
				{Name: "p50", Value: p50, Unit: "ms", Better: "lower", Bar: &bench.Bar{Max: &most}},
				{Name: "delivered", Value: 123_456, Unit: "events/s", Better: "higher"},
				{Name: "lost", Value: 0, Unit: "messages", Better: "lower", Bar: &bench.Bar{Max: &zero}},
			},
			Deliveries: []bench.Delivery{{Destination: "slack", Expected: 10, Received: 9, Lost: 1}, {Destination: "webhook", Expected: 10, Received: 10}, {Destination: "mqtt", Expected: 5, Lost: 5}},
			Windows:    []bench.Window{{At: 0, P50: 1, P99: 2, Max: 3, Sent: 5, Received: 5}, {At: 0.5, P50: 2, P99: 3, Max: 4, Sent: 5, Received: 5}},
			Samples:    []bench.Sample{{At: 0.25, Sent: 5, Received: 4, Pending: 1, Queued: -1, RSS: 50, CPU: -1}, {At: 0.5, Sent: 10, Received: 9, Queued: -1, RSS: 60, CPU: -1}},
			Calls:      map[string]int{"GET task/full": 3},
		}},
	}
}

func TestTable_showsFiguresBarsAndTheBaseline(t *testing.T) {
	now := run(30)
	now.Compare(run(10))
	var out strings.Builder
	if err := Table(&out, now); err != nil {
		t.Fatal(err)
	}
	text := regexp.MustCompile(` +`).ReplaceAllString(out.String(), " ")
	for _, want := range []string{
		"p50 30 ms MISSED (<= 20) 3.00 x baseline, worse", "delivered 123,456 events/s 1.00 x baseline",
		"lost 0 messages ok (<= 0)", "slack 9 of 10 1 / 0 0 / 0 / 0", "mqtt 0 of 5 5 / 0 - / - / -",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("want %q in\n%s", want, text)
		}
	}
	if missed := now.Missed(nil); len(missed) != 1 || missed[0] != "webhook-200: p50" {
		t.Errorf("want the one figure that misses its bar, got %v", missed)
	}
}

func TestTable_saysWhatWasNotMeasured(t *testing.T) {
	now, least := run(3), 1.0
	now.Results[0].Figures = append(now.Results[0].Figures, bench.Figure{Name: "decided", Bar: &bench.Bar{Min: &least}, Unmeasured: true})
	for name, write := range map[string]func(io.Writer, bench.Report) error{"table": Table, "Markdown": Markdown, "HTML": HTML} {
		var out strings.Builder
		if err := write(&out, now); err != nil || !strings.Contains(out.String(), "not measured") || !strings.Contains(out.String(), "MISSED") {
			t.Errorf("%s: want it said and missed, got %v\n%s", name, err, out.String())
		}
	}
}

func TestReport_warnsOfABusyMachineAndOfAnotherScale(t *testing.T) {
	quiet, busy, small := run(3), run(3), run(3)
	quiet.Machine.Load, quiet.Scale, busy.Machine.Load, small.Scale = 0.5, 1, 1.2, 0.05
	for name, write := range map[string]func(io.Writer, bench.Report) error{"table": Table, "Markdown": Markdown, "HTML": HTML} {
		for want, r := range map[string]bench.Report{
			"": quiet, "machine was busy before the run (load average 1.20)": busy, "scenarios were multiplied by 0.05": small,
		} {
			var out strings.Builder
			if err := write(&out, r); err != nil {
				t.Fatal(err)
			}
			if warned := strings.Contains(strings.ToLower(out.String()), "warning"); warned != (want != "") || !strings.Contains(out.String(), want) {
				t.Errorf("%s: want the warning %q, got\n%s", name, want, out.String())
			}
		}
	}
}

func TestTable_isNoWayToTheTerminal(t *testing.T) {
	r := run(3)
	r.Results[0].Scenario = "a\x1b[31mred"
	var out strings.Builder
	if err := Table(&out, r); err != nil || strings.Contains(out.String(), "\x1b") || !strings.Contains(out.String(), "[31mred") {
		t.Errorf("want the name without its escape, got %v\n%q", err, out.String())
	}
}

func TestReport_tellsTheLoadAtTheEnd(t *testing.T) {
	r := run(3)
	r.Machine.Load, r.Machine.LoadAfter = 0.25, 1.5
	for name, write := range map[string]func(io.Writer, bench.Report) error{"Markdown": Markdown, "HTML": HTML} {
		var out strings.Builder
		if err := write(&out, r); err != nil || !strings.Contains(out.String(), "load average 0.25 before the run, 1.50 at its end") {
			t.Errorf("%s: want both, got %v\n%s", name, err, out.String())
		}
	}
}

func TestHTML_isOneSafePageWithCharts(t *testing.T) {
	var out strings.Builder
	if err := HTML(&out, run(30)); err != nil {
		t.Fatal(err)
	}
	page := out.String()
	for _, want := range []string{"Latency<tspan", "Throughput", "Queue depth", "Memory", "GET task/full", "&lt;to&gt;", "<polyline"} {
		if !strings.Contains(page, want) {
			t.Errorf("want %q in the page", want)
		}
	}
	if strings.Contains(page, ">CPU<tspan") {
		t.Error("want no chart of what is not known")
	}
	if found := regexp.MustCompile(`(?i)<script|src=|@import|url\(|href="[^#]|<b>|NaN|https?://`).FindString(page); found != "" {
		t.Errorf("want a page that needs nothing else and escapes what it shows, found %q", found)
	}
}

func TestMarkdown_namesTheMachineAndEveryDestination(t *testing.T) {
	var out strings.Builder
	if err := Markdown(&out, run(3)); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"2 cores of Some CPU", "| p50 | 3 ms | ok (<= 20) |", "| slack | 9 of 10 | 1 | 0 | 0 | 0 | 0 |", "| mqtt | 0 of 5 | 5 | 0 | - | - | - |"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("want %q in\n%s", want, out.String())
		}
	}
}

func TestLoad_readsWhatSaveWrote(t *testing.T) {
	path := filepath.Join(t.TempDir(), "run.json")
	want := run(3)
	if err := Save(path, want); err != nil {
		t.Fatal(err)
	}
	got, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("want the same run (-want +got):\n%s", diff)
	}
}
