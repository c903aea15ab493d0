package app_test

import (
	"fmt"
	"iter"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"butler/config"
	"butler/internal/app"
	"butler/internal/demo"
	"butler/internal/doctor"
	"butler/internal/porttest"
	"butler/internal/sim"
	"butler/internal/sim/edge"
	"butler/internal/sim/sink"
)

// diagnosed runs the doctor on a configuration, as the command does.
func diagnosed(t *testing.T, path string, o doctor.Options) doctor.Report {
	t.Helper()
	cfg, err := config.Load(config.Options{Path: path, Schemas: app.Schemas(), Inspect: app.Inspection{}.Findings, Lenient: true})
	must(t, err)
	report := app.Diagnose(t.Context(), cfg, o)
	for _, l := range report.Lines {
		for _, secret := range []string{"0123456789abcdef0123", "s3cret"} {
			if text := l.Subject + l.Evidence + l.Remedy; strings.Contains(text, secret) {
				t.Errorf("a secret is told: %s", text)
			}
		}
	}
	return report
}

// wantLine looks for a line that begins with the verdict and the check and holds a text.
func wantLine(t *testing.T, report doctor.Report, verdict doctor.Verdict, check, text string) doctor.Line {
	t.Helper()
	var seen []string
	for _, l := range report.Lines {
		told := fmt.Sprintf("%s %s: %s", l.Verdict, l.Subject, l.Evidence)
		if l.Check == check && l.Verdict == verdict && strings.Contains(told, text) {
			if verdict != doctor.OK && verdict != doctor.Skipped && l.Remedy == "" {
				t.Errorf("%s: nothing to do about %q", check, told)
			}
			return l
		}
		if l.Check == check {
			seen = append(seen, told)
		}
	}
	t.Errorf("%s: want %s with %q, got:\n%s", check, verdict, text, strings.Join(seen, "\n"))
	return doctor.Line{}
}

// forDoctor switches on what else the doctor can look at.
const forDoctor = `
  restServerConfig: {enable: true, serverHost: 127.0.0.1, serverPort: 0, maxCallsPerMinute: 0}
  restServerEndpointsEnable: {senseListApps: true, senseStartTask: true}
`

func TestDoctor_findsNothingWrongWithAHealthySite(t *testing.T) {
	s := siteOf(t)
	path, err := demo.WriteConfig(s.sim, demo.Settings{Directory: s.dir, With: demo.Further, Extra: brokerConfig(t, s) + forDoctor})
	must(t, err)
	report := diagnosed(t, path, doctor.Options{})
	for _, l := range report.Lines {
		// The certificates of the simulation last for days, and what is on loopback is not always encrypted.
		if l.Verdict == doctor.Problem {
			t.Errorf("%+v", l)
		}
	}
	for check, text := range map[string]string{
		"configuration": "is valid", "service": "does not run", "qrs": "rights: start tasks: is not refused", "engine": "opens a session",
		"udp": "loop-back: a datagram arrives", "journal": "is created when it is needed", "email": "TLS 1.3, no login is configured",
		"slack": "answers", "webhook": "answers", "teams": "answers", "signl4": "answers", "newrelic": "answers", "url": "answers",
		"influxdb": "accepts points", "disklog": "is created with the first script log",
		"mqtt": "the broker accepts the client", "time zones": "are known",
	} {
		wantLine(t, report, doctor.OK, check, text)
	}
	wantLine(t, report, doctor.Warning, "certificates", "cert.clientCert: ends in 29 days") // those of the simulation are short
	for _, text := range []string{"127.0.0.1 answers in", "TLS: TLS 1.3, the certificate is trusted", "clock: the clocks agree", "rights: tasks: the user sees", "rights: apps: the user sees", "rights: users: the user sees", "rights: script logs: may be read"} {
		wantLine(t, report, doctor.OK, "qrs", text)
	}
	if n := s.sim.SMTP.Messages().Total() + s.sim.MQTT.Publications().Total(); n > 0 {
		t.Errorf("%d messages were sent", n)
	}
	for _, r := range s.sim.HTTP.History().All() {
		if r.Method != http.MethodHead || r.Path != "/" {
			t.Errorf("a web service was asked for more than its start page: %s %s", r.Method, r.Path)
		}
	}
	if _, err := os.Stat(filepath.Join(s.dir, "journal")); !os.IsNotExist(err) {
		t.Errorf("the journal was made: %v", err)
	}
}

func TestDoctor_worksBesideTheRunningService(t *testing.T) {
	s := siteOf(t)
	o := demo.Settings{Directory: s.dir, OperationsPort: porttest.Of(t, "tcp"), UDPPort: porttest.Of(t, "udp")}
	s.startApp(o)
	path := filepath.Join(s.dir, "butler.yaml")
	report := diagnosed(t, path, doctor.Options{})
	wantLine(t, report, doctor.OK, "service", "runs, and is")
	wantLine(t, report, doctor.OK, "ports", "is taken, and the service runs")
	wantLine(t, report, doctor.OK, "udp", "the service receives task events on it")
	wantLine(t, report, doctor.OK, "udp", "loop-back: a datagram arrives")
	wantLine(t, report, doctor.OK, "journal", "can be written")
	if len(s.ends()) > 0 {
		t.Errorf("the service has told somebody: %+v", s.ends())
	}
}

func TestDoctor_leavesTheNetworkAloneOffline(t *testing.T) {
	s := siteOf(t)
	path, err := demo.WriteConfig(s.sim, demo.Settings{Directory: s.dir, Extra: forDoctor})
	must(t, err)
	report := diagnosed(t, path, doctor.Options{Offline: true})
	for _, check := range []string{"qrs", "engine", "email", "slack", "influxdb"} {
		wantLine(t, report, doctor.Skipped, check, "--offline")
	}
	wantLine(t, report, doctor.OK, "disklog", "is created")
	wantLine(t, report, doctor.OK, "udp", "loop-back")
	if n := s.sim.QRS.Requests().Total() + s.sim.HTTP.History().Total(); n > 0 {
		t.Errorf("%d calls were made", n)
	}
}

func TestDoctor_saysWhatIsWrongWithPeers(t *testing.T) {
	for name, row := range map[string]struct {
		spoil func(*testing.T, *sim.Sim)
		extra string
		check string
		want  string
		// within ends a check that waits for somebody silent.
		within time.Duration
	}{
		"the QRS hangs": {func(_ *testing.T, s *sim.Sim) { s.QRS.Faults().Set(edge.Rule{Name: "x", Kind: edge.Hang}) }, "", "qrs", "timeout", 2 * time.Second},
		"the QRS sends nonsense": {func(_ *testing.T, s *sim.Sim) {
			s.QRS.Faults().Set(edge.Rule{Name: "x", Kind: edge.InvalidJSON})
		}, "", "qrs", "endpoint: about", 0},
		"the QRS does not listen": {func(t *testing.T, s *sim.Sim) { t.Helper(); s.QRS.Stop() }, "", "qrs", "ECONNREFUSED", 0},
		"the user may not read tasks": {func(_ *testing.T, s *sim.Sim) {
			s.QRS.Faults().Set(edge.Rule{Name: "x", Kind: edge.Status, Status: 403, PathPrefix: "/qrs/task/count"})
		}, "", "qrs", "rights: tasks", 0},
		"the user may not read script logs": {func(_ *testing.T, s *sim.Sim) {
			s.QRS.Faults().Set(edge.Rule{Name: "x", Kind: edge.Status, Status: 403, PathPrefix: "/qrs/reloadtask/00000000-0000-0000-0000-000000000000/scriptlog"})
		}, "", "qrs", "rights: script logs", 0},
		"the user may not start tasks": {func(_ *testing.T, s *sim.Sim) {
			s.QRS.Faults().Set(edge.Rule{Name: "x", Kind: edge.Status, Status: 403, Method: "POST"})
		}, forDoctor, "qrs", "rights: start tasks", 0},
		"the user may not read the licence": {func(_ *testing.T, s *sim.Sim) {
			s.QRS.Faults().Set(edge.Rule{Name: "x", Kind: edge.Status, Status: 403, PathPrefix: "/qrs/license"})
		}, "  qlikSenseLicense: {serverLicenseMonitor: {enable: true}}\n", "qrs", "rights: server licence", 0},
		"the user may not read access licences": {func(_ *testing.T, s *sim.Sim) {
			s.QRS.Faults().Set(edge.Rule{Name: "x", Kind: edge.Status, Status: 403, PathPrefix: "/qrs/license/accesstypeoverview"})
		}, "  qlikSenseLicense: {licenseMonitor: {enable: true}}\n", "qrs", "rights: access licences", 0},
		"the engine is gone":       {func(_ *testing.T, s *sim.Sim) { s.Engine.Stop() }, forDoctor, "engine", "127.0.0.1", 0},
		"the mail server hangs":    {func(_ *testing.T, s *sim.Sim) { s.SMTP.Stop() }, "", "email", "connecting at", 0},
		"the web server is silent": {func(_ *testing.T, s *sim.Sim) { s.HTTP.Faults().Set(edge.Rule{Name: "x", Kind: edge.Hang}) }, "", "slack", "did not answer in time", 2 * time.Second},
		"the database is gone":     {func(_ *testing.T, s *sim.Sim) { s.Influx.Stop() }, "", "influxdb", "refuses connections", 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := siteOf(t)
			path, err := demo.WriteConfig(s.sim, demo.Settings{Directory: s.dir, Extra: row.extra})
			must(t, err)
			row.spoil(t, s.sim)
			began := time.Now()
			report := diagnosed(t, path, doctor.Options{Timeout: row.within})
			wantLine(t, report, doctor.Problem, row.check, row.want)
			if took := time.Since(began); took > 20*time.Second {
				t.Errorf("it took %s", took)
			}
		})
	}
}

// A firewall is opened for the port that is configured.
func TestDoctor_namesThePortOfTheEngine(t *testing.T) {
	s := siteOf(t)
	path, err := demo.WriteConfig(s.sim, demo.Settings{Directory: s.dir, Extra: forDoctor})
	must(t, err)
	_, port, err := net.SplitHostPort(s.sim.Engine.Addr())
	must(t, err)
	s.sim.Engine.Stop()
	if l := wantLine(t, diagnosed(t, path, doctor.Options{}), doctor.Problem, "engine", "127.0.0.1"); !strings.HasSuffix(l.Remedy, "to port "+port) {
		t.Errorf("want port %s named, got %q", port, l.Remedy)
	}
}

func TestDoctor_tellsOfTheCredentialsThatAreRefused(t *testing.T) {
	s := siteWith(t, sim.Options{Influx: sink.InfluxOptions{User: "joe", Password: "right-one"}})
	path, err := demo.WriteConfig(s.sim, demo.Settings{Directory: s.dir})
	must(t, err)
	wantLine(t, diagnosed(t, path, doctor.Options{}), doctor.Problem, "influxdb", "401")
}

func TestDoctor_saysWhatIsWrongWithThisMachine(t *testing.T) {
	dir := t.TempDir()
	file, keys := filepath.Join(dir, "file"), filepath.Join(dir, "keys.json")
	must(t, os.WriteFile(file, nil, 0o600))
	must(t, os.WriteFile(keys, []byte("{}"), 0o600))
	must(t, os.Chmod(keys, 0o666))
	taken, err := net.ListenPacket("udp", "127.0.0.1:0")
	must(t, err)
	defer taken.Close()
	web, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer web.Close()
	path := filepath.Join(dir, "butler.yaml")
	must(t, os.WriteFile(path, fmt.Appendf(nil, `Butler:
  journal: {directory: file/below}
  logLevle: info
  operations: {host: 127.0.0.1, port: %d}
  udpServerConfig: {enable: true, serverHost: 127.0.0.1, portTaskFailure: %d}
  restServerConfig: {enable: true, serverHost: 127.0.0.1, auth: {mode: keys, keyFile: keys.json}}
  restServerEndpointsEnable: {senseListApps: true}
  configEngine: {host: 127.0.0.1, port: 1}
  configQRS: {host: 127.0.0.1, port: 1}
  cert: {clientCert: file, clientCertKey: file, clientCertCA: file}
  scheduler: {enable: true, configfile: file/schedule.yaml}
  qlikSenseLicense: {licenseRelease: {enable: true, reportDirectory: file/reports}}
`, web.Addr().(*net.TCPAddr).Port, taken.LocalAddr().(*net.UDPAddr).Port), 0o600))
	report := diagnosed(t, path, doctor.Options{Timeout: 3 * time.Second})
	for check, want := range map[string]string{
		"configuration": "butler.yaml:3:3: logLevle: unknown key", "udp": "cannot be opened", "ports": "cannot be opened",
		"journal": "not a directory", "licence reports": "not a directory", "schedules": "not a directory", "api keys": "everybody may write it", "certificates": "no certificate in PEM format",
	} {
		wantLine(t, report, doctor.Problem, check, want)
	}
	for _, check := range []string{"qrs", "engine"} {
		wantLine(t, report, doctor.Skipped, check, "not tried: the certificates cannot be read")
	}
	wantLine(t, report, doctor.OK, "udp", "loop-back: a datagram arrives")
	wantLine(t, report, doctor.Warning, "configuration", "nobody is notified")
	if report.Verdict() != doctor.Problem {
		t.Errorf("the verdict is %s", report.Verdict())
	}
}

func TestDoctor_looksForTheCustomPropertiesThatAreNamed(t *testing.T) {
	s := siteOf(t)
	for name, want := range map[string]doctor.Line{
		"Departmnt":                     {Verdict: doctor.Warning, Evidence: `routes[0].match.taskCustomProperties[0]: tasks have no custom property "Departmnt"`},
		"Butler_FailedAlertEnableEmail": {Verdict: doctor.OK, Evidence: "all that the configuration names exist"},
	} {
		path, err := demo.WriteConfig(s.sim, demo.Settings{Directory: t.TempDir(), Extra: fmt.Sprintf(`
  routes:
    - name: finance
      match: {taskCustomProperties: [{name: %s, value: "Yes"}]}
`, name)})
		must(t, err)
		wantLine(t, diagnosed(t, path, doctor.Options{}), want.Verdict, "qrs", "custom properties: "+want.Evidence)
	}
}

// first returns the first of some.
func first[T any](some iter.Seq[T]) (out T) {
	for out = range some {
		break
	}
	return out
}

func TestDoctor_looksForWhatRoutesName(t *testing.T) {
	s := siteOf(t)
	tag, stream := s.sim.World.Tags()[0].Name, s.sim.World.Streams()[0]
	task, app := first(s.sim.World.Tasks()), first(s.sim.World.Apps())
	for name, row := range map[string]struct {
		match string
		want  []doctor.Line
	}{
		"all are there": {
			fmt.Sprintf("{taskTags: [%q], appTags: [%q], streams: [%q, %q], tasks: [%q, %q], apps: [%q]}",
				tag, tag, stream.Name, stream.ID, task.Name, strings.ToUpper(task.ID), app.Name),
			[]doctor.Line{
				{Verdict: doctor.OK, Evidence: "tags: all that the configuration names exist"},
				{Verdict: doctor.OK, Evidence: "streams: all that the configuration names exist"},
				{Verdict: doctor.OK, Evidence: "tasks: all that the configuration names exist"},
				{Verdict: doctor.OK, Evidence: "apps: all that the configuration names exist"},
			},
		},
		"some are misspelled": {
			fmt.Sprintf("{taskTags: [%q, Finanse], appTags: [%q], streams: [%q], tasks: [No such task]}", tag, s.sim.World.Tags()[0].ID, "x"+stream.Name),
			[]doctor.Line{
				{Verdict: doctor.Warning, Evidence: `tags: routes[0].match.taskTags[1]: there is no tag "Finanse"`},
				{Verdict: doctor.Warning, Evidence: "tags: routes[0].match.appTags[0]: there is no tag "},
				{Verdict: doctor.Warning, Evidence: fmt.Sprintf("streams: routes[0].match.streams[0]: there is no stream %q", "x"+stream.Name)},
				{Verdict: doctor.Warning, Evidence: `tasks: routes[0].match.tasks[0]: there is no task "No such task"`},
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			path, err := demo.WriteConfig(s.sim, demo.Settings{Directory: t.TempDir(), Extra: fmt.Sprintf(`
  routes:
    - name: finance
      match: %s
`, row.match)})
			must(t, err)
			report := diagnosed(t, path, doctor.Options{})
			for _, want := range row.want {
				wantLine(t, report, want.Verdict, "qrs", want.Evidence)
			}
		})
	}
	path, err := demo.WriteConfig(s.sim, demo.Settings{Directory: t.TempDir(), Extra: "\n  routes:\n    - name: finance\n      match: {streams: [" + stream.Name + "]}\n"})
	must(t, err)
	s.sim.QRS.Faults().Set(edge.Rule{Name: "x", Kind: edge.Status, Status: 403, PathPrefix: "/qrs/stream"})
	wantLine(t, diagnosed(t, path, doctor.Options{}), doctor.Warning, "qrs", "streams: endpoint: stream")
}

func TestDoctor_saysAWarningOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "butler.yaml")
	must(t, os.WriteFile(path, []byte("Butler:\n  startTaskFilter: {enable: true, allowTask: {taskId: [none]}}\n"), 0o600))
	l := wantLine(t, diagnosed(t, path, doctor.Options{Offline: true}), doctor.Warning, "configuration", "is not a task ID")
	if strings.Contains(l.Evidence, "warning") {
		t.Errorf("want the place and the reason alone, got %q", l.Evidence)
	}
	wantLine(t, diagnosed(t, "", doctor.Options{Offline: true}), doctor.OK, "configuration", "the built-in defaults are valid, 0 destination instances")
}
