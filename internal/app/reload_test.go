package app_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"butler/api/operations"
	"butler/internal/app"
	"butler/internal/demo"
	"butler/internal/porttest"
	"butler/internal/qlik"
	"butler/internal/sim/world"
	"butler/messages"
)

// reloadSite starts a service with webhooks only, and returns its configuration file.
func reloadSite(t *testing.T, extra string) (*site, string) {
	t.Helper()
	s := siteOf(t)
	s.startApp(demo.Settings{Off: []string{"email", "slack", "influxdb", "disklog"}, Extra: extra})
	return s, filepath.Join(s.dir, "butler.yaml")
}

// reload has the service take up its file, and wants that to succeed.
func (s *site) reload() app.Reloaded {
	s.t.Helper()
	result := s.app.Reload(app.ByAPI)
	if !result.Applied {
		s.t.Fatalf("want the configuration applied: %s", result.Reason)
	}
	return result
}

// failure lets a reload task fail, and waits until a path of the HTTP sink was
// called n times in all.
func (s *site) failure(path string, n int) {
	s.t.Helper()
	s.run(qlik.TaskReload, world.Fail(), messages.FamilyFailed)
	s.until(fmt.Sprintf("%d calls of %s", n, path), func() bool { return s.calls(path) >= n })
}

func (s *site) calls(path string) int {
	n := 0
	for _, r := range s.sim.HTTP.History().All() {
		if r.Path == path {
			n++
		}
	}
	return n
}

func TestReload_movesADestination(t *testing.T) {
	s, file := reloadSite(t, "")
	s.failure("/hook/failed", 1)
	edit(t, file, "/hook/failed", "/hook/elsewhere")
	result := s.reload()
	if got := strings.Join(result.Changed, " "); got != "webhookNotification.reloadTaskFailure.webhooks" || len(result.NeedsRestart) > 0 {
		t.Errorf("want the changed list named and no restart, got %+v", result)
	}
	s.failure("/hook/elsewhere", 1)
	if n := s.calls("/hook/failed"); n != 1 {
		t.Errorf("want the old address left alone, it was called %d times", n)
	}
}

func TestReload_warnsWhenNobodyIsNotifiedAnyMore(t *testing.T) {
	s, file := reloadSite(t, "")
	const warning = "no destination is enabled, so nobody is notified"
	if s.logs.FilterMessage(warning).Len() > 0 {
		t.Errorf("want no warning while there is a destination")
	}
	edit(t, file, "webhookNotification:\n    enable: true", "webhookNotification:\n    enable: false")
	s.reload()
	s.logged(warning)
}

func TestReload_addsARouteToANewDestination(t *testing.T) {
	s, file := reloadSite(t, "")
	s.failure("/hook/failed", 1)
	text, err := os.ReadFile(file)
	must(t, err)
	more := fmt.Sprintf(`
  routes:
    - name: pager
      match: {events: [reload_task_failed]}
      webhook: [{description: pager, webhookURL: "%s/hook/pager", httpMethod: POST}]
      continue: true
`, s.sim.HTTP.URL())
	must(t, os.WriteFile(file, append(text, more...), 0o600))
	s.reload()
	s.failure("/hook/pager", 1)
	s.until("the section told, too", func() bool { return s.calls("/hook/failed") == 2 })
}

func TestReload_aBrokenFileChangesNothing(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer taken.Close()
	_, port, err := net.SplitHostPort(taken.Addr().String())
	must(t, err)
	for name, row := range map[string]struct{ old, changed, reason string }{
		"no YAML":                  {"logLevel: info", "logLevel: [", "is not valid YAML"},
		"an unknown key":           {"logLevel: info", "logLevel: info\n  logLevle: debug", "logLevle"},
		"a port that is taken":     {"operations: {host: 127.0.0.1, port: 0}", "operations: {host: 127.0.0.1, port: " + port + "}", "listen on"},
		"certificates that are no": {"clientCert: ", "clientCert: /nowhere", "client certificate"},
		"no such sender":           {"udpServerConfig: {enable: true", "udpServerConfig: {enable: true, enableSourceValidation: true, allowedSources: [no-such-host.invalid]", "allowedSources"},
	} {
		t.Run(name, func(t *testing.T) {
			s, file := reloadSite(t, "")
			operations := s.app.OperationsAddress()
			edit(t, file, row.old, row.changed)
			result := s.app.Reload(app.ByAPI)
			if result.Applied || !strings.Contains(result.Reason, row.reason) {
				t.Errorf("want it refused because of %q, got %+v", row.reason, result)
			}
			if state, reason := s.component("configuration"); state != "degraded" || !strings.Contains(reason, row.reason) {
				t.Errorf("want /health to say so, got %s %q", state, reason)
			}
			s.untilMetric("butler_config_last_reload_successful 0")
			s.failure("/hook/failed", 1)
			if now := s.app.OperationsAddress(); now != operations {
				t.Errorf("want the old server at %s, it is at %s", operations, now)
			}
			edit(t, file, row.changed, row.old)
			s.reload()
			if state, _ := s.component("configuration"); state != "up" {
				t.Errorf("want it up again, got %s", state)
			}
		})
	}
}

func TestReload_namesWhatNeedsARestartAndAppliesTheRest(t *testing.T) {
	s, file := reloadSite(t, "")
	edit(t, file, "journal: {directory: journal", "journal: {keepFor: 25h, directory: journal")
	edit(t, file, "/hook/failed", "/hook/new")
	for range 2 { // it stays so until the restart
		if result := s.reload(); strings.Join(result.NeedsRestart, " ") != "journal.keepFor" {
			t.Errorf("want journal.keepFor named, got %+v", result)
		}
	}
	if state, reason := s.component("configuration"); state != "up" || reason != "needs a restart: journal.keepFor" {
		t.Errorf("want /health to name it, got %s %q", state, reason)
	}
	s.failure("/hook/new", 1)
}

// The intake runs on until the next start, and so does what guards it.
func TestReload_checksSendersOfAnIntakeThatIsSwitchedOff(t *testing.T) {
	s, file := reloadSite(t, "")
	edit(t, file, "udpServerConfig: {enable: true", "udpServerConfig: {enable: false, enableSourceValidation: true, allowedSources: [192.0.2.1]")
	if got := s.reload().NeedsRestart; !slices.Equal(got, []string{"udpServerConfig.enable"}) {
		t.Errorf("want it to need a restart, got %q", got)
	}
	s.run(qlik.TaskReload, world.Fail(), messages.FamilyFailed)
	s.untilMetric(`butler_udp_packets_rejected_total{reason="source"} 1`)
}

// Nobody asks an intake that there is not before the next start.
func TestReload_asksNoIntakeThatIsSwitchedOn(t *testing.T) {
	s := siteOf(t)
	path, err := demo.WriteConfig(s.sim, demo.Settings{Directory: s.dir, Off: []string{"email", "slack", "disklog"}})
	must(t, err)
	edit(t, path, "udpServerConfig: {enable: true", "udpServerConfig: {enable: false, queueMetrics: {influxdb: {enable: true}}")
	s.startFile(path)
	edit(t, path, "udpServerConfig: {enable: false", "udpServerConfig: {enable: true")
	s.reload()
	if state, _ := s.component("monitor/udp_queue"); state != "" {
		t.Errorf("want no monitor of an intake, it is %s", state)
	}
}

func TestReload_movesPorts(t *testing.T) {
	s, file := reloadSite(t, fmt.Sprintf(restConfig, ""))
	s.wantCall("GET", "/v4/butlerping", "", 200, "Butler")
	udpBefore, restBefore := s.app.UDPAddress(), s.app.RESTAddress()

	edit(t, file, "serverPort: 0", fmt.Sprintf("serverPort: %d", porttest.Of(t, "tcp")))
	edit(t, file, "portTaskFailure: 0", fmt.Sprintf("portTaskFailure: %d", porttest.Of(t, "udp")))
	edit(t, file, "butlerping: true", "butlerping: false")
	s.reload()
	s.until("the new UDP socket", func() bool { return s.app.UDPAddress() != udpBefore })
	s.failure("/hook/failed", 1) // what is sent to the old socket still counts
	must(t, s.sim.Aim(s.app.UDPAddress().String()))
	s.failure("/hook/failed", 2)
	if s.app.RESTAddress() == restBefore {
		t.Error("want another address of the REST API")
	}
	s.wantNewCall("GET", "/v4/butlerping", "", 404)
	s.wantCall("GET", "/v4/configfile/endpointsenabled", "", 200, "keyValueStore")
	if connection, err := net.Dial("tcp", restBefore); err == nil {
		connection.Close()
		t.Error("want nobody at the old address")
	}
	if state, reason := s.component("udp"); state != "up" {
		t.Errorf("want the socket up, got %s %q", state, reason)
	}
}

func TestReload_keepsValuesAndSwitchesEndpointsOn(t *testing.T) {
	s, file := reloadSite(t, fmt.Sprintf(restConfig, ""))
	edit(t, file, "keyValueStore: true", "keyValueStore: false")
	s.reload()
	s.wantNewCall("POST", "/v4/keyvalues/etl", `{"key":"a","value":"1"}`, 404)
	edit(t, file, "keyValueStore: false", "keyValueStore: true")
	s.reload()
	s.wantNewCall("POST", "/v4/keyvalues/etl", `{"key":"a","value":"1"}`, 201)
	edit(t, file, "maxKeysPerNamespace: 2", "maxKeysPerNamespace: 1")
	s.reload()
	s.wantNewCall("POST", "/v4/keyvalues/etl", `{"key":"b","value":"2"}`, 507)
	s.until("the value that was kept", func() bool {
		status, text := s.call("GET", "/v4/keyvalues/etl?key=a", "")
		return status == http.StatusOK && strings.Contains(text, `"1"`)
	})
}

func TestReload_opensTheStoreThatIsSwitchedOn(t *testing.T) {
	s, file := reloadSite(t, strings.Replace(fmt.Sprintf(restConfig, ""), "keyValueStore: true", "keyValueStore: false", 1))
	edit(t, file, "keyValueStore: false", "keyValueStore: true")
	s.reload()
	s.wantNewCall("POST", "/v4/keyvalues/etl", `{"key":"a","value":"1"}`, 201)
	s.wantNewCall("GET", "/v4/keyvalues/etl?key=a", "", 200)
}

// The reload that names the disk comes before the one that switches the store on.
func TestReload_valuesAreOnDiskAsSoonAsTheyShallBe(t *testing.T) {
	s, file := reloadSite(t, strings.Replace(fmt.Sprintf(restConfig, ""), "keyValueStore: {", "keyValueStore: {inMemory: true, ", 1))
	edit(t, file, "keyValueStore: true", "keyValueStore: false")
	edit(t, file, "keyValueStore: {inMemory: true, ", "keyValueStore: {")
	s.reload()
	edit(t, file, "keyValueStore: false", "keyValueStore: true")
	s.reload()
	s.wantNewCall("POST", "/v4/keyvalues/etl", `{"key":"a","value":"1"}`, 201)
	s.stopApp()
	s.startFile(file)
	s.wantNewCall("GET", "/v4/keyvalues/etl?key=a", "", 200)
}

// What is stored stays, but who starts a task stores nothing while the endpoints are off.
func TestReload_switchesThePairsOfStartCallsOff(t *testing.T) {
	s, file := reloadSite(t, fmt.Sprintf(startConfig, "", ""))
	edit(t, file, "keyValueStore: true", "keyValueStore: false")
	s.reload()
	start := "/v4/reloadtask/" + s.taskID(userSync) + "/start"
	const pair = `{"keyValueStore":{"namespace":"etl","key":"%s","value":"1"}}`
	s.wantNewCall("PUT", start, fmt.Sprintf(pair, "off"), 200)
	edit(t, file, "keyValueStore: false", "keyValueStore: true")
	s.reload()
	s.wantNewCall("PUT", start, fmt.Sprintf(pair, "on"), 200)
	s.wantNewCall("GET", "/v4/keyvalues/etl?key=on", "", 200)
	s.wantNewCall("GET", "/v4/keyvalues/etl?key=off", "", 400)
}

// wantNewCall calls over a connection of its own: one that was made before may
// still be served by the server that is replaced.
func (s *site) wantNewCall(method, path, body string, status int) {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), method, "http://"+s.app.RESTAddress()+path, strings.NewReader(body))
	must(s.t, err)
	req.Close = true
	req.Header.Set("Content-Type", "application/json")
	answer, err := client.Do(req)
	must(s.t, err)
	must(s.t, answer.Body.Close())
	if answer.StatusCode != status {
		s.t.Errorf("%s %s: want status %d, got %d", method, path, status, answer.StatusCode)
	}
}

func TestReload_whoConnectsAfterItReachesTheNewServer(t *testing.T) {
	s, file := reloadSite(t, fmt.Sprintf(restConfig, ""))
	for range 5 {
		edit(t, file, "butlerping: true", "butlerping: false")
		s.reload()
		for range 20 {
			s.wantNewCall("GET", "/v4/butlerping", "", 404)
		}
		edit(t, file, "butlerping: false", "butlerping: true")
		s.reload()
		for range 20 {
			s.wantNewCall("GET", "/v4/butlerping", "", 200)
		}
	}
}

func TestReload_readsCertificatesAgain(t *testing.T) {
	s, _ := reloadSite(t, "")
	certificates := s.sim.Certificates()
	good, err := os.ReadFile(certificates.Client)
	must(t, err)
	s.failure("/hook/failed", 1)
	must(t, os.WriteFile(certificates.Client, []byte("no certificate"), 0o600))
	if result := s.app.Reload(app.BySignal); result.Applied || !strings.Contains(result.Reason, "client certificate") {
		t.Errorf("want the file refused, got %+v", result)
	}
	if _, reason := s.component("configuration"); !strings.Contains(reason, "after the correction, `butler reload`") {
		t.Errorf("want the next step told, got %q", reason)
	}
	s.failure("/hook/failed", 2)
	must(t, os.WriteFile(certificates.Client, good, 0o600))
	s.reload()
	s.failure("/hook/failed", 3)
	s.untilMetric(`butler_qrs_up{host="127.0.0.1"} 1`)
}

func TestReload_leavesMonitorsAloneThatDidNotChange(t *testing.T) {
	s, file := reloadSite(t, `
  qlikSenseLicense:
    serverLicenseMonitor: {enable: true, frequency: every 24 hours}
    licenseMonitor: {enable: true, frequency: every 24 hours}
`)
	s.untilMetric(`butler_monitor_probes_total{monitor="server_license",result="ok"} 1`)
	s.untilMetric(`butler_monitor_probes_total{monitor="access_license",result="ok"} 1`)
	edit(t, file, "serverLicenseMonitor: {enable: true, frequency: every 24 hours}", "serverLicenseMonitor: {enable: true, frequency: every 12 hours}")
	s.reload()
	s.untilMetric(`butler_monitor_probes_total{monitor="server_license",result="ok"} 2`)
	s.untilMetric(`butler_monitor_probes_total{monitor="access_license",result="ok"} 1`)
	edit(t, file, "licenseMonitor: {enable: true, frequency: every 24 hours}", "licenseMonitor: {enable: false}")
	s.reload()
	if state, _ := s.component("probe/access_license"); state != "" {
		t.Errorf("want nothing said of a monitor that is off, got %s", state)
	}
}

func TestReload_followsTheFileAndWhatItRefersTo(t *testing.T) {
	s := siteOf(t)
	s.lookEvery = 20 * time.Millisecond
	address := filepath.Join(s.dir, "address")
	must(t, os.WriteFile(address, []byte(s.sim.HTTP.URL()+"/hook/one"), 0o600))
	path, err := demo.WriteConfig(s.sim, demo.Settings{Directory: s.dir, Off: []string{"email", "slack", "influxdb", "disklog"}})
	must(t, err)
	edit(t, path, `"`+s.sim.HTTP.URL()+`/hook/failed"`, `"${file:address}"`)
	s.startFile(path)
	s.failure("/hook/one", 1)

	must(t, os.WriteFile(address, []byte(s.sim.HTTP.URL()+"/hook/two"), 0o600))
	s.untilMetric(`butler_config_reloads_total{result="applied",trigger="file"} 1`)
	s.failure("/hook/two", 1)

	edit(t, path, "logLevel: info", "logLevel: nonsense")
	s.untilMetric(`butler_config_reloads_total{result="refused",trigger="file"} 1`)
	edit(t, path, "logLevel: nonsense", "logLevel: info\n  reload: {onFileChange: false}")
	s.untilMetric(`butler_config_reloads_total{result="applied",trigger="file"} 2`)
	s.untilMetric(`butler_config_reloads_total{result="refused",trigger="file"} 1`)
}

func TestReload_answersTheOperator(t *testing.T) {
	s, file := reloadSite(t, "")
	post := func() (int, string) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+s.app.OperationsAddress()+"/admin/config/reload", http.NoBody)
		must(t, err)
		req.Header.Set(operations.AdminHeader, "1")
		answer, err := client.Do(req)
		must(t, err)
		defer answer.Body.Close()
		text, err := io.ReadAll(answer.Body)
		must(t, err)
		return answer.StatusCode, string(text)
	}
	if status, text := post(); status != http.StatusOK || !strings.Contains(text, `"applied":true`) || !strings.Contains(text, `"changed":[]`) {
		t.Errorf("want it applied, got %d %s", status, text)
	}
	edit(t, file, "logLevel: info", "logLevel: nonsense")
	if status, text := post(); status != http.StatusUnprocessableEntity || !strings.Contains(text, "logLevel") {
		t.Errorf("want it refused with the reason, got %d %s", status, text)
	}
}

func TestReload_leavesNothingBehind(t *testing.T) {
	s, _ := reloadSite(t, fmt.Sprintf(restConfig, "")+brokerConfig(t, siteOf(t)))
	s.failure("/hook/failed", 1)
	used := func() (goroutines, files int) {
		open, _ := os.ReadDir("/proc/self/fd") // none where there is no such directory
		return runtime.NumGoroutine(), len(open)
	}
	s.reload()
	goroutines, files := used()
	for range 50 {
		s.reload()
	}
	s.until("what was replaced gone", func() bool { // the workers of a server end some seconds after it
		after, open := used()
		return after <= goroutines+10 && open <= files+5
	})
	s.failure("/hook/failed", 2)
}

func TestReload_oneAtATime(t *testing.T) {
	s, _ := reloadSite(t, "")
	done := make(chan bool)
	for range 8 {
		go func() { done <- s.app.Reload(app.ByAPI).Applied }()
	}
	for range 8 {
		if !<-done {
			t.Error("want every reload applied in its turn")
		}
	}
	s.failure("/hook/failed", 1)
}

func TestReload_underLoadLosesNothingAndRepeatsNothing(t *testing.T) {
	seed := seedOf(t)
	s := crashSite(t, seed)
	v := crashService(t, s, demo.Settings{PollEvery: "1s"})
	f := newTraffic(t, v, crashMix, seed)
	v.start()
	v.ready()
	stop := load(t, f, loadRate)
	const rounds = 6
	for i := range rounds {
		pause(t, 400*time.Millisecond)
		switch i % 3 {
		case 0: // a limit that changes nobody's alerts
			edit(t, v.config, fmt.Sprintf("maxInFlight: %d", usualInFlight-i/3), fmt.Sprintf("maxInFlight: %d", usualInFlight-i/3-1))
		case 1:
			edit(t, v.config, "logLevel: info", "logLevel: [")
		case 2:
			edit(t, v.config, "logLevel: [", "logLevel: info")
		}
		must(t, v.process.Process.Signal(syscall.SIGHUP))
		result := []string{"applied", "refused", "applied"}[i%3]
		want := float64(map[string]int{"applied": 1 + i/3*2 + i%3/2, "refused": 1 + i/3}[result])
		v.until(fmt.Sprintf("reload %d %s", i+1, result), func() bool {
			m := v.metrics()
			sum := 0.0
			for _, trigger := range []string{"signal", "file"} { // whichever came first
				sum += m[`butler_config_reloads_total{result="`+result+`",trigger="`+trigger+`"}`]
			}
			return sum >= want
		})
	}
	stop()
	v.end()
	if len(v.lives) != 1 {
		t.Errorf("want one process through it all, got %d", len(v.lives))
	}
	report(t, v, gather(t, v, f, nil))
}

func TestReload_changesTheLogLevel(t *testing.T) {
	s := siteOf(t)
	v := newService(t, s.sim, demo.Settings{LogLevel: "warn", Off: demo.Destinations})
	v.start()
	v.ready()
	logged := func(text string) bool { return strings.Contains(v.tail(1000), text) }
	edit(t, v.config, "logLevel: warn", "logLevel: info")
	must(t, v.process.Process.Signal(syscall.SIGHUP))
	v.until("a line below warn", func() bool { return logged("the configuration is reloaded") })
	if logged(`"msg":"starting"`) {
		t.Error("want nothing below warn from before")
	}
	if code := v.terminate(20 * time.Second); code != 0 {
		t.Errorf("want exit code 0, got %d", code)
	}
}
