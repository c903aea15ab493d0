package metrics

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"butler/internal/buildinfo"
)

func TestHandler_servesTheBuildTheProcessAndTheRuntime(t *testing.T) {
	reg := New(buildinfo.Info{Version: "1.2.3", Revision: "abc", GoVersion: "go1.26"})
	answer := httptest.NewRecorder()
	Handler(reg).ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/metrics", http.NoBody))
	for _, want := range []string{
		`butler_build_info{goversion="go1.26",revision="abc",version="1.2.3"} 1`, "go_goroutines ", "promhttp_metric_handler_errors_total",
	} {
		if !strings.Contains(answer.Body.String(), want) {
			t.Errorf("want %s on the page", want)
		}
	}
}

func TestNew_twoServicesInOneProcessShareNothing(t *testing.T) {
	first, second := New(buildinfo.Info{}), New(buildinfo.Info{})
	LogLines(first)("error")
	count := LogLines(second)
	count("warn")
	want := `
# HELP butler_log_messages_total Log lines written, by level.
# TYPE butler_log_messages_total counter
butler_log_messages_total{level="debug"} 0
butler_log_messages_total{level="error"} 0
butler_log_messages_total{level="info"} 0
butler_log_messages_total{level="warn"} 1
`
	if err := testutil.GatherAndCompare(second, strings.NewReader(want), "butler_log_messages_total"); err != nil {
		t.Error(err)
	}
}

func TestBreakers_areOneFamilyForAllWhoAsk(t *testing.T) {
	reg := prometheus.NewRegistry()
	Breakers(reg).WithLabelValues("qrs").Set(1)
	Breakers(reg).WithLabelValues("email").Set(0)
	if got := testutil.CollectAndCount(Breakers(reg)); got != 2 {
		t.Errorf("want both targets in one family, got %d", got)
	}
	if Breakers(nil) == nil {
		t.Error("want a gauge that nobody reads where there is no registry")
	}
}
