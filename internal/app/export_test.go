package app

import "github.com/prometheus/client_golang/prometheus"

// Gatherer returns what /metrics shows.
func Gatherer(a *App) prometheus.Gatherer { return a.reg }

// Unaided is unaided, for the tests.
var Unaided = unaided

// Deliver is deliver, for the tests.
var Deliver = deliver
