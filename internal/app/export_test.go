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
