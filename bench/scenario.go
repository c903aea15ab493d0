package bench

import (
	"cmp"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"butler/bench/target"
	"butler/internal/qlik"
	"butler/internal/sim/edge"
	"butler/messages"
)

//go:embed scenarios/*.yaml
var scenarioFiles embed.FS

//go:embed targets/butler.yaml
var butlerTarget []byte

// Butler returns the description of this service as a target.
func Butler() (target.Spec, error) { return target.ParseSpec(butlerTarget) }

// Scenario is one measurement as data.
type Scenario struct {
	Name string `yaml:"name"`
	// What describes the measurement in one line.
	What string `yaml:"what"`
	// Set is the set of the scenario: standard, or long for one that takes minutes.
	Set string `yaml:"set"`
	// Measure is what is done: events (the default), intake, start, follow or http.
	Measure string `yaml:"measure"`

	// Rate is in events a second, Count how many there are. Measure events takes
	// a Duration instead.
	Rate  float64 `yaml:"rate"`
	Count int     `yaml:"count"`
	// Tasks is the number of distinct tasks that the events are about, fifty by default.
	// Known is the number of all tasks of the site; 0 means just enough.
	Tasks int `yaml:"tasks"`
	Known int `yaml:"known"`
	// Mix is the mix of events; without one all are failed reloads.
	Mix []Share `yaml:"mix"`
	// Executions makes the repository know each execution and its script log.
	Executions bool `yaml:"executions"`
	// Warm is how many events are sent at WarmRate, and handled, before the measurement.
	Warm     int     `yaml:"warm"`
	WarmRate float64 `yaml:"warmRate"`
	// Drain is how long the end of the measurement waits while nothing arrives.
	Drain time.Duration `yaml:"drain"`

	QRS QRS `yaml:"qrs"`
	// Destinations are switched on, and each is expected to receive every event
	// unless the share of the event in the mix says otherwise.
	Destinations []string `yaml:"destinations"`
	// Unmeasured are destinations that are switched on and not measured.
	Unmeasured []string `yaml:"unmeasured"`
	// Sinks are the faults of the sink for webhooks, by path.
	Sinks []Fault `yaml:"sinks"`
	// Deaf closes the sink for webhooks: nothing is delivered, events are only decided.
	Deaf bool `yaml:"deaf"`
	// Config is merged into the configuration of the target.
	Config string `yaml:"config"`
	// Pending is how many events wait in the journal at the start.
	Pending int `yaml:"pending"`
	// Duration is how long events are sent, an idle target or one that follows
	// executions is observed, or one turn of a comparison takes.
	Duration time.Duration `yaml:"duration"`

	// Bars are the limits of the figures, by name.
	Bars map[string]Bar `yaml:"bars"`
	// Variants repeat the scenario with some fields replaced, and Ratios compare them.
	Variants []yaml.Node `yaml:"variants"`
	Ratios   []Ratio     `yaml:"ratios"`

	// scale multiplies the number of events, tasks and executions. Below 1 it also
	// shortens durations that do not depend on them.
	scale float64
	// given are the keys that the file has.
	given map[string]bool
}

// Share is a part of the events.
type Share struct {
	// Family is failed, aborted, succeeded or distribute; Type a type of task.
	Family string `yaml:"family"`
	Type   string `yaml:"type"`
	// Of is how many events of each round of the mix are of this kind; 0 means one.
	Of int `yaml:"of"`
	// To replaces the destinations of the scenario for these events.
	To []string `yaml:"to"`
}

// QRS is how the repository answers.
type QRS struct {
	Latency time.Duration `yaml:"latency"`
	Jitter  time.Duration `yaml:"jitter"`
	Faults  []Fault       `yaml:"faults"`
}

// Fault makes answers go wrong.
type Fault struct {
	// Path is the prefix of the paths that are hit, Percent the share of their
	// requests; 0 means all.
	Path    string  `yaml:"path"`
	Percent float64 `yaml:"percent"`
	// Kind is slow, reset, status, hang or truncate.
	Kind       string        `yaml:"kind"`
	Status     int           `yaml:"status"`
	Delay      time.Duration `yaml:"delay"`
	RetryAfter time.Duration `yaml:"retryAfter"`
}

// Bar is the limits that a figure has to meet.
type Bar struct {
	Min *float64 `yaml:"min" json:"min,omitempty"`
	Max *float64 `yaml:"max" json:"max,omitempty"`
	// Anywhere marks a bar that applies on any machine, however slow. A bar of at
	// most 0 always does.
	Anywhere bool `yaml:"anywhere" json:"anywhere,omitempty"`
}

// Ratio divides a figure of one variant by that of another, or by a figure of
// an earlier scenario.
type Ratio struct {
	Name   string `yaml:"name"`
	Figure string `yaml:"figure"`
	// Of and To are variants; "" is the scenario itself. Against is "scenario: figure".
	Of      string `yaml:"of"`
	To      string `yaml:"to"`
	Against string `yaml:"against"`
}

var faultKinds = map[string]edge.FaultKind{
	"slow": edge.Slow, "reset": edge.ResetBefore, "status": edge.Status, "hang": edge.Hang, "truncate": edge.Truncate,
}

// rule returns the fault for an endpoint.
func (f Fault) rule(n int) edge.Rule {
	return edge.Rule{
		Name: fmt.Sprint("fault ", n), Kind: faultKinds[f.Kind], PathPrefix: f.Path, Percent: f.Percent, Status: f.Status,
		Delay: f.Delay, RetryAfter: f.RetryAfter,
	}
}

// Scenarios returns the scenarios that come with the harness, in the order of their files.
func Scenarios() ([]Scenario, error) {
	var out []Scenario
	err := fs.WalkDir(scenarioFiles, "scenarios", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := scenarioFiles.ReadFile(name)
		if err != nil {
			return err
		}
		s, err := ParseScenario(text)
		if err != nil {
			return fmt.Errorf("%s: %w", path.Base(name), err)
		}
		out = append(out, s)
		return nil
	})
	return out, err
}

// ParseScenario reads a scenario. The error names everything that is wrong with it.
func ParseScenario(text []byte) (Scenario, error) {
	s := Scenario{Measure: measuresEvents, Drain: 5 * time.Second, WarmRate: 2000, Tasks: 50, Set: "standard"}
	if err := target.Decode(text, &s); err != nil {
		return s, err
	}
	var err error
	if s.given, err = keysOf(func(into any) error { return yaml.Unmarshal(text, into) }); err != nil {
		return s, err
	}
	_, err = s.Expand()
	return s, err
}

// Variant is a variant of a scenario by name; "" is the scenario itself.
type Variant struct {
	Name string
	Scenario
}

// Scale multiplies the number of events and tasks, for trial runs.
func (s *Scenario) Scale(by float64) error {
	if !finite(by) || by <= 0 {
		return fmt.Errorf("scale %g must be a number above 0", by)
	}
	s.scale = by
	return nil
}

// counted returns the scenario with the count that follows from a duration.
func (s Scenario) counted() Scenario {
	if s.Measure == measuresEvents && s.Count == 0 {
		s.Count = int(s.Rate * s.Duration.Seconds())
	}
	return s
}

// scaled returns the scenario with its numbers multiplied.
func (s Scenario) scaled() Scenario {
	if s.scale == 0 || s.scale == 1 {
		return s
	}
	for _, n := range []*int{&s.Count, &s.Known, &s.Warm, &s.Pending, &s.Tasks} {
		if *n > 0 {
			*n = max(1, int(float64(*n)*s.scale))
		}
	}
	if s.Measure == measuresFollow {
		s.Duration = s.shortened(s.Duration)
	}
	return s
}

// shortened returns a duration multiplied by the scale, if that is below 1.
func (s Scenario) shortened(d time.Duration) time.Duration {
	return time.Duration(float64(d) * min(1, cmp.Or(s.scale, 1)))
}

// Expand returns the variants, or the scenario itself when it has none. The error names
// everything that is wrong with them.
func (s Scenario) Expand() ([]Variant, error) {
	variants, problems := []Variant{{Scenario: s}}, []error{s.validate()}
	if len(s.Variants) > 0 {
		variants = nil
	}
	for _, node := range s.Variants {
		v, err := s.variant(node)
		if err != nil {
			problems = append(problems, fmt.Errorf("variant %q: %w", v.Name, err))
		}
		variants = append(variants, v)
	}
	for i, v := range variants {
		v.Scenario = v.counted()
		for _, err := range v.validate() {
			if v.Name != "" {
				err = fmt.Errorf("variant %q: %w", v.Name, err)
			}
			problems = append(problems, err)
		}
		variants[i].Scenario = v.scaled()
	}
	return variants, errors.Join(append(problems, ratiosFit(s.Ratios, variants))...)
}

// variant returns the scenario with the fields of a variant replaced.
func (s Scenario) variant(node yaml.Node) (Variant, error) {
	v := Variant{Scenario: s}
	v.Scenario.Name, v.Bars, v.given = "", maps.Clone(s.Bars), maps.Clone(s.given)
	text, err := yaml.Marshal(&node)
	if err == nil {
		err = target.Decode(text, &v.Scenario)
	}
	if keys, keysErr := keysOf(node.Decode); keysErr == nil {
		maps.Copy(v.given, keys)
	}
	v.Name, v.Scenario.Name = v.Scenario.Name, s.Name
	return v, err
}

// bars returns the bars of the figures and those of the ratios, which are judged later,
// when the ratios are computed.
func (s Scenario) bars() (figures, ratios map[string]Bar) {
	figures, ratios = map[string]Bar{}, map[string]Bar{}
	maps.Copy(figures, s.Bars)
	for _, r := range s.Ratios {
		if bar, has := figures[r.Name]; has {
			ratios[r.Name] = bar
			delete(figures, r.Name)
		}
	}
	return figures, ratios
}

// mix returns the mix, or failed reloads when there is none.
func (s Scenario) mix() []Share {
	if len(s.Mix) == 0 {
		return []Share{{Family: "failed", Type: "reload"}}
	}
	return s.Mix
}

// told returns the destinations that receive events.
func (s Scenario) told() []string {
	out := slices.Clone(s.Destinations)
	for _, share := range s.Mix {
		out = append(out, share.To...)
	}
	return out
}

// kind returns the family and the type of task of a share.
func (s Share) kind() (messages.Family, qlik.TaskType, error) {
	families := []messages.Family{messages.FamilyFailed, messages.FamilyAborted, messages.FamilySucceeded, messages.FamilyDistribute}
	family := slices.IndexFunc(families, func(f messages.Family) bool { return f.String() == s.Family })
	types := qlik.TaskTypes()
	kind := slices.IndexFunc(types, func(t qlik.TaskType) bool { return strings.EqualFold(t.String(), s.Type) })
	if family < 0 || kind < 0 {
		return 0, 0, fmt.Errorf("mix: %q of %q is no event: families are %v, types %v", s.Family, s.Type, families, types)
	}
	return families[family], types[kind], nil
}
