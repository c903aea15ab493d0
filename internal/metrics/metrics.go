// Package metrics owns the registry: which collectors every process has, and
// how the registry is served. Each package constructs its own metrics from a
// prometheus.Registerer. The golden list of all names is in testdata; the tests of
// internal/app, which knows every package, compare it.
//
// It must never use the library's global registry.
package metrics

import (
	"errors"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"butler/internal/buildinfo"
)

// New returns a registry with the collectors of the Go runtime, the process and the build.
func New(info buildinfo.Info) *prometheus.Registry {
	reg := prometheus.NewRegistry()
	build := prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "butler_build_info",
		Help: "Always 1; the labels describe the running binary.",
	}, []string{"version", "revision", "goversion"})
	build.WithLabelValues(info.Version, info.Revision, info.GoVersion).Set(1)
	reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), build)
	return reg
}

// ResidentMemory returns a function that reads the resident memory of the process in
// bytes, 0 where the operating system does not report it.
func ResidentMemory() func() int64 {
	reg := prometheus.NewRegistry()
	reg.MustRegister(collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return func() int64 {
		families, _ := reg.Gather() // after an error it still returns what could be read
		for _, f := range families {
			if f.GetName() == "process_resident_memory_bytes" {
				return int64(f.GetMetric()[0].GetGauge().GetValue())
			}
		}
		return 0
	}
}

// Handler serves the registry in the formats that Prometheus asks for.
func Handler(reg *prometheus.Registry) http.Handler {
	return promhttp.HandlerFor(reg, promhttp.HandlerOpts{Registry: reg})
}

// LogLines returns a counter of log lines by level, for logx.Options.Counter.
func LogLines(reg prometheus.Registerer) func(level string) {
	lines := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "butler_log_messages_total",
		Help: "Log lines written, by level.",
	}, []string{"level"})
	for _, level := range []string{"debug", "info", "warn", "error"} {
		lines.WithLabelValues(level)
	}
	reg.MustRegister(lines)
	return func(level string) { lines.WithLabelValues(level).Inc() }
}

// Breakers returns the gauge of all circuit breakers, which several packages
// share: 1 while the breaker of a target is open. A nil reg exposes nothing.
func Breakers(reg prometheus.Registerer) *prometheus.GaugeVec {
	breakers := prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "butler_circuit_breaker_open",
		Help: "1 while the circuit breaker of a target is open.",
	}, []string{"target"})
	if reg == nil {
		return breakers
	}
	err := reg.Register(breakers)
	if taken, ok := errors.AsType[prometheus.AlreadyRegisteredError](err); ok {
		if shared, ok := taken.ExistingCollector.(*prometheus.GaugeVec); ok {
			return shared
		}
	}
	if err != nil {
		panic("BUG: " + err.Error())
	}
	return breakers
}
