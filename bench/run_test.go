package bench_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"butler/bench"
	"butler/bench/target"
)

// measure runs one scenario against a target.
func measure(t *testing.T, spec target.Spec, scenario string) bench.Result {
	t.Helper()
	s, err := bench.ParseScenario([]byte("name: test\n" + scenario))
	if err != nil {
		t.Fatal(err)
	}
	runner := bench.Runner{Spec: spec, Log: t.Output()}
	results, err := runner.Run(t.Context(), []bench.Scenario{s})
	if err != nil || len(results) != 1 {
		t.Fatalf("got %d results, error %v", len(results), err)
	}
	return results[0]
}

func figure(t *testing.T, r bench.Result, name string) float64 {
	t.Helper()
	f, ok := r.Figure(name)
	if !ok {
		t.Fatalf("no figure %q in %v", name, r.Figures)
	}
	return f.Value
}

const events = "rate: 400\ncount: 200\ndestinations: [webhook]\ndrain: 1s\n"

func TestRunner_seesWhatATargetDoesToEveryEvent(t *testing.T) {
	for _, test := range []struct {
		name, options    string
		lost, duplicates float64
	}{
		{"a good one", "", 0, 0},
		{"one that loses every tenth", "-lose 10", 20, 0},
		{"one that repeats every fiftieth", "-repeat 50", 0, 4},
		{"one that does both", "-lose 10 -repeat 4", 20, 40}, // every twentieth is lost, and cannot be repeated
	} {
		t.Run(test.name, func(t *testing.T) {
			r := measure(t, fakeSpec(test.options), events)
			if lost := figure(t, r, "lost"); lost != test.lost {
				t.Errorf("want %v lost, got %v", test.lost, lost)
			}
			if duplicates := figure(t, r, "duplicates"); duplicates != test.duplicates {
				t.Errorf("want %v duplicates, got %v", test.duplicates, duplicates)
			}
		})
	}
}

func TestRunner_measuresFromSendToReceipt(t *testing.T) {
	r := measure(t, fakeSpec("-delay 300ms"), "rate: 50\ncount: 20\ndestinations: [webhook]\n")
	d := r.Deliveries[0]
	if d.P50 < 300 || d.Max < d.P99 || d.P99 < d.P50 {
		t.Errorf("want at least 300 ms, in order; got p50 %v p99 %v max %v", d.P50, d.P99, d.Max)
	}
	if len(r.Windows) == 0 || r.Windows[0].P50 < 300 {
		t.Errorf("want the same over time, got %+v", r.Windows)
	}
}

func TestRunner_isNotSlowedByASlowTarget(t *testing.T) {
	r := measure(t, fakeSpec("-delay 1s"), "rate: 200\ncount: 100\ndestinations: [webhook]\n")
	if first, last := r.Windows[0], r.Windows[len(r.Windows)-1]; last.At > 1 || first.Sent == 0 {
		t.Errorf("want all sent within half a second while nothing is answered, got windows until %v s", last.At)
	}
}

func TestRunner_tellsOfAnEventThatWasToldToTheWrongOne(t *testing.T) {
	r := measure(t, fakeSpec(""), events+"mix: [{family: failed, type: reload}, {family: succeeded, type: reload, to: []}]\n")
	if d := r.Deliveries[0]; d.Expected != 100 || d.Received != 100 || d.Foreign != 100 {
		t.Errorf("want 100 expected and received, and 100 foreign; got %+v", d)
	}
}

// The fake counts at most 50 events, as many as arrive in 5 ms at 10,000/s.
func TestRunner_measuresTheIntakeOfTheTargetItself(t *testing.T) {
	spec := fakeSpec("-most 50")
	spec.Metrics, spec.Ready = "http://127.0.0.1:{operationsPort}/", "http://127.0.0.1:{operationsPort}/"
	spec.Series.Durable = []string{"stored"}
	r := measure(t, spec, "measure: intake\nduration: 5ms\ndrain: 60ms\n")
	if durable := figure(t, r, "socket to durable journal, no loss"); durable < 9_500 || durable > 10_500 {
		t.Errorf("want about 10,000/s of a target that keeps no more, got %v", durable)
	}
	if figure(t, r, "bare receiver, no loss") <= 10_500 {
		t.Error("want more of a receiver that only counts")
	}
}

func TestRunner_judgesHowTheTargetEnded(t *testing.T) {
	for options, want := range map[string][]string{"": nil, "-fail 100": {"test: ended with an error"}} {
		r := measure(t, fakeSpec(options), events)
		missed := (bench.Report{Results: []bench.Result{r}}).Missed(bench.Figure.HoldsAnywhere)
		if !slices.Equal(missed, want) {
			t.Errorf("%q: want %v missed, got %v", options, want, missed)
		}
	}
}

func TestRunner_goesOnWhenTheTargetEnds(t *testing.T) {
	r := measure(t, fakeSpec("-quit 100"), events)
	if lost, refused := figure(t, r, "lost"), figure(t, r, "datagrams refused while the target was down"); lost < 100 || refused == 0 {
		t.Errorf("want the rest lost and most of it refused, got %v lost and %v refused", lost, refused)
	}
}

// The fake reports its datagrams as followed, and loses their count in a crash.
func TestRunner_seesWhatIsFollowedAfterACrash(t *testing.T) {
	spec := fakeSpec("-most 1000")
	spec.Metrics, spec.Ready = "http://127.0.0.1:{operationsPort}/", "http://127.0.0.1:{operationsPort}/"
	spec.Series.Followed, spec.Series.Decided = []string{"stored"}, []string{"none"}
	r := measure(t, spec, "measure: follow\nrate: 1000\ncount: 40\ndrain: 200ms\nduration: 1ms\nbars: {not followed after kill -9: {max: 0}}\n")
	if before, after := figure(t, r, "not followed"), figure(t, r, "not followed after kill -9"); before != 0 || after != 40 {
		t.Errorf("want all followed, and none any more after a crash; missing are %v and %v", before, after)
	}
	if missed := (bench.Report{Results: []bench.Result{r}}).Missed(nil); len(missed) != 1 {
		t.Errorf("want one bar missed, got %v", missed)
	}
}

func TestRunner_missesTheBarOfWhatWasNotMeasured(t *testing.T) {
	s, err := bench.ParseScenario([]byte("name: test\n" + events + `
bars: {lost: {max: 0}, events not decided: {max: 0}, decided / bare: {min: 0.5}}
ratios: [{name: decided / bare, figure: decided, against: "intake: bare receiver, no loss"}]
`))
	if err != nil {
		t.Fatal(err)
	}
	runner := bench.Runner{Spec: fakeSpec(""), Log: t.Output()}
	results, err := runner.Run(t.Context(), []bench.Scenario{s})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"test: events not decided", "test: ratios: decided / bare"}
	if missed := (bench.Report{Results: results}).Missed(nil); !slices.Equal(missed, want) {
		t.Errorf("want %v missed, got %v", want, missed)
	}
}

func TestRunner_skipsWhatATargetCannotDo(t *testing.T) {
	const barred = "bars: {%s: {max: 0}, a / b: {max: 0}}\nratios: [{name: a / b, figure: %[1]s, against: 'b: p50'}]\n"
	for name, test := range map[string]struct{ scenario, figure string }{
		"no configuration of its own":     {events + "config: 'Butler: {}'\n", "p50"},
		"a destination that we know":      {"rate: 1\ncount: 1\ndestinations: [webhook, slack]\n", "p50"},
		"the same for some of the events": {"rate: 1\ncount: 1\nmix: [{family: failed, type: reload, to: [email]}]\n", "p50"},
		"no REST API":                     {"measure: http\nduration: 1s\nunmeasured: [rest]\n", "ping"},
		"no journal":                      {"measure: start\npending: 5\nduration: 1s\n", "start to ready"},
		"nothing is followed":             {"measure: follow\nrate: 1\ncount: 1\n", "followed"},
		"no count of durable events":      {"measure: intake\nduration: 5ms\n", "'bare receiver, no loss'"},
	} {
		t.Run(name, func(t *testing.T) {
			if r := measure(t, fakeSpec(""), test.scenario+fmt.Sprintf(barred, test.figure)); r.Skipped == "" || len(r.Figures) > 0 {
				t.Errorf("want it skipped with a reason, got %+v", r)
			}
		})
	}
}

func TestRunner_refusesADestinationThatNobodyKnows(t *testing.T) {
	s, err := bench.ParseScenario([]byte("name: test\nrate: 1\ncount: 1\ndestinations: [webhok]\nunmeasured: [slick]\n"))
	if err != nil {
		t.Fatal(err)
	}
	runner := bench.Runner{Spec: fakeSpec(""), Log: t.Output()}
	_, err = runner.Run(t.Context(), []bench.Scenario{s})
	for _, want := range []string{`test: there is no destination "webhok": webhook`, `"slick"`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got %v", want, err)
		}
	}
}

// When nothing arrives there is no latency, rather than one of 0.
func TestRunner_knowsNoLatencyOfWhatNeverCame(t *testing.T) {
	r := measure(t, fakeSpec("-lose 1"), "rate: 400\ncount: 20\ndestinations: [webhook]\ndrain: 200ms\nbars: {p50: {max: 5}}\n")
	if f, ok := r.Figure("p50"); !ok || !f.Unmeasured || f.Met() {
		t.Errorf("want its bar missed, got %+v", f)
	}
	if lost := figure(t, r, "lost"); lost != 20 {
		t.Errorf("want all lost, got %v", lost)
	}
}

func TestRunner_saysWhyATargetDidNotStart(t *testing.T) {
	s, err := bench.ParseScenario([]byte("name: test\n" + events))
	if err != nil {
		t.Fatal(err)
	}
	runner := bench.Runner{Spec: fakeSpec("-crash"), Log: t.Output()}
	_, err = runner.Run(t.Context(), []bench.Scenario{s})
	if err == nil || !strings.Contains(err.Error(), os.ErrPermission.Error()) {
		t.Errorf("want what the program wrote, got %v", err)
	}
}

func TestRunner_saysThatTheCommandOfATargetIsNone(t *testing.T) {
	s, err := bench.ParseScenario([]byte("name: test\n" + events))
	if err != nil {
		t.Fatal(err)
	}
	spec := fakeSpec("")
	spec.Command = "/no/such/command"
	runner := bench.Runner{Spec: spec, Log: t.Output()}
	if _, err = runner.Run(t.Context(), []bench.Scenario{s}); !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), "make build") {
		t.Errorf("want that it does not exist and how to build ours, got %v", err)
	}
}

func TestRunner_comparesVariants(t *testing.T) {
	s, err := bench.ParseScenario([]byte(`
name: test
rate: 400
destinations: [webhook]
count: 20
variants:
  - {name: few}
  - {name: many, count: 40}
ratios:
  - {name: many / few, figure: QRS calls a task, of: many, to: few}
  - {name: slowest of both, figure: max, of: many, to: few}
bars:
  lost: {max: 0}
  slowest of both: {max: 0}
`))
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	runner := bench.Runner{Spec: fakeSpec(""), Log: &log}
	results, err := runner.Run(t.Context(), []bench.Scenario{s})
	if err != nil || len(results) != 3 {
		t.Fatalf("want two variants and their ratios, got %d, %v", len(results), err)
	}
	if !strings.Contains(log.String(), "many / few: not both figures were measured") {
		t.Errorf("want a word about a ratio of nothing, got %s", log.String())
	}
	if f, ok := results[2].Figure("slowest of both"); !ok || f.Unit != "x" || f.Met() {
		t.Errorf("want a ratio above its bar, got %+v", results[2])
	}
	if f, _ := results[0].Figure("lost"); f.Bar == nil || !f.Met() {
		t.Errorf("want the bar of the scenario on its variants, got %+v", f)
	}
}

// starter starts the fake, in place of the previous one, when a log line names its file.
type starter struct {
	t       *testing.T
	running *exec.Cmd
	log     strings.Builder
}

func (s *starter) Write(line []byte) (int, error) {
	s.log.Write(line)
	if _, config, told := strings.Cut(string(line), "start the target with "); told {
		s.stop()
		s.running = exec.Command(os.Args[0], fakeTarget, "-c", strings.TrimSpace(config))
		if err := s.running.Start(); err != nil {
			s.t.Error(err)
		}
		s.t.Cleanup(func() { os.RemoveAll(filepath.Dir(strings.TrimSpace(config))) })
	}
	return len(line), nil
}

func (s *starter) stop() {
	if s.running != nil {
		_, _ = s.running.Process.Kill(), s.running.Wait()
	}
}

// The second variant must not use the program that was started for the first.
func TestRunner_waitsForATargetThatSomebodyElseStarts(t *testing.T) {
	ports, err := target.FreePorts(1)
	if err != nil {
		t.Fatal(err)
	}
	spec, somebody := fakeSpec(""), &starter{t: t}
	spec.Command = ""
	defer somebody.stop()
	runner := bench.Runner{Spec: spec, Ports: ports, Log: somebody}
	s, err := bench.ParseScenario([]byte("name: test\n" + events + "variants: [{name: first}, {name: second}]\n"))
	if err != nil {
		t.Fatal(err)
	}
	results, err := runner.Run(t.Context(), []bench.Scenario{s})
	if err != nil || len(results) != 2 {
		t.Fatalf("got %d results, error %v", len(results), err)
	}
	for _, r := range results {
		if lost := figure(t, r, "lost"); lost != 0 {
			t.Errorf("%s: want nothing lost, got %v", r.Title(), lost)
		}
		if _, known := r.Figure("peak memory"); !known && runtime.GOOS == "linux" {
			t.Errorf("%s: want the process found", r.Title())
		}
	}
	for _, want := range []string{fmt.Sprintf("UDP port %d: start the target with ", ports[0]), "stop what listens there already, and start the target with"} {
		if !strings.Contains(somebody.log.String(), want) {
			t.Errorf("want %q, got %s", want, somebody.log.String())
		}
	}
}
