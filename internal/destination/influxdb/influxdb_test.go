package influxdb

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"butler/internal/destination"
	"butler/internal/destination/destinationtest"
	"butler/internal/text"
	"butler/messages"
)

const (
	sampleToken    = "T0K3N-of-the-test=="
	samplePassword = "P4SSW0RD-of-the-test"
)

var sections = []string{
	"reloadTaskFailure", "reloadTaskSuccess", "externalProgramTaskFailure", "externalProgramTaskSuccess",
	"userSyncTaskFailure", "userSyncTaskSuccess", "distributeTaskFailure", "distributeTaskSuccess",
	"preloadTaskFailure", "preloadTaskSuccess",
}

// sampleConfig returns a configuration for a server of the given version.
func sampleConfig(version int) func(address string) string {
	return func(address string) string {
		u, err := url.Parse(address)
		if err != nil {
			panic(err)
		}
		text := fmt.Sprintf(`
influxDb:
  enable: true
  hostIP: %s
  hostPort: %s
  version: %d
  auth: {enable: true, username: joe, password: %s}
  dbName: butler
  v2Config: {org: my-org, bucket: butler, token: %s}
  v3Config: {database: butler, token: %s}
  tag: {static: [{name: butler_instance, value: prod-1}]}
`, u.Hostname(), u.Port(), version, samplePassword, sampleToken, sampleToken)
		stored := sections
		if version > 1 {
			// The lines are the same for every version, so two kinds are enough.
			stored = []string{"reloadTaskFailure", "distributeTaskSuccess"}
		}
		for _, section := range stored {
			text += "  " + section + ":\n    enable: true\n    tag: {static: [{name: env, value: prod}, {name: log_level, value: FIXED}]}\n"
			if section == "reloadTaskSuccess" {
				text += "    allReloadTasks: {enable: true}\n"
			}
		}
		if version == 1 {
			text += readingSections
			text += "routes: [{name: aborted, match: {events: [reload_task_aborted]}, influxDb: [{tailScriptLogLines: 20}]}]\n"
		}
		return text
	}
}

// readingSections enables the readings of all monitors. Some have tags of the operator
// with the name of a built-in one.
const readingSections = `
serviceMonitor: {alertDestination: {influxDb: {enable: true}}}
uptimeMonitor: {storeInInfluxdb: {enable: true}}
qlikSenseVersion: {versionMonitor: {destination: {influxDb: {enable: true, tag: {static: [{name: env, value: prod}]}}}}}
qlikSenseLicense:
  serverLicenseMonitor: {destination: {influxDb: {enable: true, tag: {static: [{name: env, value: prod}]}}}}
  licenseMonitor: {destination: {influxDb: {enable: true, tag: {static: [{name: env, value: prod}, {name: license_type, value: FIXED}]}}}}
  licenseRelease: {destination: {influxDb: {enable: true, tag: {static: [{name: env, value: prod}, {name: license_type, value: FIXED}]}}}}
udpServerConfig: {queueMetrics: {influxdb: {enable: true, measurementName: my queue, tags: [{name: env, value: prod}, {name: host, value: FIXED}]}}}
`

// databases answers the query of version 1 for its databases: the database exists.
func databases(w http.ResponseWriter, r *http.Request) bool {
	if r.URL.Path != "/query" {
		return false
	}
	_, _ = io.WriteString(w, `{"results":[{"statement_id":0,"series":[{"name":"databases","columns":["name"],"values":[["_internal"],["butler"]]}]}]}`)
	return true
}

func TestInfluxDB_conformsToDestination(t *testing.T) {
	for version := 1; version <= 3; version++ {
		t.Run(fmt.Sprintf("version %d", version), func(t *testing.T) {
			destinationtest.Run(t, destinationtest.Fixture{
				Definition: Definition(),
				Variant:    fmt.Sprintf("v%d", version),
				Config:     sampleConfig(version),
				Secrets:    []string{sampleToken, samplePassword},
				Mistakes: fmt.Sprintf(`
influxDb:
  enable: true
  hostIP: localhost
  version: %d
  dbName: ''
  auth: {enable: true, username: joe}
  retentionPolicy: {name: '', duration: '10d; drop database x'}
  v2Config: {bucket: ''}
  v3Config: {database: ''}
  reloadTaskFailure: {enable: true}
`, version),
				MistakenPaths: mistakenPaths[version],
				Peer: func(t *testing.T) *destinationtest.Peer {
					t.Helper()
					return destinationtest.NewHTTPPeer(t, databases).Peer()
				},
				Inspect: inspect,
			})
		})
	}
}

// inspect checks that a sample is one point with its texts.
func inspect(t *testing.T, s destinationtest.Sample, received []string) {
	t.Helper()
	if len(received) != 1 {
		t.Fatalf("want one request, got %d", len(received))
	}
	_, body, _ := strings.Cut(received[0], "\n\n")
	points, err := parseLines(body)
	if err != nil {
		t.Fatal(err)
	}
	if !s.Alert.TaskEvent() {
		inspectReading(t, s.Alert, points)
		return
	}
	if len(points) != 1 {
		t.Fatalf("want one point, got %d", len(points))
	}
	p, a := points[0], s.Alert
	if p.Time/1000 != a.Event.At.UnixMicro() {
		t.Errorf("the time is %d, want that of the event", p.Time)
	}
	if want := text.FirstBytes(valid(a.Event.LogMessage), maxField); p.Fields["log_message"] != want {
		t.Errorf("log_message is %.100q, want %.100q", p.Fields["log_message"], want)
	}
	if want := cleanName(a.Event.TaskName); p.Tags["task_name"] != want {
		t.Errorf("task_name is %.100q, want %.100q", p.Tags["task_name"], want)
	}
	for name, value := range p.Fields {
		if text, ok := value.(string); ok && len(text) > maxField {
			t.Errorf("%s has %d bytes", name, len(text))
		}
	}
}

// inspectReading checks that every row of a reading is a point of its time.
func inspectReading(t *testing.T, a messages.Alert, points []parsed) {
	t.Helper()
	if want := max(len(a.Points), 1); len(points) != want {
		t.Fatalf("want %d points, got %d", want, len(points))
	}
	for _, p := range points {
		if p.Time/1000 != a.DecidedAt.UnixMicro() {
			t.Errorf("the time is %d, want that of the reading", p.Time)
		}
		if p.Tags["butler_instance"] != "prod-1" {
			t.Errorf("want the tag of all points, got %v", p.Tags)
		}
		for name, value := range p.Fields {
			if text, ok := value.(string); ok && len(text) > maxField {
				t.Errorf("%s has %d bytes", name, len(text))
			}
		}
	}
}

// buildAll builds the destinations of a configuration.
func buildAll(t *testing.T, config string) map[string]destination.Built {
	t.Helper()
	out := map[string]destination.Built{}
	for _, b := range destinationtest.Built(t, Definition(), config) {
		out[strings.TrimPrefix(b.Instance.Name, "influxdb/")] = b
	}
	return out
}

func TestInstances_needTheDataOfTheirMeasurement(t *testing.T) {
	type needs = destination.Needs
	want := map[string]needs{
		"reload_task_failed":              {Task: true, App: true, Execution: true, ScriptTail: 20},
		"routes/aborted":                  {Task: true, App: true, Execution: true, ScriptHead: 15, ScriptTail: 20},
		"reload_task_succeeded":           {Task: true, App: true, Execution: true, FinalState: true, ScriptHead: 15, ScriptTail: 25},
		"external_program_task_failed":    {Task: true, Execution: true},
		"external_program_task_succeeded": {Task: true, Execution: true, FinalState: true},
		"user_sync_task_failed":           {Task: true},
		"user_sync_task_succeeded":        {Task: true, Execution: true, FinalState: true},
		"distribute_task_failed":          {Task: true, Execution: true},
		"distribute_task_succeeded":       {Task: true, Execution: true},
		"preload_task_failed":             {Task: true, Execution: true},
		"preload_task_succeeded":          {Task: true, Execution: true},
	}
	for _, kind := range append(messages.MeasuredKinds(), messages.ServiceStatus, messages.LicenseStatus) {
		want[string(kind)] = needs{}
	}
	got := map[string]needs{}
	for name, b := range buildAll(t, sampleConfig(1)("http://127.0.0.1:1")) {
		got[name] = b.Instance.Needs
		if b.Instance.Window != 0 {
			t.Errorf("%s has a window, and nothing stored is held back", name)
		}
		if b.Instance.Batch != batchSize {
			t.Errorf("%s has batches of %d, want %d", name, b.Instance.Batch, batchSize)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestInstances_needNoLookUpsForDisabledDynamicTags(t *testing.T) {
	built := buildAll(t, `{influxDb: {enable: true, hostIP: localhost, reloadTaskFailure: {enable: true, tailScriptLogLines: 0, tag: {dynamic: {useAppTags: false, useTaskTags: false}}}}}`)
	want := destination.Needs{Execution: true}
	if diff := cmp.Diff(want, built["reload_task_failed"].Instance.Needs); diff != "" {
		t.Error(diff)
	}
}

func TestReloadSuccess_isStoredForAllOrByCustomProperty(t *testing.T) {
	complete := destinationtest.Complete(messages.ReloadTaskSucceeded)
	other := complete
	other.Task.CustomProperties = []messages.Property{{Name: "Butler_SuccessReloadTask_InfluxDB", Value: "yes"}}
	rows := map[string]struct {
		switches string
		alert    messages.Alert
		stored   bool
		reason   string
	}{
		"all":                              {"allReloadTasks: {enable: true}", complete, true, ""},
		"all wins over the property":       {"allReloadTasks: {enable: true}, byCustomProperty: {enable: true}", other, true, ""},
		"all needs no metadata":            {"allReloadTasks: {enable: true}", destinationtest.Degraded(messages.ReloadTaskSucceeded), true, ""},
		"property set":                     {"byCustomProperty: {enable: true}", complete, true, ""},
		"property with another value":      {"byCustomProperty: {enable: true}", other, false, "does not have the custom property Butler_SuccessReloadTask_InfluxDB = Yes"},
		"property of an unknown task":      {"byCustomProperty: {enable: true}", destinationtest.Degraded(messages.ReloadTaskSucceeded), false, "could not be looked up"},
		"property under a configured name": {"byCustomProperty: {enable: true, customPropertyName: Department, enabledValue: Finance}", complete, true, ""},
	}
	for name, row := range rows {
		t.Run(name, func(t *testing.T) {
			built := buildAll(t, `{influxDb: {enable: true, hostIP: localhost, reloadTaskSuccess: {enable: true, `+row.switches+`}}}`)
			selected := destination.Everyone()
			if choose := built["reload_task_succeeded"].Instance.Select; choose != nil {
				selected = choose(&row.alert)
			}
			if got := len(selected.Recipients) > 0; got != row.stored || !strings.Contains(selected.Reason, row.reason) {
				t.Errorf("stored is %t (%s), want %t (%s)", got, selected.Reason, row.stored, row.reason)
			}
		})
	}
}

func TestReloadSuccess_withBothFiltersOffHasNoInstance(t *testing.T) {
	if built := buildAll(t, `{influxDb: {enable: true, hostIP: localhost, reloadTaskSuccess: {enable: true}}}`); len(built) > 0 {
		t.Errorf("want none, got %v", built)
	}
}

// mistakenPaths are the missing settings of each version.
var mistakenPaths = map[int][]string{
	1: {
		"influxDb.v1Config.dbName", "influxDb.v1Config.retentionPolicy.name", "influxDb.v1Config.retentionPolicy.duration",
		"influxDb.v1Config.auth.password",
	},
	2: {"influxDb.v2Config.org", "influxDb.v2Config.bucket", "influxDb.v2Config.token"},
	3: {"influxDb.v3Config.database", "influxDb.v3Config.token"},
}

func TestRetentionDuration_isCheckedBeforeItBecomesPartOfAStatement(t *testing.T) {
	for text, want := range map[string]bool{
		"10d": true, "1w2d": true, "36h": true, "INF": true, "inf": true, "5µ": true,
		"": false, "10": false, "10 d": false, "10d replication 5": false, "10y": false, "-1d": false,
	} {
		if got := influxQLDuration.MatchString(text); got != want {
			t.Errorf("%q: accepted is %t, want %t", text, got, want)
		}
	}
}

// server is a fake server of version 1 that records the requests.
type server struct {
	mu         sync.Mutex
	statements []string
	bodies     []string
	names      string
	answer     func(w http.ResponseWriter, r *http.Request, body string) bool
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.answer != nil && s.answer(w, r, string(body)) {
		return
	}
	switch r.URL.Path {
	case "/query":
		s.statements = append(s.statements, r.Method+" "+r.URL.Query().Get("q"))
		_, _ = io.WriteString(w, `{"results":[{"series":[{"values":[`+s.names+`]}]}]}`)
	case "/write":
		s.bodies = append(s.bodies, string(body))
		w.WriteHeader(http.StatusNoContent)
	}
}

func startServer(t *testing.T, s *server, version int, extra string) destination.Destination {
	t.Helper()
	peer := destinationtest.NewHTTPPeer(t, func(w http.ResponseWriter, r *http.Request) bool {
		s.ServeHTTP(w, r)
		return true
	})
	host, port, _ := net.SplitHostPort(strings.TrimPrefix(peer.URL(), "http://"))
	config := fmt.Sprintf(`{influxDb: {enable: true, hostIP: %s, hostPort: %s, version: %d, v2Config: {org: o, token: t}, reloadTaskFailure: {enable: true}%s}}`, host, port, version, extra)
	return buildAll(t, config)["reload_task_failed"].Destination
}

func deliver(t *testing.T, d destination.Destination) error {
	t.Helper()
	_, err := d.Deliver(t.Context(), destinationtest.NoticeOf(destinationtest.Complete(messages.ReloadTaskFailed), "influxdb/reload_task_failed", ""))
	return err
}

func TestVersion1_createsAMissingDatabaseOnceBeforeTheFirstWrite(t *testing.T) {
	s := &server{names: `["_internal"]`}
	d := startServer(t, s, 1, `, dbName: 'my "db"', retentionPolicy: {name: 'ten\days', duration: 10d}`)
	for range 2 {
		if err := deliver(t, d); err != nil {
			t.Fatal(err)
		}
	}
	want := []string{
		`GET show databases`,
		`POST create database "my \"db\"" with duration 10d replication 1 name "ten\\days"`,
	}
	if diff := cmp.Diff(want, s.statements); diff != "" {
		t.Error(diff)
	}
	if len(s.bodies) != 2 {
		t.Errorf("want two writes, got %d", len(s.bodies))
	}
}

func TestVersion1_doesNotChangeAnExistingDatabase(t *testing.T) {
	s := &server{names: `["butler"]`}
	if err := deliver(t, startServer(t, s, 1, "")); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"GET show databases"}, s.statements); diff != "" {
		t.Error(diff)
	}
}

func TestVersion1_sendsNoCredentialsUnlessEnabled(t *testing.T) {
	var with, without string
	remember := func(into *string) *server {
		return &server{names: `["butler"]`, answer: func(_ http.ResponseWriter, r *http.Request, _ string) bool {
			*into = r.Header.Get("Authorization")
			return false
		}}
	}
	if err := deliver(t, startServer(t, remember(&without), 1, ", auth: {username: joe, password: secret}")); err != nil || without != "" {
		t.Errorf("want no header, got %q, %v", without, err)
	}
	if err := deliver(t, startServer(t, remember(&with), 1, ", auth: {enable: true, username: joe, password: secret}")); err != nil || !strings.HasPrefix(with, "Basic ") {
		t.Errorf("want a header, got %q, %v", with, err)
	}
}

func TestVersion1_writesWithoutTheRightToListDatabases(t *testing.T) {
	for name, answer := range map[string]func(http.ResponseWriter){
		"403": func(w http.ResponseWriter) { w.WriteHeader(http.StatusForbidden) },
		"error in the answer": func(w http.ResponseWriter) {
			_, _ = io.WriteString(w, `{"results":[{"error":"joe not authorized to execute statement"}]}`)
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := &server{answer: func(w http.ResponseWriter, r *http.Request, _ string) bool {
				if r.URL.Path != "/query" {
					return false
				}
				answer(w)
				return true
			}}
			if err := deliver(t, startServer(t, s, 1, "")); err != nil {
				t.Error(err)
			}
			if len(s.bodies) != 1 {
				t.Errorf("want one write, got %d", len(s.bodies))
			}
		})
	}
}

func TestVersion1_reportsAnInvalidAnswerAsMisconfiguration(t *testing.T) {
	s := &server{answer: func(w http.ResponseWriter, r *http.Request, _ string) bool {
		if r.URL.Path == "/query" {
			_, _ = io.WriteString(w, "<html><h1>It works!</h1>")
		}
		return r.URL.Path == "/query"
	}}
	err := deliver(t, startServer(t, s, 1, ""))
	if kind, _ := destination.KindOf(err); kind != destination.MisconfiguredKind || len(s.bodies) > 0 {
		t.Fatalf("want a matter of the configuration and no write, got %v and %d writes", err, len(s.bodies))
	}
	for _, want := range []string{"show databases", "http://127.0.0.1:", "It works!", "influxDb.hostIP", "influxDb.hostPort", "influxDb.version"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("want %q in %q", want, err)
		}
	}
}

func TestVersion1_readsALongListOfDatabases(t *testing.T) {
	s := &server{names: strings.Repeat(`["another database of the same server"],`, 5000) + `["butler"]`}
	if err := deliver(t, startServer(t, s, 1, "")); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"GET show databases"}, s.statements); diff != "" || len(s.bodies) != 1 {
		t.Errorf("want one write and no new database, got %d writes and %s", len(s.bodies), diff)
	}
}

func TestVersion1_repeatsTheQueryAfterATruncatedAnswer(t *testing.T) {
	broken := true
	s := &server{names: `["butler"]`, answer: func(w http.ResponseWriter, r *http.Request, _ string) bool {
		if broken && r.URL.Path == "/query" {
			w.Header().Set("Content-Length", "1000")
			_, _ = io.WriteString(w, `{"results":[{"ser`)
			return true
		}
		return false
	}}
	d := startServer(t, s, 1, "")
	if kind, _ := destination.KindOf(deliver(t, d)); kind != destination.Transient || len(s.bodies) > 0 {
		t.Errorf("want a transient failure without a write, got kind %d and %d writes", kind, len(s.bodies))
	}
	broken = false
	if err := deliver(t, d); err != nil {
		t.Error(err)
	}
}

func TestVersion1_checksTheDatabaseAgainIfTheServerDidNotAnswer(t *testing.T) {
	down := true
	s := &server{names: `["butler"]`, answer: func(w http.ResponseWriter, _ *http.Request, _ string) bool {
		if down {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		return down
	}}
	d := startServer(t, s, 1, "")
	if kind, _ := destination.KindOf(deliver(t, d)); kind != destination.Transient || len(s.bodies) > 0 {
		t.Errorf("want a transient failure without a write, got kind %d and %d writes", kind, len(s.bodies))
	}
	down = false
	if err := deliver(t, d); err != nil {
		t.Error(err)
	}
}

func TestVersion1_createsADroppedDatabaseAgain(t *testing.T) {
	dropped := false
	s := &server{names: `["butler"]`, answer: func(w http.ResponseWriter, r *http.Request, _ string) bool {
		if dropped && r.URL.Path == "/write" {
			w.WriteHeader(http.StatusNotFound)
			return true
		}
		return false
	}}
	d := startServer(t, s, 1, "")
	if err := deliver(t, d); err != nil {
		t.Fatal(err)
	}
	dropped = true
	if kind, _ := destination.KindOf(deliver(t, d)); kind != destination.MisconfiguredKind {
		t.Errorf("want a misconfiguration, got kind %d", kind)
	}
	dropped, s.names = false, `["_internal"]`
	if err := deliver(t, d); err != nil {
		t.Fatal(err)
	}
	if len(s.statements) != 3 {
		t.Errorf("want it looked up again and made, got %q", s.statements)
	}
}

func TestBatch_losesOnlyTheRefusedPoint(t *testing.T) {
	for version, path := range map[int]string{1: "/write", 2: "/api/v2/write"} {
		t.Run(fmt.Sprintf("version %d", version), func(t *testing.T) {
			stored := map[string]bool{}
			requests := 0
			s := &server{names: `["butler"]`, answer: func(w http.ResponseWriter, r *http.Request, body string) bool {
				if r.URL.Path != path {
					return false
				}
				requests++
				if r.Header.Get("Content-Encoding") == "gzip" {
					body = unzip(t, body)
				}
				if strings.Contains(body, "host=bad") {
					w.WriteHeader(http.StatusBadRequest)
					_, _ = io.WriteString(w, `{"error":"partial write: field type conflict"}`)
					return true
				}
				points, err := parseLines(body)
				if err != nil {
					t.Error(err)
				}
				for _, p := range points {
					stored[p.Tags["host"]] = true
				}
				w.WriteHeader(http.StatusNoContent)
				return true
			}}
			d := startServer(t, s, version, "")
			var notices []messages.Notice
			for i := range 100 {
				a := destinationtest.Complete(messages.ReloadTaskFailed)
				a.Event.HostName = fmt.Sprintf("host%d", i)
				if i == 37 {
					a.Event.HostName = "bad"
				}
				notices = append(notices, destinationtest.NoticeOf(a, "influxdb/reload_task_failed", ""))
			}
			errs := d.(destination.BatchDeliverer).DeliverBatch(t.Context(), notices)
			for i, err := range errs {
				kind, _ := destination.KindOf(err)
				if bad := i == 37; bad != (err != nil) || bad && kind != destination.PermanentKind {
					t.Errorf("notice %d: %v", i, err)
				}
			}
			if len(stored) != 99 || requests > 20 {
				t.Errorf("%d points stored with %d requests, want 99 with at most 20", len(stored), requests)
			}
		})
	}
}

func TestBatch_isOneRequestWithOneLineEach(t *testing.T) {
	s := &server{names: `["butler"]`}
	d := startServer(t, s, 1, "")
	n := destinationtest.NoticeOf(destinationtest.Hostile(messages.ReloadTaskFailed), "influxdb/reload_task_failed", "")
	for _, err := range d.(destination.BatchDeliverer).DeliverBatch(t.Context(), []messages.Notice{n, n, n}) {
		if err != nil {
			t.Fatal(err)
		}
	}
	points, err := parseLines(s.bodies[0])
	if err != nil || len(points) != 3 || len(s.bodies) != 1 {
		t.Errorf("want three points in one body, got %d in %d, %v", len(points), len(s.bodies), err)
	}
}

func TestTimeout_dependsOnTheVersion(t *testing.T) {
	for version, want := range map[int]time.Duration{1: 30 * time.Second, 2: 10 * time.Second, 3: 1500 * time.Millisecond} {
		c := Config{Version: version, V3Config: V3Config{WriteTimeout: 1500}}
		if got := c.timeout(); got != want {
			t.Errorf("version %d: %v, want %v", version, got, want)
		}
	}
	if got := (Config{Version: 3, V3Config: V3Config{WriteTimeout: 1e13}}).timeout(); got < 24*time.Hour {
		t.Errorf("a very long time: %v, want one", got)
	}
}
