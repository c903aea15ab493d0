package bench

import (
	"maps"
	"slices"
	"strings"
)

// The names of the measures.
const (
	measuresEvents = "events"
	measuresIntake = "intake"
	measuresStart  = "start"
	measuresFollow = "follow"
	measuresHTTP   = "http"
	measuresAll    = measuresEvents + " " + measuresIntake + " " + measuresStart + " " + measuresFollow + " " + measuresHTTP
)

// The figures for how the processes of the target ended, judged in every scenario.
const (
	endedBadly    = "ended with an error"
	hadToBeKilled = "killed at the stop"
)

// definition describes a figure.
type definition struct {
	unit, better string
	// of are the measures that have it.
	of string
}

// figures lists all figures by name, except for ratios, which scenarios name.
var figures = map[string]definition{
	"p50":                {"ms", "lower", measuresEvents},
	"p99":                {"ms", "lower", measuresEvents},
	"max":                {"ms", "lower", measuresEvents},
	"lost":               {"messages", "lower", measuresEvents},
	"duplicates":         {"messages", "lower", measuresEvents},
	"delivered":          {"events/s", "higher", measuresEvents},
	"events not decided": {"events", "lower", measuresEvents},
	"decided":            {"events/s", "higher", measuresEvents},

	"CPU an event": {"us", "lower", measuresEvents},
	"peak memory":  {"MiB", "lower", measuresEvents + " " + measuresFollow},
	"kernel drops": {"datagrams", "lower", measuresEvents},

	"QRS calls":                 {"calls", "lower", measuresEvents},
	"QRS calls an event":        {"calls", "lower", measuresEvents},
	"QRS calls a task":          {"calls", "lower", measuresEvents},
	"QRS metadata calls a task": {"calls", "lower", measuresEvents},
	"QRS result calls an event": {"calls", "lower", measuresEvents},
	"TLS handshakes with QRS":   {"handshakes", "lower", measuresEvents},

	"datagrams refused while the target was down": {"datagrams", "lower", measuresEvents},
	"sender late at most":                         {"ms", "lower", measuresEvents},

	"bare receiver, no loss":                    {"datagrams/s", "", measuresIntake},
	"socket to durable journal, no loss":        {"events/s", "higher", measuresIntake},
	"socket to durable journal / bare receiver": {"x", "higher", measuresIntake},

	"start to ready":          {"s", "lower", measuresStart},
	"pending after the start": {"events", "", measuresStart},
	"memory":                  {"MiB", "lower", measuresStart + " " + measuresFollow},
	"CPU while idle":          {"% of a core", "lower", measuresStart},

	"followed":                     {"executions", "higher", measuresFollow},
	"not followed":                 {"executions", "lower", measuresFollow},
	"start to ready after kill -9": {"s", "lower", measuresFollow},
	"followed after kill -9":       {"executions", "higher", measuresFollow},
	"not followed after kill -9":   {"executions", "lower", measuresFollow},
	"memory after kill -9":         {"MiB", "lower", measuresFollow},
	"QRS calls at once, at most":   {"calls", "lower", measuresFollow},

	"key-value put":                  {"calls/s", "higher", measuresHTTP},
	"key-value put, 256 connections": {"calls/s", "higher", measuresHTTP},
	"key-value get":                  {"calls/s", "higher", measuresHTTP},
	"ping":                           {"calls/s", "higher", measuresHTTP},
	"key-value put / bare handler":   {"x", "higher", measuresHTTP},
	"key-value put, 256 connections / bare handler": {"x", "higher", measuresHTTP},
	"key-value get / bare handler":                  {"x", "higher", measuresHTTP},
	"ping / bare handler":                           {"x", "higher", measuresHTTP},

	endedBadly:    {"processes", "lower", measuresAll},
	hadToBeKilled: {"processes", "lower", measuresAll},
}

// isFigure reports whether a measure has a figure.
func isFigure(name, measure string) bool {
	return slices.Contains(strings.Fields(figures[name].of), measure)
}

// figuresOf returns the names of the figures of a measure.
func figuresOf(measure string) []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(figures)), func(name string) bool { return !isFigure(name, measure) })
}

// add adds a figure that the table has.
func (r *Result) add(name string, value float64) {
	known, ok := figures[name]
	if !ok {
		panic("BUG: no figure " + name + " in the table")
	}
	r.Figures = append(r.Figures, Figure{Name: name, Value: value, Unit: known.unit, Better: known.better})
}
