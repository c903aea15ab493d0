package config

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"butler/internal/secret"
)

const sixLines = `Butler:
  udpServerConfig: {enable: true}
  configQRS: {host: sense.example.com}
  slackNotification:
    enable: true
    reloadTaskFailure: {enable: true, webhookURL: "https://hooks.slack.com/services/T0/B0/k3y"}
`

func TestLicenseRelease_keepsTheServiceAccountsUnlessToldOtherwise(t *testing.T) {
	for name, tt := range map[string]struct {
		line string
		want []string
	}{
		"missing":  {"", []string{"INTERNAL", "ADMIN"}},
		"no value": {"userDirectory: ~", []string{"INTERNAL", "ADMIN"}},
		"none":     {"userDirectory: []", []string{}},
		"others":   {"userDirectory: [LAB]", []string{"LAB"}},
	} {
		c := mustLoad(t, "Butler:\n  qlikSenseLicense: {licenseRelease: {neverRelease: {"+tt.line+"}}}\n")
		if diff := cmp.Diff(tt.want, c.LicenseRelease().NeverRelease.UserDirectory); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestConfig_sixLinesAreEnough(t *testing.T) {
	c := mustLoad(t, sixLines)
	q := c.QRS()
	wantQRS := QlikServer{
		Host: "sense.example.com", Port: 4242, UseSSL: true,
		Headers:    []Header{{Name: "X-Qlik-User", Value: "UserDirectory=Internal; UserId=sa_repository"}},
		ClientCert: filepath.Join(c.BaseDir(), "client.pem"),
		ClientKey:  filepath.Join(c.BaseDir(), "client_key.pem"),
		CA:         filepath.Join(c.BaseDir(), "root.pem"),
	}
	if diff := cmp.Diff(wantQRS, q); diff != "" || !q.Enabled() {
		t.Errorf("repository (-want +got):\n%s", diff)
	}
	if forEver := (Deduplication{TTLMinutes: 1e9}).TTL(); forEver != 100*365*24*time.Hour {
		t.Errorf("want a long time to be one, got %s", forEver)
	}
	u := c.UDP()
	if u.Host != "0.0.0.0" || u.Port != 9998 || u.MaxMessageSize != 65507 || u.ReceiveBuffer != 8<<20 ||
		!u.Deduplication.Enable || u.Deduplication.TTL() != 10*time.Minute ||
		u.Queue != (Queue{MaxSize: 200, BackpressurePercent: 80}) || u.RateLimit != (RateLimit{PerMinute: 600}) {
		t.Errorf("the UDP server lacks defaults: %+v", u)
	}
	if got, want := c.Journal(), (Journal{
		Directory: filepath.Join(c.BaseDir(), "data"), MaxBytes: 10 << 30, KeepFor: 24 * time.Hour, KeepBytes: 1 << 30,
		TrailFor: 168 * time.Hour, TrailBytes: 256 << 20,
	}); got != want {
		t.Errorf("journal: want %+v, got %+v", want, got)
	}
	if got, want := c.Execution(), (Execution{
		DegradedAfter: 30 * time.Second, DistributePollInterval: 30 * time.Second, DistributeMaxAge: 6 * time.Hour,
		FinalStateAttempts: 5, FinalStateInterval: time.Second, Shards: 16,
	}); got != want {
		t.Errorf("execution: want %+v, got %+v", want, got)
	}
	if got, want := c.Gate(), (Gate{
		MaxConcurrent: 8, Timeout: 30 * time.Second, CacheTTL: 30 * time.Second, StaleFor: 24 * time.Hour,
		BreakerFailures: 5, BreakerOpenFor: 15 * time.Second,
	}); got != want {
		t.Errorf("gate: want %+v, got %+v", want, got)
	}
	if got, want := c.Delivery(), (Delivery{
		RetryInitial: time.Second, RetryMax: 5 * time.Minute, ParkAfter: 24 * time.Hour, MaxInFlight: 8,
		ParkedKeepFor: 720 * time.Hour, ParkedMaxBytes: 1 << 30,
		BreakerFailures: 5, BreakerOpenFor: 30 * time.Second, ShutdownTimeout: 10 * time.Second,
	}); got != want {
		t.Errorf("delivery: want %+v, got %+v", want, got)
	}
	operations := Operations{Enable: true, Host: "localhost", Port: 9997, TaskMetrics: TaskMetrics{Tasks: []string{}, TaskTags: []string{}, MaxTasks: 500}}
	if diff := cmp.Diff(operations, c.Operations()); diff != "" {
		t.Errorf("operations (-want +got):\n%s", diff)
	}
	if got, want := c.Log(), (Log{Level: "info", Directory: filepath.Join(c.BaseDir(), "log")}); got != want {
		t.Errorf("log: want %+v, got %+v", want, got)
	}
	if c.Assumed() != nil || c.Notes() != nil {
		t.Errorf("want nothing to tell, got %q, %q", c.Assumed(), c.Notes())
	}
}

func TestConfig_withoutAFileListensOnLoopbackAndSaysSo(t *testing.T) {
	c, err := Load(Options{Schemas: fragments(t)})
	if err != nil {
		t.Fatal(err)
	}
	if u := c.UDP(); !u.Enable || u.Host != "127.0.0.1" || u.Port != 9998 {
		t.Errorf("want the server on loopback, got %+v", u)
	}
	if c.QRS().Enabled() {
		t.Error("want no repository")
	}
	wd, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	journal := filepath.Join(wd, "butler-data")
	if got := c.Journal().Directory; got != journal {
		t.Errorf("want the journal in %s, got %s", journal, got)
	}
	want := []string{
		"no configuration file: the built-in defaults apply",
		"task events are received on 127.0.0.1, port 9998, from this machine only",
		"the journal is kept in " + journal,
		"metrics and health are served on localhost, port 9997",
	}
	if diff := cmp.Diff(want, c.Assumed()); diff != "" {
		t.Errorf("assumed (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"configQRS.host is not set: alerts hold only what the event says"}, c.Notes()); diff != "" {
		t.Errorf("notes (-want +got):\n%s", diff)
	}
}

func TestConfig_tellsOnlyWhatItAssumed(t *testing.T) {
	c, err := Load(Options{Environ: []string{
		"BUTLER_UDPSERVERCONFIG_SERVERHOST=10.0.0.9", "BUTLER_JOURNAL_INMEMORY=true", "BUTLER_OPERATIONS_ENABLE=false",
	}})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"no configuration file: the built-in defaults apply"}, c.Assumed()); diff != "" {
		t.Errorf("assumed (-want +got):\n%s", diff)
	}
}

func TestConfig_theLaterSourceWins(t *testing.T) {
	path := filepath.Join(t.TempDir(), "butler.yaml")
	text := "Butler:\n  fileLogging: true\n  logLevel: warn\n  logDirectory: a\n  operations:\n    port: 1\n    allowRemote: true\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := Load(Options{
		Path:      path,
		Environ:   []string{"BUTLER_LOGLEVEL=error", "BUTLER_LOGDIRECTORY=b", "BUTLER_OPERATIONS_PORT=2"},
		Overrides: map[string]any{"loglevel": "DEBUG", "operations.port": 3},
	})
	if err != nil {
		t.Fatal(err)
	}
	if l := c.Log(); !l.ToFiles || l.Level != "debug" || filepath.Base(l.Directory) != "b" {
		t.Errorf("the layers are in the wrong order: %+v", l)
	}
	if o := c.Operations(); o.Port != 3 || !o.Enable {
		t.Errorf("the layers are in the wrong order: %+v", o)
	}
	for path, want := range map[string]string{
		"logLevel": "command line", "logDirectory": "environment BUTLER_LOGDIRECTORY",
		"fileLogging": "butler.yaml:2", "operations.allowremote": "butler.yaml:7",
		"operations.host": "default", "no.such.key": "default",
	} {
		if got := c.Source(path).String(); got != want {
			t.Errorf("%s: want the source %q, got %q", path, want, got)
		}
	}
	if c.File() != path {
		t.Errorf("want the file %s, got %s", path, c.File())
	}
}

func TestConfig_checksTheCommandLineToo(t *testing.T) {
	_, err := Load(Options{Overrides: map[string]any{"logLevel": "loud", "operations.prt": 1, "journal": "x"}})
	if err == nil {
		t.Fatal("want problems")
	}
	want := `command line: journal: is a section, not a key
command line: logLevel: "loud" is not a choice (one of error, warn, info, verbose, debug, silly)
command line: operations.prt: unknown key (did you mean operations.port?)`
	if diff := cmp.Diff(want, err.Error()); diff != "" {
		t.Errorf("problems (-want +got):\n%s", diff)
	}
}

func TestConfig_sectionsAreDecodedStrictly(t *testing.T) {
	c := mustLoad(t, sixLines+"  genericUrls: [{id: a, url: 'https://a'}]\n")
	t.Run("a destination gets its own struct", func(t *testing.T) {
		var slack struct {
			ReloadTaskFailure struct {
				WebhookURL secret.String
				RateLimit  int
				Channel    string
			}
		}
		if err := c.Section("slackNotification", &slack); err != nil {
			t.Fatal(err)
		}
		event := slack.ReloadTaskFailure
		if event.WebhookURL.Reveal() != "https://hooks.slack.com/services/T0/B0/k3y" || event.RateLimit != 300 || event.Channel != "sense-task-failure" {
			t.Errorf("the section is incomplete: %+v", event)
		}
	})
	t.Run("a list is a section too", func(t *testing.T) {
		var urls []GenericURL
		if err := c.Section("genericUrls", &urls); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]GenericURL{{ID: "a", URL: "https://a"}}, urls); diff != "" {
			t.Errorf("list (-want +got):\n%s", diff)
		}
	})
	t.Run("a list whose items may be bare", func(t *testing.T) {
		const list = "qlikSenseCloud.event.mqtt.tenant.alert.emailNotification.reloadAppFailure.appOwnerAlert.includeOwner.user"
		c := mustLoad(t, "Butler:\n"+nested(list, "[{email: a@example.com}, b@example.com, <one address>]"))
		var got []struct{ Email string }
		if err := c.Section(list, &got); err != nil {
			t.Fatal(err)
		}
		if want := []struct{ Email string }{{"a@example.com"}, {"b@example.com"}}; !slices.Equal(got, want) {
			t.Errorf("want %v, got %v", want, got)
		}
		for _, bad := range []string{"[7]", "[[a@example.com]]", "[null]", "[{mail: a@example.com}]"} {
			if _, err := loadText(t, t.TempDir(), "Butler:\n"+nested(list, bad)); err == nil {
				t.Errorf("want %s refused", bad)
			}
		}
	})
	t.Run("what each item of a list has at a key, in any letter case", func(t *testing.T) {
		c := mustLoad(t, "Butler:\n  routes:\n    - {name: a, newRelic: [{accounts: [ops, dev]}]}\n    - {name: b}\n    - {name: c, newRelic: [{}, {accounts: [qa]}]}\n")
		var got [][]struct{ Accounts []string }
		if err := c.Section("routes[].newRelic", &got); err != nil {
			t.Fatal(err)
		}
		want := [][]struct{ Accounts []string }{{{Accounts: []string{"ops", "dev"}}}, {}, {{Accounts: []string{}}, {Accounts: []string{"qa"}}}}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("column (-want +got):\n%s", diff)
		}
	})
	t.Run("a part of a section", func(t *testing.T) {
		var event struct{ RateLimit int }
		if err := c.Section("slackNotification.reloadTaskFailure", &event); err != nil || event.RateLimit != 300 {
			t.Errorf("want 300, got %d, %v", event.RateLimit, err)
		}
	})
	for name, into := range map[string]any{
		"seconds are no duration": &struct {
			ReloadTaskFailure struct{ RateLimit time.Duration }
		}{},
		"a number is no text":   &struct{ ReloadTaskFailure struct{ RateLimit string } }{},
		"a switch is no number": &struct{ Enable int }{},
	} {
		t.Run(name, func(t *testing.T) {
			if err := c.Section("slackNotification", into); err == nil {
				t.Errorf("want an error, got %+v", into)
			}
		})
	}
	t.Run("a fraction is no whole number", func(t *testing.T) {
		c := mustLoad(t, "Butler:\n  udpServerConfig: {deduplication: {ttlMinutes: 0.5}}\n")
		if err := c.Section("udpServerConfig.deduplication", &struct{ TTLMinutes int }{}); err == nil {
			t.Error("want an error")
		}
	})
	for _, path := range []string{"noSuchSection", "slackNotification.enable", ""} {
		if err := c.Section(path, &struct{}{}); err == nil {
			t.Errorf("want %q refused", path)
		}
	}
}

// nested writes a value at a path below the root.
func nested(path, value string) string {
	var out strings.Builder
	names := strings.Split(path, ".")
	for depth, name := range names {
		out.WriteString(strings.Repeat("  ", depth+1) + name + ":")
		if depth < len(names)-1 {
			out.WriteString("\n")
		}
	}
	return out.String() + " " + value + "\n"
}

func TestConfig_treatsSampleValuesAsNotSet(t *testing.T) {
	c := mustLoad(t, `Butler:
  emailNotification:
    enable: true
    smtp: {host: mail, auth: {user: "<user>", password: "<password>"}}
    reloadTaskFailure:
      enable: true
      fromAddress: Qlik Sense <qlik@example.com>
      bodyFileDirectory: path/to/email_templates
      recipients: ["<Email address 1>", "boss@example.com"]
      appOwnerAlert: {enable: true, includeOwner: {user: [{directory: "<Directory>", userId: "<User>"}, {directory: D, userId: u}]}}
    reloadTaskAborted: {enable: true, fromAddress: "<sender>"}
  teamsNotification: {reloadTaskFailure: {templateFile: /path/to/x}}
`, "BUTLER_EMAILNOTIFICATION_RELOADTASKABORTED_FROMADDRESS=qlik@example.com")
	var email struct {
		ReloadTaskFailure struct {
			BodyFileDirectory string
			Recipients        []string
			AppOwnerAlert     struct {
				IncludeOwner struct {
					User []struct{ Directory, UserID string }
				}
			}
		}
	}
	if err := c.Section("emailNotification", &email); err != nil {
		t.Fatal(err)
	}
	event := email.ReloadTaskFailure
	owners := event.AppOwnerAlert.IncludeOwner.User
	if event.BodyFileDirectory != "" || len(event.Recipients) != 1 || len(owners) != 1 || owners[0].Directory != "D" {
		t.Errorf("sample values count: %+v", event)
	}
	want := []string{
		"udpServerConfig.enable is false: no task events are received",
		"configQRS.host is not set: alerts hold only what the event says",
		"sample values of the template are treated as not set: emailNotification.reloadTaskFailure.bodyFileDirectory, " +
			"emailNotification.reloadTaskFailure.recipients, emailNotification.reloadTaskFailure.appOwnerAlert.includeOwner.user[0].directory, " +
			"emailNotification.reloadTaskFailure.appOwnerAlert.includeOwner.user[0].userId",
	}
	if diff := cmp.Diff(want, c.Notes()); diff != "" {
		t.Errorf("notes (-want +got):\n%s", diff)
	}
}

func TestConfig_saysThatRepetitionsAreTold(t *testing.T) {
	const note = "udpServerConfig.deduplication.enable is false: an event that arrives twice is handled twice"
	for text, want := range map[string]bool{
		"{enable: true, deduplication: {enable: false}}": true,
		"{enable: true}": false,
		"{enable: false, deduplication: {enable: false}}": false,
	} {
		if got := slices.Contains(mustLoad(t, "Butler: {udpServerConfig: "+text+"}\n").Notes(), note); got != want {
			t.Errorf("%s: the note is there: %t, want %t", text, got, want)
		}
	}
}

func TestConfig_saysWhatItIgnores(t *testing.T) {
	c := mustLoad(t, "Butler: {anonTelemetry: true, restServerApiDocGenerate: true}\n")
	want := []string{
		"anonTelemetry is ignored: nothing is reported to third parties",
		"restServerApiDocGenerate is ignored: the REST API describes itself at /documentation",
	}
	if got := c.Notes(); len(got) < 2 || !slices.Equal(got[len(got)-2:], want) {
		t.Errorf("want a note on each, got %q", got)
	}
}

func TestConfig_takesTheOtherSpellingOfAKey(t *testing.T) {
	c := mustLoad(t, "Butler: {scheduler: {enable: false, configFile: schedule.yaml}}\n")
	var scheduler struct{ ConfigFile string }
	if err := c.Section("scheduler", &scheduler); err != nil || scheduler.ConfigFile != "schedule.yaml" {
		t.Errorf("want the other spelling to count, got %q, %v", scheduler.ConfigFile, err)
	}
}

func TestConfig_pathsStartFromTheFile(t *testing.T) {
	c := mustLoad(t, "Butler: {}\n")
	absolute := filepath.Join(t.TempDir(), "x")
	for in, want := range map[string]string{
		"": "", "a/b": filepath.Join(c.BaseDir(), "a", "b"), "../a": filepath.Join(filepath.Dir(c.BaseDir()), "a"), absolute: absolute,
	} {
		if got := c.Path(in); got != want {
			t.Errorf("%q: want %q, got %q", in, want, got)
		}
	}
}

func TestConfig_neverChanges(t *testing.T) {
	c := mustLoad(t, "Butler:\n  udpServerConfig: {allowedSources: [a, b]}\n  genericUrls: [{id: a, url: 'https://a'}]\n")
	c.UDP().AllowedSources[0] = "changed"
	c.QRS().Headers[0].Name = "changed"
	c.Links().Generic[0].ID = "changed"
	var udp UDP
	if err := c.Section("udpServerConfig", &udp); err != nil {
		t.Fatal(err)
	}
	udp.AllowedSources[1] = "changed"
	if u, q, l := c.UDP(), c.QRS(), c.Links(); u.AllowedSources[0] != "a" || u.AllowedSources[1] != "b" || q.Headers[0].Name != "X-Qlik-User" || l.Generic[0].ID != "a" {
		t.Errorf("the configuration changed: %v, %v, %v", u.AllowedSources, q.Headers, l.Generic)
	}
}

func TestConfig_isSafeForConcurrentUse(t *testing.T) {
	c := mustLoad(t, sixLines)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if _, err := c.Shown(MaskPrivate); err != nil {
				t.Error(err)
			}
			c.Notes()
			if err := c.Section("slackNotification", &struct{ Enable bool }{}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}
