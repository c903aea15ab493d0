package api

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

func TestMetrics_countCallsByEndpointAndEnd(t *testing.T) {
	reg := prometheus.NewRegistry()
	c := newContract(t, func(o *Options) {
		o.Endpoints, o.Access, o.Metrics, o.CallsPerMinute = []string{"butlerping"}, known, NewMetrics(reg), 5
	})
	const ping = "/v4/butlerping"
	for name, row := range map[string]struct {
		key  string
		want int
	}{"first": {"reader", 200}, "second": {"admin", 200}, "nobody": {"", 401}, "another's": {"writer", 403}} {
		c.call(ping, request{name: name, method: "GET", target: ping, header: withKey(row.key), want: row.want})
	}
	for name, target := range map[string]string{"no route": c.url + "/v4/nothing", "no key": c.url + ping, "too many": c.url + ping} {
		answer, err := c.client.Get(target)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		_ = answer.Body.Close()
	}
	if err := testutil.GatherAndCompare(reg, strings.NewReader(`
# HELP butler_http_auth_failures_total Calls of the REST API that were refused because the caller is unknown, lacks the scope, or is a web page of another origin.
# TYPE butler_http_auth_failures_total counter
butler_http_auth_failures_total{reason="foreign_origin"} 0
butler_http_auth_failures_total{reason="missing_scope"} 1
butler_http_auth_failures_total{reason="unknown_caller"} 2
# HELP butler_http_rate_limited_total Calls of the REST API that were refused because the client exceeded its rate limit.
# TYPE butler_http_rate_limited_total counter
butler_http_rate_limited_total 1
# HELP butler_http_requests_in_flight Calls of the REST API that are being answered.
# TYPE butler_http_requests_in_flight gauge
butler_http_requests_in_flight 0
# HELP butler_http_requests_total Calls of the REST API, by the name of the endpoint, its method and the class of the status.
# TYPE butler_http_requests_total counter
butler_http_requests_total{code="2xx",handler="butlerping",method="GET"} 2
butler_http_requests_total{code="2xx",handler="none",method="other"} 0
butler_http_requests_total{code="3xx",handler="butlerping",method="GET"} 0
butler_http_requests_total{code="3xx",handler="none",method="other"} 0
butler_http_requests_total{code="4xx",handler="butlerping",method="GET"} 4
butler_http_requests_total{code="4xx",handler="none",method="other"} 1
butler_http_requests_total{code="5xx",handler="butlerping",method="GET"} 0
butler_http_requests_total{code="5xx",handler="none",method="other"} 0
`), "butler_http_auth_failures_total", "butler_http_rate_limited_total", "butler_http_requests_in_flight", "butler_http_requests_total"); err != nil {
		t.Error(err)
	}
}

func TestMetrics_tellAPageOfAnotherOriginFromALackOfRights(t *testing.T) {
	reg := prometheus.NewRegistry()
	c := newContract(t, func(o *Options) { o.KeyValues, o.Access, o.Metrics = newStore(), known, NewMetrics(reg) })
	header := withKey("writer")
	header.Set("Sec-Fetch-Site", "cross-site")
	c.call("/v4/keyvalues/{namespace}", request{
		name: "a page", method: "POST", target: "/v4/keyvalues/etl", body: `{"key":"k","value":"v"}`, header: header, want: 403,
	})
	if err := testutil.GatherAndCompare(reg, strings.NewReader(`
# HELP butler_http_auth_failures_total Calls of the REST API that were refused because the caller is unknown, lacks the scope, or is a web page of another origin.
# TYPE butler_http_auth_failures_total counter
butler_http_auth_failures_total{reason="foreign_origin"} 1
butler_http_auth_failures_total{reason="missing_scope"} 0
butler_http_auth_failures_total{reason="unknown_caller"} 0
`), "butler_http_auth_failures_total"); err != nil {
		t.Error(err)
	}
}

func TestMetrics_showTheSizesOfBodies(t *testing.T) {
	reg := prometheus.NewRegistry()
	c := newContract(t, func(o *Options) {
		o.Apps, o.Metrics = &stage{dump: aDump}, NewMetrics(reg)
	})
	const reload = "/v4/app/{appId}/reload"
	c.call("", request{name: "dump", method: "GET", target: "/v4/app/" + theApp + "/dump", want: 200})
	for _, body := range []string{`{"partialReload":true}`, ""} {
		c.call(reload, request{name: "reload", method: "PUT", target: "/v4/app/" + theApp + "/reload", body: body, want: 201})
	}
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if h := m.GetHistogram(); strings.HasSuffix(f.GetName(), "_size_bytes") && h.GetSampleCount() > 0 {
				got[f.GetName()+" "+m.GetLabel()[0].GetValue()] = h.GetSampleSum()
			}
		}
	}
	begun := float64(len(`{"appId":"` + theApp + `"}` + "\n"))
	want := map[string]float64{
		"butler_http_request_size_bytes senseAppDump": 0, "butler_http_response_size_bytes senseAppDump": float64(len(aDump)),
		"butler_http_request_size_bytes senseAppReload": 22, "butler_http_response_size_bytes senseAppReload": 2 * begun,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("sizes of bodies (-want +got):\n%s", diff)
	}
}
