package app

import (
	"context"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"

	"butler/internal/expected"
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
	used, err := expected.PropertiesOf(a.cfg.Section, a.table.Built())
	if err != nil || used.None() || a.gate.Client == nil { // routes that cannot be read are told by others
		return
	}
	told := ""
	for pause := time.Duration(0); wait(ctx, pause); {
		pause = propertiesAgain
		missing, odd, err := used.Compare(ctx, a.gate.Client)
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
