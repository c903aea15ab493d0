// Package expected owns what the configuration expects to find in the repository:
// custom properties, and their values.
//
// It guarantees that what is missing, or means nothing, is told with the key of the
// configuration that names it. It must never change anything in the repository, nor
// decide what becomes of an alert.
package expected

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"butler/internal/destination"
	"butler/internal/qlik/qrs"
	"butler/messages"
)

// Properties are the custom properties that the configuration names.
type Properties struct {
	// bySections are those of reload tasks, by routes those of tasks and of apps.
	bySections, byRoutes []destination.Property
	// ofApps tells by the path those of byRoutes that are of apps.
	ofApps map[string]bool
}

// None reports that there are none.
func (p Properties) None() bool { return len(p.bySections)+len(p.byRoutes) == 0 }

// PropertiesOf reads them from the configuration and from the instances built of it.
func PropertiesOf(section destination.Decode, built []destination.Built) (Properties, error) {
	out := Properties{bySections: usedProperties(built), ofApps: map[string]bool{}}
	routes, err := destination.ReadRoutes(section)
	for i, r := range routes {
		add := func(key string, wanted []messages.Property, ofApps bool) {
			for j, p := range wanted {
				path := fmt.Sprintf("routes[%d].match.%s[%d]", i, key, j)
				out.byRoutes = append(out.byRoutes, destination.Property{Path: path, Name: p.Name, Value: p.Value})
				out.ofApps[path] = ofApps
			}
		}
		add("taskCustomProperties", r.Match.TaskCustomProperties, false)
		add("appCustomProperties", r.Match.AppCustomProperties, true)
	}
	return out, err
}

// Repository is asked for what there is; *qrs.Client is the one in use.
type Repository interface {
	CustomPropertyDefinitions(ctx context.Context, objectType string) ([]qrs.PropertyDefinition, error)
	AllCustomPropertyDefinitions(ctx context.Context) ([]qrs.PropertyDefinition, error)
}

// Compare looks for the properties in the repository, and describes those that
// cannot be as they are expected, and values of others that mean nothing.
func (p Properties) Compare(ctx context.Context, from Repository) (missing, odd []string, err error) {
	if len(p.bySections) > 0 {
		known, err := from.CustomPropertyDefinitions(ctx, "ReloadTask")
		if err != nil {
			return nil, nil, err
		}
		missing, odd = missingProperties("reload tasks", p.bySections, known), oddValues(p.bySections, known)
	}
	if len(p.byRoutes) > 0 {
		known, err := from.AllCustomPropertyDefinitions(ctx)
		if err != nil {
			return nil, nil, err
		}
		for _, one := range p.byRoutes {
			whose, suffix := "tasks", "Task" // there are several types of tasks
			if p.ofApps[one.Path] {
				whose, suffix = "apps", "App"
			}
			elsewhere := func(d qrs.PropertyDefinition) bool {
				return !slices.ContainsFunc(d.ObjectTypes, func(t string) bool { return strings.HasSuffix(t, suffix) })
			}
			missing = append(missing, missingProperties(whose, []destination.Property{one}, slices.DeleteFunc(slices.Clone(known), elsewhere))...)
		}
	}
	return missing, odd, nil
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

// missingProperties describes the properties in use that the objects which whose names
// cannot have, or not with the wanted value.
func missingProperties(whose string, used []destination.Property, known []qrs.PropertyDefinition) []string {
	var out []string
	for _, p := range used {
		definition, found := definitionOf(p, known)
		switch {
		case !found:
			out = append(out, fmt.Sprintf("%s: %s have no custom property %q", p.Path, whose, p.Name))
		case p.Value != "" && len(definition.ChoiceValues) > 0 && !slices.Contains(definition.ChoiceValues, p.Value):
			out = append(out, fmt.Sprintf("%s: %q is no value of the custom property %q", p.Path, p.Value, p.Name))
		}
	}
	return out
}

// maxOddValues is how many values of one property are told.
const maxOddValues = 5

// oddValues describes the properties in use that offer values which mean
// nothing, or none to choose from.
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
