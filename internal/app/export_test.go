package app

import (
	"context"

	"github.com/prometheus/client_golang/prometheus"

	"butler/internal/apikey"
)

// Gatherer returns what /metrics shows.
func Gatherer(a *App) prometheus.Gatherer { return a.reg }

// LookAtFiles reports the state of the journal's files now.
func LookAtFiles(a *App) { a.lookAtFiles() }

// Unaided is degradedAlert, for the tests.
var Unaided = degradedAlert

// Publish publishes on behalf of a caller of the REST API.
func Publish(ctx context.Context, a *App, caller apikey.Principal, topic, message string) error {
	return publications{a.current.Load()}.Publish(ctx, caller, topic, message)
}

// Choices are the sections of choices, ChoiceSwitches their switches.
var Choices = func() (paths []string) {
	for _, c := range choices {
		paths = append(paths, c.path)
	}
	return paths
}()

// ChoiceSwitches returns the switches that choices name.
func ChoiceSwitches() (paths []string) {
	for _, c := range choices {
		paths = append(paths, c.on...)
		for _, name := range c.of {
			paths = append(paths, c.path+"."+name)
		}
	}
	return paths
}
