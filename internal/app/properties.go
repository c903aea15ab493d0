package app

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.uber.org/zap"

	"butler/config"
	"butler/internal/destination"
	"butler/internal/qlik/qrs"
	"butler/messages"
	"butler/supervisors"
)

// How often the custom properties that the configuration names are looked for,
// and how soon again when the repository does not say.
const (
	propertiesEvery = time.Hour
	propertiesAgain = time.Minute
)

// propertiesComponent is the health of what the configuration expects of the repository.
const propertiesComponent = "custom_properties"

// watchProperties tells the operator when a custom property that decides who is
// told does not exist, or has values that mean nothing: nobody would notice
// before an alert is missed. The service runs on, because the other alerts are
// wanted. That the repository cannot be asked is qrsgate's to tell.
func (a *App) watchProperties(ctx context.Context) {
	used, err := expectedProperties(a.cfg, a.table.Built())
	if err != nil || used.none() || a.gate.Client == nil { // routes that cannot be read are told by others
		return
	}
	told := ""
	for pause := time.Duration(0); wait(ctx, pause); {
		pause = propertiesAgain
		missing, odd, err := used.compare(ctx, a.gate.Client)
		if err != nil {
			continue
		}
		pause = propertiesEvery
		reason := strings.Join(slices.Concat(missing, odd), "; ")
		state := supervisors.Up
		if len(missing) > 0 {
			state = supervisors.Degraded
		}
		a.health.Set(propertiesComponent, state, reason)
		if told != reason {
			a.tellProperties(missing, odd)
		}
		told = reason
	}
}

// expected are the custom properties that the configuration names.
type expected struct {
	// bySections are those of reload tasks, by routes those of tasks and of apps.
	bySections, byRoutes []destination.Property
	// ofApps tells by the path those of byRoutes that are of apps.
	ofApps map[string]bool
}

func (e expected) none() bool { return len(e.bySections)+len(e.byRoutes) == 0 }

// expectedProperties reads them from the configuration.
func expectedProperties(cfg *config.Config, built []destination.Built) (expected, error) {
	out := expected{bySections: usedProperties(built), ofApps: map[string]bool{}}
	routes, err := destination.ReadRoutes(cfg.Section)
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

// compare looks for the properties in the repository, and describes those that
// cannot be as they are expected, and values of others that mean nothing.
func (e expected) compare(ctx context.Context, client *qrs.Client) (missing, odd []string, err error) {
	if len(e.bySections) > 0 {
		known, err := client.CustomPropertyDefinitions(ctx, "ReloadTask")
		if err != nil {
			return nil, nil, err
		}
		missing, odd = missingProperties("reload tasks", e.bySections, known), oddValues(e.bySections, known)
	}
	if len(e.byRoutes) > 0 {
		known, err := client.AllCustomPropertyDefinitions(ctx)
		if err != nil {
			return nil, nil, err
		}
		for _, p := range e.byRoutes {
			whose, suffix := "tasks", "Task" // there are several types of tasks
			if e.ofApps[p.Path] {
				whose, suffix = "apps", "App"
			}
			elsewhere := func(d qrs.PropertyDefinition) bool {
				return !slices.ContainsFunc(d.ObjectTypes, func(t string) bool { return strings.HasSuffix(t, suffix) })
			}
			missing = append(missing, missingProperties(whose, []destination.Property{p}, slices.DeleteFunc(slices.Clone(known), elsewhere))...)
		}
	}
	return missing, odd, nil
}

// tellProperties writes to the log what is wrong with the custom properties.
func (a *App) tellProperties(missing, odd []string) {
	if len(missing) > 0 {
		a.log.Error("the configuration names custom properties that tasks or apps cannot have: alerts that depend on them do not go where they should",
			zap.Strings("missing", missing))
	}
	if len(odd) > 0 {
		a.log.Warn("custom properties of reload tasks have values that the configuration does not know, tasks with them are told to nobody by them",
			zap.Strings("properties", odd))
	}
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

// wait waits, and reports whether ctx goes on.
func wait(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}
