package expected

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"butler/internal/destination"
	"butler/internal/qlik/qrs"
)

// properties compares the custom properties with their definitions, which say which
// objects can have them, and which values.
func (s Site) properties(ctx context.Context, from Repository) Look {
	look := Look{Subject: "custom properties"}
	if len(s.bySections) > 0 {
		known, err := from.CustomPropertyDefinitions(ctx, "ReloadTask")
		if err != nil {
			return look.failed(err)
		}
		look.Missing, look.Odd = missingProperties("reload tasks", s.bySections, known), oddValues(s.bySections, known)
	}
	if len(s.byRoutes) > 0 {
		known, err := from.AllCustomPropertyDefinitions(ctx)
		if err != nil {
			return look.failed(err)
		}
		for _, one := range s.byRoutes {
			whose, suffix := "tasks", "Task" // there are several types of tasks
			if s.ofApps[one.Path] {
				whose, suffix = "apps", "App"
			}
			elsewhere := func(d qrs.PropertyDefinition) bool {
				return !slices.ContainsFunc(d.ObjectTypes, func(t string) bool { return strings.HasSuffix(t, suffix) })
			}
			look.Missing = append(look.Missing, missingProperties(whose, []destination.Property{one}, slices.DeleteFunc(slices.Clone(known), elsewhere))...)
		}
	}
	return look
}

// usedProperties are those that the configuration names, each once: one key may
// be of several instances, such as one per account.
func usedProperties(built []destination.Built) []destination.Property {
	var out []destination.Property
	for _, b := range built {
		for _, p := range b.Instance.Properties {
			same := func(o destination.Property) bool { return o.Path == p.Path && o.Name == p.Name && o.Value == p.Value }
			if !slices.ContainsFunc(out, same) {
				out = append(out, p)
			}
		}
	}
	return out
}

// missingProperties describes the properties in use that whose, such as "reload tasks",
// cannot have, or not with the expected value.
func missingProperties(whose string, used []destination.Property, known []qrs.PropertyDefinition) []string {
	var out []string
	for _, p := range used {
		definition, found := definitionOf(p, known)
		switch {
		case !found:
			out = append(out, fmt.Sprintf("%s: %s have no custom property %q", p.Path, whose, p.Name))
		case p.Value != "" && len(definition.ChoiceValues) > 0 && !slices.Contains(definition.ChoiceValues, p.Value):
			out = append(out, fmt.Sprintf("%s: %q is not a value of the custom property %q", p.Path, p.Value, p.Name))
		}
	}
	return out
}

// maxOddValues is how many values of one property are listed.
const maxOddValues = 5

// oddValues describes the properties in use that offer values without a meaning here, or
// no values at all.
func oddValues(used []destination.Property, known []qrs.PropertyDefinition) []string {
	var out []string
	for _, p := range used {
		definition, found := definitionOf(p, known)
		if !found || len(p.Values) == 0 {
			continue
		}
		unmatched := slices.DeleteFunc(slices.Clone(definition.ChoiceValues), func(v string) bool { return slices.Contains(p.Values, v) })
		switch {
		case len(definition.ChoiceValues) == 0:
			out = append(out, fmt.Sprintf("%s: the custom property %q offers no values to choose from", p.Path, p.Name))
		case len(unmatched) > 0:
			out = append(out, fmt.Sprintf("%s: the custom property %q offers %s, which the configuration does not know", p.Path, p.Name, quoted(unmatched)))
		}
	}
	return out
}

func quoted(values []string) string {
	var out []string
	for _, v := range values[:min(len(values), maxOddValues)] {
		out = append(out, strconv.Quote(v))
	}
	if more := len(values) - len(out); more > 0 {
		out = append(out, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(out, ", ")
}

func definitionOf(p destination.Property, known []qrs.PropertyDefinition) (qrs.PropertyDefinition, bool) {
	at := slices.IndexFunc(known, func(d qrs.PropertyDefinition) bool { return d.Name == p.Name })
	if at < 0 {
		return qrs.PropertyDefinition{}, false
	}
	return known[at], true
}
