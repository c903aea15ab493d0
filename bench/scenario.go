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
	// What says in a line what is measured.
	What string `yaml:"what"`
	// Set is the set it belongs to: standard, or long for what takes minutes.
	Set string `yaml:"set"`
	// Measure is what is done: events (the default), intake, start, follow or http.
	Measure string `yaml:"measure"`

	// Rate is in events a second, Count how many there are. Measure events takes
	// a Duration instead.
	Rate  float64 `yaml:"rate"`
	Count int     `yaml:"count"`
	// Tasks is the number of distinct tasks that the events are about, Known that
	// of all tasks of the site; 0 means just enough. Without Tasks there are fifty.
	Tasks int `yaml:"tasks"`
	Known int `yaml:"known"`
	// Mix is what the events are; without one all are failed reloads.
	Mix []Share `yaml:"mix"`
	// Executions makes the repository know each execution and its script log.
	Executions bool `yaml:"executions"`
	// Warm is how many events are sent and dealt with before the measurement, at WarmRate.
	Warm     int     `yaml:"warm"`
	WarmRate float64 `yaml:"warmRate"`
	// Drain bounds the wait at the end while nothing arrives any more.
	Drain time.Duration `yaml:"drain"`

	QRS QRS `yaml:"qrs"`
	// Destinations are those that are on. An event is expected at each of them
	// unless its share of the mix says otherwise.
	Destinations []string `yaml:"destinations"`
	// Unmeasured are switched on as well, and nothing is expected of them.
	Unmeasured []string `yaml:"unmeasured"`
	// Sinks are the faults of the sink for webhooks, by path.
	Sinks []Fault `yaml:"sinks"`
	// Deaf closes the sink for webhooks: nothing is delivered, events are only decided.
	Deaf bool `yaml:"deaf"`
	// Config is merged into the configuration of the target.
	Config string `yaml:"config"`
	// Pending is how many events wait in the journal at the start.
	Pending int `yaml:"pending"`
	// Duration is for how long events are sent, an idle target or one that follows
	// executions is watched, or one turn of a comparison takes.
	Duration time.Duration `yaml:"duration"`

	// Bars are what the figures have to be, by their name.
	Bars map[string]Bar `yaml:"bars"`
	// Variants repeat the scenario with some fields replaced, and Ratios compare them.
	Variants []yaml.Node `yaml:"variants"`
	Ratios   []Ratio     `yaml:"ratios"`

	// scale multiplies the number of events, tasks and executions, and shortens
	// what takes its time whatever they are.
	scale float64
	// given are the keys that the file has.
	given map[string]bool
}

// Share is a part of the events.
type Share struct {
	// Family is failed, aborted, succeeded or distribute; Type a type of task.
	Family string `yaml:"family"`
	Type   string `yaml:"type"`
	// Of is how many of each round of the mix are of this kind; 0 means one.
	Of int `yaml:"of"`
	// To replaces the destinations of the scenario.
	To []string `yaml:"to"`
}

// QRS is how the repository answers.
type QRS struct {
	Latency time.Duration `yaml:"latency"`
	Jitter  time.Duration `yaml:"jitter"`
	Faults  []Fault       `yaml:"faults"`
}

// Fault is something that goes wrong with answers.
type Fault struct {
	// Path is the beginning of the paths that are hit, Percent their share; 0 means all.
	Path    string  `yaml:"path"`
	Percent float64 `yaml:"percent"`
	// Kind is slow, reset, status, hang or truncate.
	Kind       string        `yaml:"kind"`
	Status     int           `yaml:"status"`
	Delay      time.Duration `yaml:"delay"`
	RetryAfter time.Duration `yaml:"retryAfter"`
}

// Bar is what a figure has to be.
type Bar struct {
	Min *float64 `yaml:"min" json:"min,omitempty"`
	Max *float64 `yaml:"max" json:"max,omitempty"`
	// Anywhere marks a bar that holds on any machine, as slow as it may be. One of
	// at most 0 does so in any case.
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

// ParseScenario reads a scenario and says everything that is wrong with it.
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

// Variant is a scenario with a name within it, "" for the scenario itself.
type Variant struct {
	Name string
	Scenario
}

// Scale multiplies the number of events and tasks, to try a scenario out.
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

// shortened is a time at a scale below 1.
func (s Scenario) shortened(d time.Duration) time.Duration {
	return time.Duration(float64(d) * min(1, cmp.Or(s.scale, 1)))
}

// Expand returns the variants, or the scenario itself when it has none. The error
// is everything that is wrong with them.
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

// variant returns the scenario with what a variant replaces.
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

// bars returns those of the figures and those of the ratios, which are judged
// when they are made.
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

// told are the destinations that are told of events.
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
