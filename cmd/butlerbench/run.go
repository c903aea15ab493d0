package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"butler/bench"
	"butler/bench/report"
	"butler/bench/target"
	"butler/internal/buildinfo"
)

// runOptions are the options of a run.
type runOptions struct {
	set       string
	files     []string
	spec      string
	command   string
	external  bool
	pid       int
	ports     []int
	out, name string
	baseline  string
	check     string
	scale     float64
}

func newRun() *cobra.Command {
	var o runOptions
	cmd := &cobra.Command{
		Use:   "run [scenario ...]",
		Short: "Measure, and write a table, JSON, Markdown and an HTML page",
		Long: `Runs scenarios, by default the standard set, against a program that it starts
with a configuration file of its own, beside a simulated Qlik Sense repository
and sinks for every kind of message. Nothing leaves this machine unless the
configuration of a scenario says so.`,
		Example: `  butlerbench run                                   the standard set
  butlerbench run webhook-200 burst                 two scenarios of it
  butlerbench run --command "/opt/other -c {config}" --target other.yaml
  butlerbench run webhook-200 --external            against a program that you start`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.validate(args, cmd.Flags().Changed); err != nil {
				return err
			}
			return o.run(cmd.Context(), args, cmd.OutOrStdout())
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.set, "set", "standard", "which `set` to run when no scenario is named: standard, long or all")
	f.StringArrayVar(&o.files, "scenario-file", nil, "scenario `file` to run as well; may be given several times")
	f.StringVar(&o.spec, "target", "", "`file` that describes the target; without it, this service")
	f.StringVar(&o.command, "command", "", "`command` line that starts the target, with {config}, {dir}, {udpPort}, {operationsPort} and {restPort}; replaces that of its description")
	f.BoolVar(&o.external, "external", false, "start nothing: for every scenario print where the configuration file is, and wait until the target is up")
	f.IntVar(&o.pid, "pid", 0, "`process` of an external target whose CPU time and memory are measured; by default the one that has the UDP port open (Linux)")
	f.IntSliceVar(&o.ports, "ports", nil, "`ports` of the target for UDP, operations and REST, such as 9998,8081,8080; by default, and for a 0, free ones")
	f.StringVar(&o.out, "out", ".bench", "`directory` of the results")
	f.StringVar(&o.name, "name", "run", "`name` of the result files")
	f.StringVar(&o.baseline, "baseline", "", "earlier results (JSON) to compare with, if the `file` exists")
	f.StringVar(&o.check, "check", "", "exit with 1 when a figure misses its bar; `which` is all, or zeros for the bars that hold on any machine: those that must be 0, such as lost, or are marked anywhere")
	f.Lookup("check").NoOptDefVal = checkAll
	f.Float64Var(&o.scale, "scale", 1, "multiply the number of events and tasks, to try a scenario out; the figures are meaningless then")
	return cmd
}

// validate returns an error for options that do not go together.
func (o *runOptions) validate(names []string, given func(option string) bool) error {
	const most, highest = 3, 1<<16 - 1
	switch {
	case o.check != "" && o.check != checkAll && o.check != checkZeros:
		return fmt.Errorf("--check %q: %s or %s", o.check, checkAll, checkZeros)
	case given("set") && len(names)+len(o.files) > 0:
		return errors.New("--set chooses when no scenario is named: leave it out, or the scenarios")
	case given("pid") && !o.external:
		return errors.New("--pid is for a target that you start: give --external, too")
	case given("command") && o.external:
		return errors.New("--command starts the target, and --external leaves that to you: give one of them")
	case len(o.ports) > most || slices.ContainsFunc(o.ports, func(port int) bool { return port < 0 || port > highest }):
		return fmt.Errorf("--ports %v: up to three from 0 to %d, for UDP, operations and REST", o.ports, highest)
	}
	return nil
}

func (o *runOptions) run(ctx context.Context, names []string, out io.Writer) error {
	scenarios, err := o.scenarios(names)
	if err != nil {
		return err
	}
	spec, err := o.target()
	if err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	sparePower()
	result := bench.Report{Target: spec.Name, Machine: bench.ThisMachine(), Scale: o.scale, Began: time.Now()}
	live := newScreen(os.Stderr)
	runner := bench.Runner{
		Spec: spec, PID: o.pid, Ports: o.ports, Handler: []string{self, bareCommand}, Log: live, Progress: live.progress,
	}
	if warning := result.Machine.Warning(); warning != "" {
		fmt.Fprintf(live, "WARNING: %s\n", warning)
	}
	result.Results, err = runner.Run(ctx, scenarios)
	result.Revision = runner.Revision
	if result.Revision == "" && o.spec == "" {
		result.Revision = buildinfo.Read().Revision // the harness is built from the same tree as the service
	}
	_, _ = live.Write(nil)
	result.Took, result.Machine.LoadAfter = time.Since(result.Began).Seconds(), bench.LoadNow()
	if len(result.Results) == 0 {
		return err
	}
	base := filepath.Join(o.out, o.name)
	if err != nil {
		base += partial
	}
	return errors.Join(err, o.show(out, result, base))
}

// partial is the suffix for the results of a run that failed, so that they do not
// replace those of an earlier run, which may be a baseline.
const partial = ".partial"

// harnessGCPercent is the GOGC of the harness.
const harnessGCPercent = 400

// sparePower makes the harness collect garbage rarely: it shares the cores with the
// target, and its own memory is not measured. A GOGC in the environment takes precedence.
func sparePower() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(harnessGCPercent)
	}
}

// scenarios returns the named scenarios, or those of the set.
func (o *runOptions) scenarios(names []string) ([]bench.Scenario, error) {
	all, err := bench.Scenarios()
	if err != nil {
		return nil, err
	}
	var out []bench.Scenario
	for _, s := range all {
		if slices.Contains(names, s.Name) || len(names)+len(o.files) == 0 && (o.set == "all" || o.set == s.Set) {
			out = append(out, s)
		}
	}
	for _, name := range names {
		if !slices.ContainsFunc(out, func(s bench.Scenario) bool { return s.Name == name }) {
			return nil, fmt.Errorf("no scenario %q: butlerbench list", name)
		}
	}
	for _, path := range o.files {
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		s, err := bench.ParseScenario(text)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		if slices.ContainsFunc(slices.Concat(all, out), func(other bench.Scenario) bool { return other.Name == s.Name }) {
			return nil, fmt.Errorf("%s: there is another scenario %q, and results are compared by name", path, s.Name)
		}
		out = append(out, s)
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("no scenario in the set %q: standard, long or all", o.set)
	}
	for i := range out {
		if err := out[i].Scale(o.scale); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// target returns the description of the program to measure.
func (o *runOptions) target() (target.Spec, error) {
	spec, err := bench.Butler()
	if o.spec != "" {
		var text []byte
		if text, err = os.ReadFile(o.spec); err == nil {
			spec, err = target.ParseSpec(text)
		}
	}
	if err != nil {
		return spec, err
	}
	if o.command != "" {
		spec.Command = o.command
	}
	if o.external {
		spec.Command = ""
		return spec, nil
	}
	if spec.Command == "" {
		return spec, errors.New("the target has no command: give --command, or --external to start it yourself")
	}
	return spec, spec.Validate()
}

// show compares a run with the baseline, prints it, and writes it to files whose names
// begin with base.
func (o *runOptions) show(out io.Writer, r bench.Report, base string) error {
	if o.baseline != "" {
		earlier, err := report.Load(o.baseline)
		switch {
		case err == nil:
			r.Compare(earlier)
		case !errors.Is(err, os.ErrNotExist):
			return err
		}
	}
	if err := report.Table(out, r); err != nil {
		return err
	}
	if err := os.MkdirAll(o.out, 0o755); err != nil {
		return err
	}
	if err := report.Save(base+".json", r); err != nil {
		return err
	}
	for suffix, write := range map[string]func(io.Writer, bench.Report) error{".html": report.HTML, ".md": report.Markdown} {
		if err := writeTo(base+suffix, r, write); err != nil {
			return err
		}
	}
	fmt.Fprintf(out, "\n%s.html has the charts, %s.json everything.\n", base, base)
	if missed := r.Missed(nil); len(missed) > 0 {
		fmt.Fprintf(out, "figures that miss their bar: %d\n  %s\n", len(missed), report.Plain(strings.Join(missed, "\n  ")))
	}
	return o.judge(r)
}

// The values of --check.
const (
	checkAll   = "all"
	checkZeros = "zeros"
)

// judge returns an error for a run that misses bars.
func (o *runOptions) judge(r bench.Report) error {
	var missed []string
	switch o.check {
	case checkAll:
		missed = r.Missed(nil)
	case checkZeros:
		missed = r.Missed(bench.Figure.HoldsAnywhere)
	}
	if len(missed) > 0 {
		return fmt.Errorf("not all figures are what they have to be: %s", strings.Join(missed, "; "))
	}
	return nil
}

func writeTo(path string, r bench.Report, write func(io.Writer, bench.Report) error) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	return errors.Join(write(file, r), file.Close())
}
