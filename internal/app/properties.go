package app

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"

	"butler/internal/destination"
	"butler/internal/qlik/qrs"
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
// told does not exist: nobody would notice before an alert is missed. The
// service runs on, because the other alerts are wanted. That the repository
// cannot be asked is qrsgate's to tell.
func (a *App) watchProperties(ctx context.Context) {
	var used []destination.Property
	for _, b := range a.table.Built() {
		for _, p := range b.Instance.Properties {
			// One key may be of several instances, such as one per account.
			if !slices.Contains(used, p) {
				used = append(used, p)
			}
		}
	}
	if len(used) == 0 || a.gate.Client == nil {
		return
	}
	told := ""
	for pause := time.Duration(0); wait(ctx, pause); {
		pause = propertiesAgain
		known, err := a.gate.CustomPropertyDefinitions(ctx, "ReloadTask")
		if err != nil {
			continue
		}
		pause = propertiesEvery
		missing := missingProperties(used, known)
		reason := strings.Join(missing, "; ")
		state := supervisors.Up
		if len(missing) > 0 {
			state = supervisors.Degraded
		}
		a.health.Set(propertiesComponent, state, reason)
		if told != reason && reason != "" {
			a.log.Error("the configuration names custom properties that reload tasks cannot have, alerts that depend on them reach nobody",
				zap.Strings("missing", missing))
		}
		told = reason
	}
}

// missingProperties describes the properties in use that do not exist, or can
// never have the wanted value.
func missingProperties(used []destination.Property, known []qrs.PropertyDefinition) []string {
	var out []string
	for _, p := range used {
		at := slices.IndexFunc(known, func(d qrs.PropertyDefinition) bool { return d.Name == p.Name })
		switch {
		case at < 0:
			out = append(out, fmt.Sprintf("%s: reload tasks have no custom property %q", p.Path, p.Name))
		case p.Value != "" && len(known[at].ChoiceValues) > 0 && !slices.Contains(known[at].ChoiceValues, p.Value):
			out = append(out, fmt.Sprintf("%s: %q is no value of the custom property %q", p.Path, p.Value, p.Name))
		}
	}
	return out
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
