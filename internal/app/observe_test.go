package app_test

import (
	"flag"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"butler/internal/app"
	"butler/internal/demo"
	"butler/internal/qlik"
	"butler/internal/sim/appender"
	"butler/internal/sim/world"
	"butler/internal/winsvc"
	"butler/messages"
)

var update = flag.Bool("update", false, "rewrite what is generated: the list of metrics and the pages in docs")

// golden compares text with a file of the repository, or writes it.
func golden(t *testing.T, path, text string) {
	t.Helper()
	path = filepath.Join("..", "..", filepath.FromSlash(path))
	if *update {
		must(t, os.WriteFile(path, []byte(text), 0o644))
	}
	want, err := os.ReadFile(path)
	must(t, err)
	if diff := cmp.Diff(strings.ReplaceAll(string(want), "\r\n", "\n"), text); diff != "" {
		t.Errorf("%s is out of date, see `make generate` (-want +got):\n%s", path, diff)
	}
}

// family is a family of metrics of a service that has worked.
type family struct {
	name, typ, help string
	// labels holds the values of every label.
	labels map[string][]string
}

func familiesOf(t *testing.T, a *app.App) []family {
	t.Helper()
	gathered, err := app.Gatherer(a).Gather()
	must(t, err)
	var out []family
	for _, g := range gathered {
		f := family{name: g.GetName(), typ: strings.ToLower(g.GetType().String()), help: g.GetHelp(), labels: map[string][]string{}}
		for _, m := range g.GetMetric() {
			for _, l := range m.GetLabel() {
				if values := f.labels[l.GetName()]; !slices.Contains(values, l.GetValue()) {
					f.labels[l.GetName()] = append(values, l.GetValue())
				}
			}
		}
		if strings.HasPrefix(f.name, "butler_") {
			out = append(out, f)
		}
	}
	return out
}

func (f family) labelNames() []string { return slices.Sorted(maps.Keys(f.labels)) }

// listening only receives by MQTT, from a broker that is not there.
const listening = `
  mqttConfig: {enable: true, brokerHost: 127.0.0.1, brokerPort: 1, taskFailureTopic: "", taskFailureFullTopic: "", taskAbortedTopic: "",
    taskAbortedFullTopic: "", qlikSenseCloudAppReloadFailureTopic: ""}
`

// monitored switches every monitor on and stores what it reads; to be filled in with
// the port of the repository's system information and a directory for reports.
const monitored = `
  serviceMonitor:
    enable: true
    frequency: every second
    monitor: [{host: sense-1, services: [{name: QlikSenseEngineService, friendlyName: Engine}, {name: QlikSenseProxyService, friendlyName: Proxy}]}]
    alertDestination: {influxDb: {enable: true}}
  qlikSenseLicense:
    serverLicenseMonitor: {enable: true, destination: {influxDb: {enable: true}}}
    licenseMonitor: {enable: true, destination: {influxDb: {enable: true}}}
    licenseRelease: {enable: true, dryRun: false, maxPerRun: 1, reportDirectory: %[2]q, licenseType: {analyzer: {enable: true}, professional: {enable: true}}, destination: {influxDb: {enable: true}}}
  qlikSenseVersion: {versionMonitor: {enable: true, host: 127.0.0.1, port: %[1]s, rejectUnauthorized: true, destination: {influxDb: {enable: true}}}}
  uptimeMonitor: {enable: true, frequency: every second, logLevel: debug, storeInInfluxdb: {enable: true}}
`

// watchedTenant is a tenant of Qlik Cloud that is not there.
const watchedTenant = "  qlikSenseCloud: {enable: true, event: {mqtt: {tenant: {id: ten-1, tenantUrl: 'http://127.0.0.1:9', auth: {jwt: {token: x}}}}}}\n"

// worked returns a service with every destination that has handled something of
// everything.
func worked(t *testing.T) *site {
	t.Helper()
	s := atWork(t)
	s.work()
	return s
}

// atWork starts a service with every destination and every monitor.
func atWork(t *testing.T, environ ...string) *site {
	t.Helper()
	s := siteOf(t, environ...)
	s.sim.World.SetLicenceEnd(time.Now().UTC().AddDate(0, 6, 0).Truncate(24 * time.Hour))
	for _, name := range []string{"QlikSenseEngineService", "QlikSenseProxyService"} {
		s.services.Set("sense-1", name, winsvc.Service{State: winsvc.Running, StartType: winsvc.Automatic, DisplayName: name})
	}
	_, port, err := net.SplitHostPort(s.sim.SystemInfo.Addr())
	must(t, err)
	var watched []string
	for _, typ := range qlik.TaskTypes() {
		id, _ := s.sim.World.TaskOfType(typ, 0)
		watched = append(watched, id)
	}
	s.environ = append(s.environ, "BUTLER_OPERATIONS_TASKMETRICS_TASKS="+strings.Join(watched, ","))
	s.startApp(demo.Settings{
		InMemory: true, RateLimit: 60, DegradedAfter: "2s", PollEvery: "1s", With: demo.Further,
		Extra: fmt.Sprintf(restConfig, "") + listening + watchedTenant + fmt.Sprintf(monitored, port, t.TempDir()),
	})
	return s
}

// work lets the service handle something of everything: good events, repeated ones,
// hostile ones, with and without a repository.
func (s *site) work() {
	t := s.t
	t.Helper()
	s.wantCall("POST", "/v4/keyvalues/etl", `{"key":"run","value":"7"}`, http.StatusCreated, "7")
	for _, r := range matrix() {
		s.run(r.typ, r.outcome, r.family)
	}
	last := s.run(qlik.TaskReload, world.Fail(), messages.FamilyFailed)
	s.announce(last, messages.FamilyFailed)
	conn, err := net.Dial("udp", s.app.UDPAddress().String())
	must(t, err)
	defer conn.Close()
	for _, name := range appender.Hostile() {
		datagram, err := appender.HostileDatagram(name, 1, appender.Format{}, appender.EventOf(last, appender.TypeOf(messages.FamilyFailed), time.Now()))
		must(t, err)
		_, _ = conn.Write(datagram) // some do not fit into a datagram, which is the point of them
	}
	s.untilMetric(`butler_events_processed_total{event_type="distribute",result="alerted"} 2`)
	s.untilMetric(`butler_events_duplicate_total{event_type="failed"} [1-9]`)
	s.untilMetric("butler_events_quarantined_total [1-9]")
	s.idle(len(matrix())) // with a repository, everything that is asked is answered
	must(t, s.sim.QRS.Outage(true))
	s.run(qlik.TaskReload, world.Fail(), messages.FamilyFailed)
	s.untilMetric("butler_enrichment_degraded_total [1-9]")
	s.idle(len(matrix()))
}

// untilMetric waits for a line of the metrics page that begins like that.
func (s *site) untilMetric(line string) {
	s.t.Helper()
	wanted := regexp.MustCompile("(?m)^" + line)
	s.until(line, func() bool { return wanted.MatchString(metricsPage(s.t, s.app)) })
}

func TestMetrics_areThoseOfTheGoldenList(t *testing.T) {
	s := worked(t)
	var list strings.Builder
	for _, f := range familiesOf(t, s.app) {
		fmt.Fprintln(&list, strings.Join(append([]string{f.name, f.typ}, f.labelNames()...), " "))
	}
	golden(t, "internal/metrics/testdata/metrics.golden", list.String())
	problems, err := testutil.GatherAndLint(app.Gatherer(s.app))
	must(t, err)
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

// instancePattern is what the names of destination instances look like.
const instancePattern = `[a-z0-9]+/[a-z_]+(/[0-9]+|/(event|log)/[A-Za-z]+)?`

// closedSets is every label that a metric may have, and what its values look
// like. Whoever adds a label has to say here what bounds it.
var closedSets = map[string]*regexp.Regexp{
	"trigger":      regexp.MustCompile(`^(signal|file|api)$`),
	"cache":        regexp.MustCompile(`^(task|app|owner|execution|script_log)$`),
	"cause":        regexp.MustCompile(`^[a-z_]+$`),
	"code":         regexp.MustCompile(`^([1-5][0-9]{2}|[2-5]xx|error|timeout)$`),
	"component":    regexp.MustCompile(`^(qrs|[a-z]+(/[a-z_]+)?|(monitor|probe)/windows_services/sense-1|destination/` + instancePattern + `)$`),
	"connection":   regexp.MustCompile(`^(main|cloud)$`),
	"event_type":   regexp.MustCompile(`^(failed|aborted|succeeded|distribute|engine_reload_failed)$`),
	"goversion":    regexp.MustCompile(`^go1\.`),
	"handler":      regexp.MustCompile(`^[A-Za-z0-9]+$`),
	"host":         regexp.MustCompile(`^(127\.0\.0\.1|sense-1)$`), // of the configuration
	"integration":  regexp.MustCompile(`^(email|slack|teams|webhook|signl4|newrelic|url|influxdb|disklog)$`),
	"kind":         regexp.MustCompile(`^(asker|cloud|delivery|execution|executions|ingest|kv|kv_namespace|monitor|mqttlink|notify|qrsgate|schedule|shard)$`),
	"license_type": regexp.MustCompile(`^(analyzer|professional)$`),
	"level":        regexp.MustCompile(`^(debug|info|warn|error)$`),
	"method":       regexp.MustCompile(`^(GET|PUT|POST|DELETE|other)$`),
	"mode":         regexp.MustCompile(`^(live|dry_run)$`),
	"monitor":      regexp.MustCompile(`^[a-z_]+$`),
	"node":         regexp.MustCompile(`^[\pL\pN\pP\pS ]{1,500}$`), // of the network: 200 of them, then "other"
	"operation":    regexp.MustCompile(`^[a-z_]+$`),
	"outcome":      regexp.MustCompile(`^(success|failed|aborted|done|denied|rehearsed|ok|unavailable|timeout|busy|not_found|rejected|invalid)$`),
	"reason":       regexp.MustCompile(`^[a-z_]+$`),
	"purpose":      regexp.MustCompile(`^[a-z_]+$`),
	"queue":        regexp.MustCompile(`^[a-z_]+$`),
	"receiver":     regexp.MustCompile(`^` + instancePattern + `$`), // an instance of the configuration
	"result":       regexp.MustCompile(`^[a-z_]+$`),
	"revision":     regexp.MustCompile(`^([0-9a-f]{12}|unknown)$`),
	"row":          regexp.MustCompile(`^(start_task|cloud_event|other)$`),
	"service":      regexp.MustCompile(`^QlikSense(Engine|Proxy)Service$`), // of the configuration
	"shard":        regexp.MustCompile(`^[0-9]{1,4}$`),
	"state":        regexp.MustCompile(`^(running|stopped|unfit)$`),
	"target":       regexp.MustCompile(`^(qrs|` + instancePattern + `)$`),
	"task_type":    regexp.MustCompile(`^(reload|external_program|user_sync|distribute|preload)$`),
	"to":           regexp.MustCompile(`^(started|stopped)$`),
	"transport":    regexp.MustCompile(`^udp$`),
	"version":      regexp.MustCompile(`^[0-9A-Za-z.+-]+$`),
	"way":          regexp.MustCompile(`^(rest|mqtt|schedule|reload|unknown)$`),
}

var guid = regexp.MustCompile(`(?i)[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}`)

// ofSingleTasks are the metrics of tasks that an operator has chosen, and of nothing else.
var ofSingleTasks = regexp.MustCompile(`(?m)^butler_task_(info|last_[a-z_]+|consecutive_failures)\{.*\n`)

func TestMetrics_tellNothingOfTasksAndPeople(t *testing.T) {
	s := worked(t)
	for _, f := range familiesOf(t, s.app) {
		if slices.Contains(f.labelNames(), "task_id") {
			continue
		}
		for label, values := range f.labels {
			set, known := closedSets[label]
			if !known {
				t.Errorf("%s has the label %s, which no closed set belongs to", f.name, label)
				continue
			}
			for _, v := range values {
				if !set.MatchString(v) {
					t.Errorf("%s: want %s to match %s, got %q", f.name, label, set, v)
				}
			}
			if len(values) > 201 {
				t.Errorf("%s: want few values of %s, got %d", f.name, label, len(values))
			}
		}
	}
	page := ofSingleTasks.ReplaceAllString(metricsPage(t, s.app), "")
	if found := guid.FindString(page); found != "" {
		t.Errorf("want no ID of anything on the page, got %s", found)
	}
	secret := []string{"operations@example.com", "@", "hook/failed", "onerror", "/etc/"}
	for task := range s.sim.World.Tasks() {
		secret = append(secret, task.Name)
	}
	for a := range s.sim.World.Apps() {
		secret = append(secret, a.Name)
	}
	for _, text := range secret {
		if strings.Contains(page, text) {
			t.Errorf("want no %q on the page", text)
		}
	}
}

func metricsPage(t *testing.T, a *app.App) string {
	t.Helper()
	resp, err := client.Get("http://" + a.OperationsAddress() + "/metrics")
	must(t, err)
	defer resp.Body.Close()
	page, err := io.ReadAll(resp.Body)
	must(t, err)
	return string(page)
}
