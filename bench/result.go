package bench

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"
)

// Figure is one measured number.
type Figure struct {
	// Name is stable within its scenario and variant; runs are compared by it.
	Name string `json:"name"`
	// Value is in Unit. A ratio has the unit "x" and says what of in Name.
	Value float64 `json:"value"`
	Unit  string  `json:"unit"`
	// Better says which way is better: higher, lower, or "" for neither.
	Better string `json:"better,omitempty"`
	Bar    *Bar   `json:"bar,omitempty"`
	// Unmeasured marks a figure that has a bar and no value: it misses the bar.
	Unmeasured bool `json:"unmeasured,omitempty"`
	// Baseline is the same figure of an earlier run, if that has it.
	Baseline *float64 `json:"baseline,omitempty"`
}

// Met reports whether the figure meets its bar.
func (f Figure) Met() bool {
	return f.Bar == nil || !f.Unmeasured && (f.Bar.Min == nil || f.Value >= *f.Bar.Min) && (f.Bar.Max == nil || f.Value <= *f.Bar.Max)
}

// Ratio returns the figure divided by that of the earlier run; false without one.
func (f Figure) Ratio() (float64, bool) {
	if f.Unmeasured || f.Baseline == nil || *f.Baseline == 0 {
		return 0, false
	}
	return f.Value / *f.Baseline, true
}

// Sample is the state of a run at one moment. Unknown values are -1.
type Sample struct {
	// At is in seconds since the first sample.
	At       float64 `json:"at"`
	Sent     int     `json:"sent"`
	Received int     `json:"received"`
	// Pending events wait for a decision, Queued messages for their destination.
	Pending float64 `json:"pending"`
	Queued  float64 `json:"queued"`
	// RSS is in MiB, CPU in cores since the previous sample.
	RSS float64 `json:"rss"`
	CPU float64 `json:"cpu"`
}

// Result is the result of a scenario, or of one of its variants.
type Result struct {
	Scenario string `json:"scenario"`
	Variant  string `json:"variant,omitempty"`
	What     string `json:"what"`
	// Skipped is the reason why there are no measurements, "" otherwise.
	Skipped    string     `json:"skipped,omitempty"`
	Figures    []Figure   `json:"figures"`
	Deliveries []Delivery `json:"deliveries,omitempty"`
	Windows    []Window   `json:"windows,omitempty"`
	Samples    []Sample   `json:"samples,omitempty"`
	// Calls counts the calls of the repository, by operation.
	Calls map[string]int `json:"calls,omitempty"`
	// Took is in seconds, set-up and tear-down included.
	Took float64 `json:"took"`
}

// Title is the scenario with its variant.
func (r Result) Title() string {
	if r.Variant == "" {
		return r.Scenario
	}
	return r.Scenario + ": " + r.Variant
}

// Figure returns a figure by its name.
func (r Result) Figure(name string) (Figure, bool) {
	at := slices.IndexFunc(r.Figures, func(f Figure) bool { return f.Name == name })
	if at < 0 {
		return Figure{}, false
	}
	return r.Figures[at], true
}

// judge sets the bars of the figures. A figure that has a bar and was not measured is
// added as unmeasured, and its name is returned.
func (r *Result) judge(bars map[string]Bar) (unmeasured []string) {
	for _, name := range slices.Sorted(maps.Keys(bars)) {
		bar := bars[name]
		at := slices.IndexFunc(r.Figures, func(f Figure) bool { return f.Name == name })
		if at < 0 {
			unmeasured = append(unmeasured, name)
			r.Figures = append(r.Figures, Figure{Name: name, Bar: &bar, Unmeasured: true})
			continue
		}
		r.Figures[at].Bar = &bar
	}
	return unmeasured
}

// Report is the outcome of a run of several scenarios.
type Report struct {
	Target   string    `json:"target"`
	Revision string    `json:"revision,omitempty"`
	Machine  Machine   `json:"machine"`
	Began    time.Time `json:"began"`
	// Scale is the factor of the numbers of the scenarios; 0 means 1.
	Scale float64 `json:"scale,omitempty"`
	// Took is in seconds.
	Took    float64  `json:"took"`
	Results []Result `json:"results"`
	// Against describes the baseline, nil without one.
	Against *Baseline `json:"against,omitempty"`
}

// Baseline describes the run that a run is compared with.
type Baseline struct {
	Began   time.Time `json:"began"`
	Machine Machine   `json:"machine"`
	Scale   float64   `json:"scale,omitempty"`
	// Common is how many figures both runs have.
	Common int `json:"common"`
}

// Warnings returns what makes the run, or its comparison with another, doubtful.
func (r Report) Warnings() []string {
	var out []string
	if warning := r.Machine.Warning(); warning != "" {
		out = append(out, warning)
	}
	mine := cmp.Or(r.Scale, 1)
	if mine != 1 {
		out = append(out, fmt.Sprintf("the numbers of the scenarios were multiplied by %g: speeds mean nothing", mine))
	}
	if a := r.Against; a != nil {
		if other := cmp.Or(a.Scale, 1); mine != other {
			out = append(out, fmt.Sprintf("the scales differ: %g here, %g of the baseline", mine, other))
		}
		if !r.Machine.same(a.Machine) {
			out = append(out, "the machines differ: compare ratios only")
		}
	}
	return out
}

// Compare sets the figures of an earlier run as the baseline of this one.
func (r *Report) Compare(earlier Report) {
	r.Against = &Baseline{Began: earlier.Began, Machine: earlier.Machine, Scale: earlier.Scale}
	for i := range r.Results {
		at := slices.IndexFunc(earlier.Results, func(e Result) bool { return e.Title() == r.Results[i].Title() })
		if at < 0 {
			continue
		}
		for k, f := range r.Results[i].Figures {
			if old, ok := earlier.Results[at].Figure(f.Name); ok && !old.Unmeasured {
				r.Against.Common++
				r.Results[i].Figures[k].Baseline = &old.Value
			}
		}
	}
}

// HoldsAnywhere reports whether the bar of the figure applies on any machine, because it
// is at most 0 or is marked so.
func (f Figure) HoldsAnywhere() bool {
	return f.Bar != nil && (f.Bar.Anywhere || f.Bar.Max != nil && *f.Bar.Max == 0)
}

// Missed returns the titles of the figures that miss their bars, of those that of selects;
// nil selects all.
func (r Report) Missed(of func(Figure) bool) []string {
	var out []string
	for _, result := range r.Results {
		for _, f := range result.Figures {
			if !f.Met() && (of == nil || of(f)) {
				out = append(out, result.Title()+": "+f.Name)
			}
		}
	}
	return out
}

// find returns a figure by "scenario: figure" or "scenario: variant: figure".
func find(results []Result, address string) (Figure, bool) {
	for _, r := range results {
		for _, f := range r.Figures {
			if r.Title()+": "+f.Name == address && !f.Unmeasured {
				return f, true
			}
		}
	}
	return Figure{}, false
}
