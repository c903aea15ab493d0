//go:build peers

package app_test

import (
	"encoding/json"
	"fmt"
	"math"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"butler/internal/peertest"
	"butler/internal/winsvc"
)

// startPrometheus runs a Prometheus that scrapes an address every second, with our
// alert rules, and returns the address of its API.
func startPrometheus(t *testing.T, scraped string) string {
	t.Helper()
	dir, address := t.TempDir(), peertest.Address(t)
	rules, err := filepath.Abs(filepath.Join("..", "..", "deploy", "prometheus", "alerts.yaml"))
	must(t, err)
	config := filepath.Join(dir, "prometheus.yml")
	must(t, os.WriteFile(config, fmt.Appendf(nil, `
global: {scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}
rule_files: [%q]
scrape_configs: [{job_name: butler, static_configs: [{targets: [%q]}]}]
`, rules, scraped), 0o600))
	peertest.Start(t, "http://"+address+"/-/ready", "prometheus", "--config.file="+config, "--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address="+address)
	return "http://" + address
}

// series asks a Prometheus and returns how many series of the answer hold a number.
func series(t *testing.T, api, path string, query url.Values) int {
	t.Helper()
	var answer struct {
		Data struct {
			Result []struct {
				Value  [2]any
				Values [][2]any
			}
		}
	}
	must(t, json.Unmarshal([]byte(peertest.Get(t, api+path+"?"+query.Encode())), &answer))
	found := 0
	for _, one := range answer.Data.Result {
		for _, pair := range append(one.Values, one.Value) {
			text, _ := pair[1].(string)
			if number, err := strconv.ParseFloat(text, 64); err == nil && !math.IsNaN(number) {
				found++
				break
			}
		}
	}
	return found
}

func unix(at time.Time) string { return strconv.FormatFloat(float64(at.UnixMilli())/1000, 'f', 3, 64) }

func TestDashboards_prometheusAnswersEveryPanel(t *testing.T) {
	s := atWork(t)
	s.services.Set("sense-1", "QlikSenseProxyService", winsvc.Service{State: winsvc.Stopped, StartType: winsvc.Automatic})
	began := time.Now()
	api := startPrometheus(t, s.app.OperationsAddress())
	has := func(expr string) bool { return series(t, api, "/api/v1/query", url.Values{"query": {expr}}) > 0 }
	s.until("the first scrapes", func() bool { return has(`count_over_time(butler_build_info[10s]) > 1`) })
	s.work()
	s.until("a scrape of what was done", func() bool { return has("butler_enrichment_degraded_total > 0") })
	for _, q := range queriesOf(t, "butler-prometheus.json") {
		expr, err := filled(q.text, "$instance", ".*", "$__rate_interval", "10s", "$__range", "1h")
		if err != nil {
			t.Errorf("%s: %v", q.panel, err)
			continue
		}
		path, query := "/api/v1/query", url.Values{"query": {expr}}
		if q.kind == "timeseries" {
			path = "/api/v1/query_range"
			query.Set("start", unix(began))
			query.Set("step", "1")
		}
		s.until(q.panel+": data for "+expr, func() bool {
			query.Set("end", unix(time.Now()))
			return series(t, api, path, query) > 0
		})
	}
	s.until("the alert about the stopped service", func() bool { return has(`ALERTS{alertname="QlikServiceStopped",service="QlikSenseProxyService"}`) })
}

func TestDashboards_influxDBAnswersEveryPanel(t *testing.T) {
	address := peertest.InfluxDB(t)
	host, port, err := net.SplitHostPort(address)
	must(t, err)
	s := atWork(t, "BUTLER_INFLUXDB_HOSTIP="+host, "BUTLER_INFLUXDB_HOSTPORT="+port,
		"BUTLER_UDPSERVERCONFIG_QUEUEMETRICS_INFLUXDB_ENABLE=true", "BUTLER_UDPSERVERCONFIG_QUEUEMETRICS_INFLUXDB_WRITEFREQUENCY=500")
	s.work()
	for _, q := range queriesOf(t, "butler-influxdb.json") {
		query, err := filled(q.text, "$timeFilter", "time > now() - 1h", "$__interval", "10s")
		if err != nil {
			t.Errorf("%s: %v", q.panel, err)
			continue
		}
		s.until(q.panel+": data for "+query, func() bool { return influxAnswers(t, address, query) })
	}
}

// influxAnswers asks for a panel's data and reports whether there is any.
func influxAnswers(t *testing.T, address, query string) bool {
	t.Helper()
	var answer struct {
		Results []struct {
			Error  string
			Series []struct {
				Columns []string
				Values  [][]any
			}
		}
	}
	must(t, json.Unmarshal([]byte(peertest.Get(t, "http://"+address+"/query?db=butler&q="+url.QueryEscape(query))), &answer))
	for _, result := range answer.Results {
		if result.Error != "" {
			t.Fatalf("%s: %s", query, result.Error)
		}
		for _, one := range result.Series {
			for _, row := range one.Values {
				for i, value := range row {
					if one.Columns[i] != "time" && value != nil {
						return true
					}
				}
			}
		}
	}
	return false
}
