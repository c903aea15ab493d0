package bench

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"butler/bench/target"
)

// Runner measures one program.
type Runner struct {
	Spec target.Spec
	// PID is the process of an external target; 0 means the process that has its UDP
	// port open.
	PID int
	// Ports are those of the target for UDP, operations and REST, 0 or none for free ones.
	Ports []int
	// Handler is the command that calls bare.Serve, for the scenarios that compare
	// with it.
	Handler []string
	// Log and Progress, if set, are called with what happens and how far a scenario is.
	Log      io.Writer
	Progress func(Progress)
	// Revision is what the target says that it was built from, once it has run.
	Revision string

	// ends counts how the processes of the current scenario ended.
	ends target.Ends
}

// Progress is how far a scenario is.
type Progress struct {
	Title string
	Sample
	Missing int
}

// measures are the measuring functions, by name.
var measures = map[string]func(context.Context, *Runner, Variant) (Result, error){
	measuresEvents: measureEvents, measuresIntake: measureIntake, measuresStart: measureStart, measuresFollow: measureFollow, measuresHTTP: measureHTTP,
}

// Run measures scenario after scenario. It skips a scenario that the target cannot do.
// Any other error ends the run, and Run returns what was measured until then.
func (r *Runner) Run(ctx context.Context, scenarios []Scenario) ([]Result, error) {
	if err := r.knowsDestinations(scenarios); err != nil {
		return nil, err
	}
	var out []Result
	for i, s := range scenarios {
		fmt.Fprintf(r.Log, "[%d/%d] %s: %s\n", i+1, len(scenarios), s.Name, s.What)
		variants, err := s.Expand()
		if err != nil {
			return out, err
		}
		for _, v := range variants {
			result, err := r.one(ctx, v)
			if err = cmp.Or(err, ctx.Err()); err != nil {
				return out, fmt.Errorf("%s: %w", result.Title(), err)
			}
			out = append(out, result)
		}
		out = append(out, r.ratios(s, out)...)
	}
	return out, nil
}

// knowsDestinations returns an error for destinations of the scenarios that neither the
// target nor this service knows, and so are misspelt. A scenario with a destination that
// only the target lacks is skipped instead.
func (r *Runner) knowsDestinations(scenarios []Scenario) error {
	ours, err := Butler()
	problems := []error{err}
	for _, s := range scenarios {
		variants, err := s.Expand()
		problems = append(problems, err)
		for _, v := range variants {
			for _, name := range lacking(ours, v, lacking(r.Spec, v, slices.Concat(v.told(), v.Unmeasured))) {
				problems = append(problems, fmt.Errorf("%s: there is no destination %q: %s", titleOf(s.Name, v.Name), name,
					strings.Join(r.Spec.Destinations(v.Config), ", ")))
			}
		}
	}
	return errors.Join(problems...)
}

// lacking returns the destinations that a target does not know.
func lacking(spec target.Spec, v Variant, names []string) []string {
	known := spec.Destinations(v.Config)
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool { return slices.Contains(known, name) })
}

// one measures a scenario or a variant of it.
func (r *Runner) one(ctx context.Context, v Variant) (Result, error) {
	began := time.Now()
	r.ends = target.Ends{}
	var result Result
	var err error
	if names := lacking(r.Spec, v, v.told()); len(names) > 0 {
		err = fmt.Errorf("destinations %s: %w", strings.Join(names, ", "), errCannot)
	} else {
		result, err = measures[v.Measure](ctx, r, v)
	}
	result.Scenario, result.Variant, result.What, result.Took = v.Scenario.Name, v.Name, v.What, time.Since(began).Seconds()
	if errors.Is(err, errCannot) || errors.Is(err, target.ErrNoExtras) {
		result.Skipped, err = err.Error(), nil
		fmt.Fprintf(r.Log, "%s: skipped: %s\n", result.Title(), result.Skipped)
	}
	if err != nil || result.Skipped != "" {
		return result, err
	}
	bars, _ := v.bars()
	if r.Spec.Command != "" {
		result.add(endedBadly, float64(r.ends.Failed))
		result.add(hadToBeKilled, float64(r.ends.Killed))
		none := 0.0
		for _, name := range []string{endedBadly, hadToBeKilled} {
			bars[name] = Bar{Max: &none}
		}
	}
	for _, name := range result.judge(bars) {
		fmt.Fprintf(r.Log, "%s: %q was not measured, which misses its bar\n", result.Title(), name)
	}
	return result, nil
}

// errCannot is returned when a target lacks what a scenario needs.
var errCannot = errors.New("this target has no such thing")

// ratios returns the ratios of a scenario as a separate result, and none for a scenario
// that was skipped.
func (r *Runner) ratios(s Scenario, results []Result) []Result {
	if !slices.ContainsFunc(results, func(r Result) bool { return r.Scenario == s.Name && r.Skipped == "" }) {
		return nil
	}
	out := Result{Scenario: s.Name, Variant: "ratios", What: s.What}
	for _, ratio := range s.Ratios {
		of, known := find(results, titleOf(s.Name, ratio.Of)+": "+ratio.Figure)
		address := ratio.Against
		if address == "" {
			address = titleOf(s.Name, ratio.To) + ": " + ratio.Figure
		}
		to, alsoKnown := find(results, address)
		if !known || !alsoKnown || to.Value == 0 {
			fmt.Fprintf(r.Log, "%s: %s: not both figures were measured\n", s.Name, ratio.Name)
			continue
		}
		out.Figures = append(out.Figures, Figure{Name: ratio.Name, Value: of.Value / to.Value, Unit: "x", Better: of.Better})
	}
	_, bars := s.bars()
	out.judge(bars)
	if len(out.Figures) == 0 {
		return nil
	}
	return []Result{out}
}

func titleOf(scenario, variant string) string {
	return Result{Scenario: scenario, Variant: variant}.Title()
}

// session is a running target with a site of its own.
type session struct {
	runner    *Runner
	variant   Variant
	directory string
	site      *site
	target    *target.Target
	// ready is how long the target took to start.
	ready time.Duration
	// sent counts the events sent so far.
	sent int
}

// open starts a site and a target. prepare, if set, is called with the directory of the
// target before the target starts.
func (r *Runner) open(ctx context.Context, v Variant, prepare func(directory string) error) (*session, error) {
	directory, err := os.MkdirTemp("", "butlerbench-")
	if err != nil {
		return nil, err
	}
	s := &session{runner: r, variant: v, directory: directory}
	if err := s.start(ctx, prepare); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *session) start(ctx context.Context, prepare func(directory string) error) error {
	var err error
	if s.site, err = newSite(s.variant.Scenario, s.runner.Spec.ByTask, s.directory); err != nil {
		return err
	}
	at, err := s.site.describe(s.directory, s.variant.Scenario, s.runner.Ports)
	if err != nil {
		return err
	}
	if prepare != nil {
		if err := prepare(s.directory); err != nil {
			return err
		}
	}
	r := s.runner
	s.target, s.ready, err = target.Start(ctx, target.Options{
		Spec: r.Spec, Site: at, Extra: s.variant.Config, PID: r.PID, Log: r.Log,
	})
	if err == nil && r.Revision == "" {
		r.Revision = s.target.Revision(ctx)
	}
	return err
}

// close stops the target and the site and removes their files.
func (s *session) close() {
	if s.target != nil {
		if err := s.target.Stop(); err != nil {
			fmt.Fprintln(s.runner.Log, err)
		}
		ends := s.target.Ends()
		s.runner.ends.Failed += ends.Failed
		s.runner.ends.Killed += ends.Killed
	}
	if s.site != nil {
		s.site.Stop()
	}
	if s.target != nil && s.runner.Spec.Command == "" {
		fmt.Fprintf(s.runner.Log, "%s stays, since the target uses it still\n", s.directory)
		return
	}
	_ = os.RemoveAll(s.directory)
}
