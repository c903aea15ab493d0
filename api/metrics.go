package api

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/valyala/fasthttp"
)

// Metrics count the calls of the REST API.
type Metrics struct {
	requests *prometheus.CounterVec
	duration *prometheus.HistogramVec
	requestSize,
	responseSize *prometheus.HistogramVec
	running prometheus.Gauge
	denied  *prometheus.CounterVec
	limited prometheus.Counter
}

// meter counts the calls of one endpoint.
type meter struct {
	byCode                    [len(codes)]prometheus.Counter
	duration                  prometheus.Observer
	requestSize, responseSize prometheus.Observer
}

// codes are the classes of status that a call can end with.
var codes = [...]string{"2xx", "3xx", "4xx", "5xx"}

// The reasons for which a caller may not call.
const (
	unknownCaller = "unknown_caller"
	missingScope  = "missing_scope"
	foreignOrigin = "foreign_origin"
)

// NewMetrics returns metrics that reg exposes; a nil reg exposes nothing.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "butler_http_requests_total",
			Help: "Calls of the REST API, by the name of the endpoint, its method and the class of the status.",
		}, []string{"handler", "method", "code"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "butler_http_request_duration_seconds",
			Help:    "Duration of REST API calls, without the time for streaming a response.",
			Buckets: []float64{.001, .005, .025, .1, .25, .5, 1, 2.5, 5, 10, 30},
		}, []string{"handler", "method"}),
		requestSize:  sizes("butler_http_request_size_bytes", "Size of the request bodies of the REST API."),
		responseSize: sizes("butler_http_response_size_bytes", "Size of the response bodies of the REST API, without streams of unknown length."),
		running: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "butler_http_requests_in_flight", Help: "Calls of the REST API that are being answered.",
		}),
		denied: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "butler_http_auth_failures_total",
			Help: "Calls of the REST API that were refused because the caller is unknown, lacks the scope, or is a web page of another origin.",
		}, []string{"reason"}),
		limited: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "butler_http_rate_limited_total", Help: "Calls of the REST API that were refused because the client exceeded its rate limit.",
		}),
	}
	for _, reason := range []string{unknownCaller, missingScope, foreignOrigin} {
		m.denied.WithLabelValues(reason)
	}
	if reg != nil {
		reg.MustRegister(m.requests, m.duration, m.requestSize, m.responseSize, m.running, m.denied, m.limited)
	}
	return m
}

// meter creates the series of an endpoint.
func (m *Metrics) meter(e endpoint) *meter {
	one := &meter{
		duration:    m.duration.WithLabelValues(e.name, e.method),
		requestSize: m.requestSize.WithLabelValues(e.name), responseSize: m.responseSize.WithLabelValues(e.name),
	}
	for i, code := range codes {
		one.byCode[i] = m.requests.WithLabelValues(e.name, e.method, code)
	}
	return one
}

// answered counts a call.
func (m *meter) answered(ctx *fasthttp.RequestCtx, took time.Duration) {
	m.byCode[min(max(ctx.Response.StatusCode()/100-2, 0), len(codes)-1)].Inc()
	m.duration.Observe(took.Seconds())
	m.requestSize.Observe(float64(len(ctx.Request.Body())))
	if !ctx.Response.IsBodyStream() {
		m.responseSize.Observe(float64(len(ctx.Response.Body())))
	} else if size := ctx.Response.Header.ContentLength(); size >= 0 {
		m.responseSize.Observe(float64(size))
	}
}

// sizes are the sizes of bodies, by endpoint.
func sizes(name, help string) *prometheus.HistogramVec {
	return prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: name, Help: help, Buckets: prometheus.ExponentialBuckets(64, 8, 8), // 64 B to 128 MiB
	}, []string{"handler"})
}

// refused counts a caller who was not let in.
func (m *Metrics) refused(reason string) { m.denied.WithLabelValues(reason).Inc() }
