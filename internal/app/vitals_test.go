package app_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"butler/internal/demo"
	"butler/internal/qlik"
	"butler/internal/sim/world"
	"butler/messages"
)

func TestHeartbeat_callsAtTheStartAndAgain(t *testing.T) {
	var calls atomic.Int64
	watcher := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if n := calls.Add(1); r.Method != http.MethodGet || r.URL.Path != "/s3cret" || n == 2 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	defer watcher.Close()
	s := startSite(t, demo.Settings{Off: demo.Destinations, InMemory: true, Extra: fmt.Sprintf(`
  heartbeat: {enable: true, remoteURL: %s/s3cret, frequency: every second}
`, watcher.URL)})
	s.until("three calls", func() bool { return calls.Load() >= 3 })
	s.probed("heartbeat")
	failed := s.logs.FilterMessage("the probe of a monitor failed").All()
	if len(failed) != 1 || strings.Contains(fmt.Sprint(failed[0].ContextMap()), "s3cret") {
		t.Errorf("want one failure told, without the address, got %v", failed)
	}
}

func TestUptime_isToldToTheLogAndStored(t *testing.T) {
	var body atomic.Value
	account := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Api-Key") == "lost-key" {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		read, _ := io.ReadAll(r.Body)
		body.Store(string(read))
		w.WriteHeader(http.StatusAccepted)
	}))
	defer account.Close()
	s := startSite(t, demo.Settings{InMemory: true, Extra: fmt.Sprintf(`
  uptimeMonitor:
    enable: true
    frequency: every second
    logLevel: info
    storeInInfluxdb: {enable: true}
    storeNewRelic:
      enable: true
      url: %s/metric/v1
      destinationAccount: [Lost, Found]
      metric: {dynamic: {butlerMemoryUsage: {enable: true}, butlerUptime: {enable: true}}}
  thirdPartyToolsCredentials:
    newRelic:
      - {accountName: Lost, insertApiKey: lost-key, accountId: 1}
      - {accountName: Found, insertApiKey: found-key, accountId: 2}
`, account.URL)})
	p := s.measured("butler_memory_usage")
	for _, field := range []string{"heap_used", "heap_total", "external", "process_memory"} {
		if mebibytes, _ := p.Fields[field].(float64); mebibytes < 0.1 || mebibytes > 10_000 {
			t.Errorf("%s: want mebibytes, got %v", field, p.Fields[field])
		}
	}
	if p.Tags["version"] == "" {
		t.Errorf("want the version as a tag, got %v", p.Tags)
	}
	s.until("metrics at the account that takes them", func() bool { return body.Load() != nil })
	for _, want := range []string{`"interval.ms":1000`, `"qs_butlerHeapUsed"`, `"qs_butlerUptimeMillisec"`} {
		if got := body.Load().(string); !strings.Contains(got, want) {
			t.Errorf("want %s in %s", want, got)
		}
	}
	told := s.logs.FilterMessage("uptime and memory").All()
	if len(told) == 0 || told[0].Level.String() != "info" || told[0].ContextMap()["iteration"] != int64(1) || !strings.HasSuffix(told[0].ContextMap()["heap_used"].(string), " MiB") {
		t.Errorf("want a line at the level that was asked for, got %v", told)
	}
}

func TestQueueMetrics_countFromPointToPoint(t *testing.T) {
	s := startSite(t, demo.Settings{InMemory: true},
		"BUTLER_UDPSERVERCONFIG_QUEUEMETRICS_INFLUXDB_ENABLE=true", "BUTLER_UDPSERVERCONFIG_QUEUEMETRICS_INFLUXDB_WRITEFREQUENCY=100",
		"BUTLER_UDPSERVERCONFIG_QUEUEMETRICS_INFLUXDB_MEASUREMENTNAME=intake")
	s.measured("intake")
	s.run(qlik.TaskReload, world.Outcome{Final: qlik.StatusFinishedFail}, messages.FamilyFailed)
	total := func(field string) (sum float64) {
		for _, p := range s.sim.Influx.Stored("butler") {
			if p.Measurement == "intake" && p.Tags["queue_type"] == "task_results" {
				sum += p.Fields[field].(float64)
			}
		}
		return sum
	}
	// A number that changes while a point is made is told by the next one.
	counts := []string{"messages_received", "messages_queued", "messages_processed"}
	for _, field := range append(counts, "processing_time_avg_ms", "processing_time_p95_ms") {
		s.until(field+" told", func() bool { return total(field) > 0 })
	}
	for _, field := range counts {
		if got := total(field); got != 1 {
			t.Errorf("%s: want the one event once over all points, got %v", field, got)
		}
	}
}
