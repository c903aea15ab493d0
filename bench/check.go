package bench

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"
	"unicode"

	"go.yaml.in/yaml/v3"
)

// usedBy names the measures that use a key. All measures use a key that is not listed.
var usedBy = map[string]string{
	"rate":       measuresEvents + " " + measuresFollow,
	"count":      measuresEvents + " " + measuresFollow,
	"tasks":      measuresEvents + " " + measuresFollow + " " + measuresIntake,
	"mix":        measuresEvents + " " + measuresFollow + " " + measuresIntake,
	"executions": measuresEvents + " " + measuresFollow,
	"warm":       measuresEvents + " " + measuresIntake,
	"warmRate":   measuresEvents + " " + measuresIntake,
	"drain":      measuresEvents + " " + measuresFollow + " " + measuresIntake,
	"pending":    measuresStart,
}

// once are the keys that a variant cannot replace.
var once = []string{"set", "variants", "ratios"}

// keysOf returns the keys of a document, or of a part of it.
func keysOf(unmarshal func(into any) error) (map[string]bool, error) {
	var keys map[string]yaml.Node
	if err := unmarshal(&keys); err != nil {
		return nil, err
	}
	out := map[string]bool{}
	for key := range keys {
		out[key] = true
	}
	return out, nil
}

// problems collects what is wrong with a scenario.
type problems []error

func (p *problems) add(wrong bool, format string, args ...any) {
	if wrong {
		*p = append(*p, fmt.Errorf(format, args...))
	}
}

// validate says what is wrong with a scenario, apart from its variants.
func (s Scenario) validate() error {
	var p problems
	p.add(s.Name == "" || strings.ContainsAny(s.Name, "/: "), "name %q must be a word", s.Name)
	p.add(s.Set != "standard" && s.Set != "long", "set %q is not standard or long", s.Set)
	s.validateRatios(&p)
	names := map[string]bool{}
	for _, node := range s.Variants {
		var named struct {
			Name string `yaml:"name"`
		}
		p.add(node.Decode(&named) == nil && named.Name == "", "variants: one has no name")
		p.add(names[named.Name] && named.Name != "", "variants: two are called %q", named.Name)
		names[named.Name] = true
		if keys, err := keysOf(node.Decode); err == nil {
			for _, key := range once {
				p.add(keys[key], "variants: %s of %q: a scenario has it, and no variant", key, named.Name)
			}
		}
	}
	return errors.Join(p...)
}

func (s Scenario) validateRatios(p *problems) {
	names := map[string]bool{}
	for _, r := range s.Ratios {
		p.add(r.Name == "" || r.Figure == "", "ratios: each needs a name and a figure")
		p.add(names[r.Name] && r.Name != "", "ratios: two are called %q", r.Name)
		p.add(figures[r.Name].of != "", "ratios: %q is the name of a figure", r.Name)
		names[r.Name] = true
		p.add(r.Against != "" && r.To != "", "ratio %q: give to or against", r.Name)
		_, against, addressed := strings.Cut(r.Against, ": ")
		if at := strings.LastIndex(against, ": "); at >= 0 {
			against = against[at+len(": "):] // behind a variant
		}
		p.add(r.Against != "" && (!addressed || figures[against].of == ""), `ratio %q: against %q is no "scenario: figure"`, r.Name, r.Against)
	}
}

// ratiosFit returns the ratios of variants that do not exist or that lack the figure.
func ratiosFit(ratios []Ratio, variants []Variant) error {
	var p problems
	for _, r := range ratios {
		sides := []string{r.Of, r.To}
		if r.Against != "" {
			sides = sides[:1]
		}
		for _, name := range sides {
			at := slices.IndexFunc(variants, func(v Variant) bool { return v.Name == name })
			p.add(at < 0, "ratio %q: there is no variant %q", r.Name, name)
			if at >= 0 {
				measure := variants[at].Measure
				p.add(!isFigure(r.Figure, measure), "ratio %q: measure %s has no figure %q: %s", r.Name, measure, r.Figure, strings.Join(figuresOf(measure), "; "))
			}
		}
	}
	return errors.Join(p...)
}

// validate says what is wrong with a variant, or with a scenario without variants.
func (v Variant) validate() problems {
	var p problems
	if _, known := measures[v.Measure]; !known {
		p.add(true, "measure %q is not one of %s", v.Measure, strings.Join(slices.Sorted(maps.Keys(measures)), ", "))
		return p
	}
	for _, key := range slices.Sorted(maps.Keys(v.given)) {
		users, limited := usedBy[key]
		p.add(limited && !slices.Contains(strings.Fields(users), v.Measure), "%s means nothing to measure %s", key, v.Measure)
	}
	v.validateNumbers(&p)
	for _, share := range v.Mix {
		if _, _, err := share.kind(); err != nil {
			p = append(p, err)
		}
		p.add(share.Of < 0, "mix: of %d must not be below 0", share.Of)
	}
	for _, f := range slices.Concat(v.Sinks, v.QRS.Faults) {
		_, known := faultKinds[f.Kind]
		p.add(!known, "fault %q is not one of slow, reset, status, hang, truncate", f.Kind)
		p.add(!(f.Percent >= 0 && f.Percent <= 100), "fault %q: percent %g is not within 0 and 100", f.Kind, f.Percent)
		p.add(f.Kind == "status" && (f.Status < 100 || f.Status > 599), "fault %q: status %d is none of HTTP", f.Kind, f.Status)
		p.add(f.Delay < 0 || f.RetryAfter < 0, "fault %q: delay and retryAfter must not be below 0", f.Kind)
	}
	barred, _ := v.bars()
	for _, name := range slices.Sorted(maps.Keys(barred)) {
		p.add(!isFigure(name, v.Measure), "bars: measure %s has no figure %q: %s", v.Measure, name, strings.Join(figuresOf(v.Measure), "; "))
	}
	for _, name := range slices.Sorted(maps.Keys(v.Bars)) {
		bar := v.Bars[name]
		p.add(bar.Min == nil && bar.Max == nil, "bars: %q needs min or max", name)
		p.add(bar.Min != nil && !finite(*bar.Min) || bar.Max != nil && !finite(*bar.Max), "bars: min and max of %q must be numbers", name)
		p.add(bar.Min != nil && bar.Max != nil && *bar.Min > *bar.Max, "bars: min of %q is above max", name)
	}
	return p
}

func (v Variant) validateNumbers(p *problems) {
	uses := func(key string) bool { return strings.Contains(usedBy[key], v.Measure) }
	p.add(v.given["count"] && v.given["duration"] && v.Measure == measuresEvents, "give count or duration: the other follows from the rate")
	p.add(uses("rate") && !(v.Rate > 0 && finite(v.Rate)), "rate must be a number above 0, such as 200")
	p.add(uses("count") && v.Count <= 0, "count must be above 0, such as 4000; measure events takes a duration instead, such as 20s")
	p.add(v.Tasks <= 0, "tasks must be above 0")
	p.add(v.Known < 0 || v.Warm < 0 || v.Pending < 0, "known, warm and pending must not be below 0")
	p.add(v.Warm > 0 && !(v.WarmRate > 0 && finite(v.WarmRate)), "warmRate must be a number above 0, such as 2000")
	p.add(v.Drain <= 0, "drain must be above 0, such as 5s")
	p.add(v.Duration < 0, "duration must not be below 0")
	p.add(v.Duration == 0 && slices.Contains([]string{measuresIntake, measuresStart, measuresHTTP}, v.Measure), "duration must be above 0, such as %s", time.Second)
	p.add(v.QRS.Latency < 0 || v.QRS.Jitter < 0, "qrs: latency and jitter must not be below 0")
	p.add(strings.ContainsFunc(v.What+v.Name, unicode.IsControl), "name and what must be one line of text")
}

func finite(f float64) bool { return !math.IsNaN(f) && !math.IsInf(f, 0) }
