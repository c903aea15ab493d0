package app_test

import (
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"go.uber.org/zap"

	"butler/config"
	"butler/internal/app"
	"butler/internal/demo"
	"butler/internal/porttest"
)

// get returns the status and the body of a page.
func get(t *testing.T, url string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	must(t, err)
	resp, err := client.Do(req)
	must(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	must(t, err)
	return resp.StatusCode, string(body)
}

// pageAddress returns where the log says that a page is served.
func (s *site) pageAddress(name string) string {
	s.t.Helper()
	for _, line := range s.logs.FilterMessage("a page is served over HTTP").FilterField(zap.String("page", name)).All() {
		return line.ContextMap()["address"].(string)
	}
	s.t.Fatalf("the log does not tell of the %s", name)
	return ""
}

// influx sets a host and a secret.
var influx = []string{"BUTLER_INFLUXDB_V2CONFIG_TOKEN=hunter2", "BUTLER_INFLUXDB_HOSTIP=influx.example.com"}

func TestConfigurationPage_showsWhatIsInEffectWithoutSecrets(t *testing.T) {
	s := startSite(t, demo.Settings{Off: demo.Destinations, Extra: `
  configVisualisation: {enable: true, port: 0}
  qlikSenseCloud: {event: {mqtt: {tenant: {comment: "${env:REMARK}"}}}}
`}, append(influx, "BUTLER_LOGLEVEL=debug", "REMARK=hunter2")...)
	status, page := get(t, "http://"+s.pageAddress("configuration page")+"/")
	if status != 200 || strings.Contains(page, "hunter2") || strings.Contains(page, "influx.example.com") {
		t.Errorf("status %d, and the page shows what it must not", status)
	}
	for _, want := range []string{"environment BUTLER_LOGLEVEL", "butler.yaml:", "inf**********", "Masked are secrets, and hosts"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	status, file := get(t, "http://"+s.pageAddress("configuration page")+"/config.yaml")
	if status != 200 || !strings.HasPrefix(file, "Butler:\n") || strings.Contains(file, "hunter2") {
		t.Errorf("want the same as a file, got %d: %.200s", status, file)
	}
}

func TestConfigurationPage_withoutMasksSaysSoAndStillHidesSecrets(t *testing.T) {
	s := startSite(t, demo.Settings{Off: demo.Destinations, Extra: `
  configVisualisation: {enable: true, port: 0, obfuscate: false}
`}, influx...)
	_, page := get(t, "http://"+s.pageAddress("configuration page")+"/")
	if strings.Contains(page, "hunter2") || !strings.Contains(page, "influx.example.com") || !strings.Contains(page, "only secrets are masked") {
		t.Error("want hosts, no secrets, and a word about it")
	}
}

func TestConfigurationPage_warnsOfPeopleAndMachinesShownToOthers(t *testing.T) {
	for extra, want := range map[string]bool{
		"host: 0.0.0.0, obfuscate: false": true, "host: 0.0.0.0": false, "obfuscate: false": false,
	} {
		cfg, err := inspect(t, "Butler: {configVisualisation: {enable: true, "+extra+"}}\n", app.Inspection{}, false)
		must(t, err)
		if got := slices.ContainsFunc(cfg.Warnings(), func(p config.Problem) bool { return strings.Contains(p.String(), "configVisualisation.obfuscate: ") }); got != want {
			t.Errorf("%s: want a warning: %v, got %v", extra, want, cfg.Warnings())
		}
	}
}

func TestHealthCheck_tellsWhetherTheServiceWorks(t *testing.T) {
	butler, err := program()
	must(t, err)
	port := strconv.Itoa(porttest.Of(t, "tcp"))
	s := startSite(t, demo.Settings{Off: demo.Destinations, Extra: "\n  dockerHealthCheck: {enable: true, port: " + port + "}\n"})
	if status, body := get(t, "http://"+net.JoinHostPort("localhost", port)+"/health"); status != 200 || strings.TrimSpace(body) != `{"statusCode":200,"status":"ok"}` {
		t.Errorf("want ok, got %d: %s", status, body)
	}
	ask := func() (string, error) {
		cmd := exec.CommandContext(t.Context(), butler, "health", "-c", filepath.Join(s.dir, "butler.yaml"))
		cmd.Env = os.Environ()
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	if out, err := ask(); err != nil || out != "ok\n" {
		t.Errorf("want ok, got %q, %v", out, err)
	}
	s.stopApp()
	if out, err := ask(); err == nil || !strings.Contains(out, "connection refused") {
		t.Errorf("want exit code 1 and why, got %q, %v", out, err)
	}
}

func TestHost_saysWhatItRunsOn(t *testing.T) {
	for extra, want := range map[string]bool{"true": true, "false": false} {
		s := startSite(t, demo.Settings{Off: demo.Destinations, Extra: "\n  systemInfo: {enable: " + extra + "}\n"})
		told := s.logs.FilterMessage("host").All()
		if len(told) != 1 || told[0].ContextMap()["os"] == "" {
			t.Fatalf("want one line about the host, got %v", told)
		}
		if _, more := told[0].ContextMap()["hostname"]; more != want {
			t.Errorf("enable %s: got %v", extra, told[0].ContextMap())
		}
		s.stopApp()
	}
}
