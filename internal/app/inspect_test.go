package app_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"butler/config"
	"butler/internal/app"
	"butler/messages"
)

// inspect writes a configuration file and loads it, inspected.
func inspect(t *testing.T, text string, inspection app.Inspection, lenient bool) (*config.Config, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "butler.yaml")
	must(t, os.WriteFile(path, []byte(text), 0o600))
	return config.Load(config.Options{Path: path, Schemas: app.Schemas(), Inspect: inspection.Findings, Lenient: lenient})
}

func TestInspection_looksAtFilesAndSourcesThatAreUsed(t *testing.T) {
	for name, row := range map[string]struct {
		text               string
		inspection         app.Inspection
		problems, warnings int
	}{
		"the service on this machine":  {"configQRS: {host: sense}", app.Inspection{}, 3, 0},
		"a check for another machine":  {"configQRS: {host: sense}", app.Inspection{Elsewhere: true}, 0, 3},
		"isolated":                     {"configQRS: {host: sense}", app.Inspection{Isolated: true}, 0, 0},
		"no repository":                {"configQRS: {host: ''}", app.Inspection{}, 0, 0},
		"without TLS":                  {"configQRS: {host: sense, useSSL: false}", app.Inspection{}, 0, 0},
		"no files wanted":              {"configQRS: {host: sense}\n  cert: {clientCert: '', clientCertKey: '', clientCertCA: ''}", app.Inspection{}, 0, 0},
		"half a pair":                  {"configQRS: {host: sense}\n  cert: {clientCert: '', clientCertKey: butler.yaml, clientCertCA: ''}", app.Inspection{}, 1, 0},
		"a directory":                  {"configQRS: {host: sense}\n  cert: {clientCert: ., clientCertKey: '', clientCertCA: ''}", app.Inspection{Elsewhere: true}, 1, 0},
		"directories that are files":   {"journal: {directory: butler.yaml}\n  logDirectory: butler.yaml\n  fileLogging: true", app.Inspection{}, 2, 0},
		"directories nobody uses":      {"journal: {directory: butler.yaml, inMemory: true}\n  logDirectory: butler.yaml", app.Inspection{}, 0, 0},
		"sources that are none":        {"udpServerConfig: {allowedSources: [10.0.0.256, 10.0.0.0/33, a b, '', 10.0.0.1, '::1', node-1]}", app.Inspection{}, 4, 0},
		"schedules that are not there": {"scheduler: {enable: true, configfile: none.yaml}", app.Inspection{}, 0, 1},
		"schedules in a directory":     {"scheduler: {enable: true, configFile: .}", app.Inspection{}, 0, 1},
		"schedules that nobody wants":  {"scheduler: {configfile: none.yaml}", app.Inspection{}, 0, 0},
		"a filter with odd IDs":        {"startTaskFilter: {enable: true, allowTask: {taskId: [a, 5b0c1f0e-7a55-4e0b-9a40-3d1f6a2b9c77, b]}}", app.Inspection{}, 0, 2},
		"a filter that is off":         {"startTaskFilter: {allowTask: {taskId: [a]}}", app.Inspection{}, 0, 0},
		"hosts that are no names":      {"restServerConfig: {enable: true, allowedHosts: [a.example.com, 'https://b', 'c:80', '*.d', '']}", app.Inspection{}, 4, 0},
		"a store that is switched off in vain": {
			"restServerConfig: {enable: true}\n  restServerEndpointsEnable: {keyValueStore: true}\n  keyValueStore: {enable: false}", app.Inspection{}, 0, 1,
		},
		"a store that is switched on in vain": {"restServerConfig: {enable: true}\n  keyValueStore: {enable: true}", app.Inspection{}, 0, 1},
		"a store that is switched on":         {"restServerConfig: {enable: true}\n  restServerEndpointsEnable: {keyValueStore: true}\n  keyValueStore: {enable: true}", app.Inspection{}, 0, 0},
		"a store with the endpoint alone":     {"restServerConfig: {enable: true}\n  restServerEndpointsEnable: {keyValueStore: true}", app.Inspection{}, 0, 0},
		"a store that is off without REST":    {"keyValueStore: {enable: true}", app.Inspection{}, 0, 0},
		"approved directories that are not there": {
			"restServerConfig: {enable: true}\n  restServerEndpointsEnable: {fileCopy: true, fileDelete: true, createDirQVD: true}\n" +
				"  fileCopyApprovedDirectories: [{fromDirectory: none, toDirectory: .}]\n  fileMoveApprovedDirectories: [{fromDirectory: none, toDirectory: none}]\n" +
				"  fileDeleteApprovedDirectories: [., none]\n  configDirectories: {qvdPath: none}", app.Inspection{}, 0, 3,
		},
		"approved directories that nobody uses": {"restServerConfig: {enable: true}\n  fileDeleteApprovedDirectories: [none]", app.Inspection{}, 0, 0},
		"licences of no type":                   {"qlikSenseLicense: {licenseRelease: {enable: true}}", app.Inspection{Isolated: true}, 0, 1},
		"licences of a type":                    {"qlikSenseLicense: {licenseRelease: {enable: true, licenseType: {professional: {enable: true}}}}", app.Inspection{Isolated: true}, 0, 0},
		"a heartbeat to somebody":               {"heartbeat: {enable: true, remoteURL: 'mailto:a@example.com'}", app.Inspection{Isolated: true}, 0, 1},
		"a heartbeat that cannot be called":     {"heartbeat: {enable: true, remoteURL: 'ftp://example.com/a'}", app.Inspection{Isolated: true}, 0, 1},
		"a heartbeat to a web address":          {"heartbeat: {enable: true, remoteURL: 'https://example.com/a'}", app.Inspection{Isolated: true}, 0, 0},
		"a heartbeat that is off":               {"heartbeat: {remoteURL: 'mailto:a@example.com'}", app.Inspection{Isolated: true}, 0, 0},
		"a heartbeat to nobody":                 {"heartbeat: {enable: true}", app.Inspection{Isolated: true}, 1, 0},
		"a header that breaks HTTP": {
			`configQRS: {host: sense, useSSL: false, headers: {static: [{name: X-Qlik-User, value: "a\nb"}]}}`, app.Inspection{}, 1, 0,
		},
	} {
		t.Run(name, func(t *testing.T) {
			cfg, err := inspect(t, "Butler:\n  "+row.text+"\n", row.inspection, true)
			must(t, err)
			if len(cfg.Ignored()) != row.problems || len(cfg.Warnings()) != row.warnings {
				t.Errorf("want %d problems and %d warnings, got %v and %v", row.problems, row.warnings, cfg.Ignored(), cfg.Warnings())
			}
		})
	}
}

func TestNew_tellsWhatIsPassedOverWhenItCannotBuild(t *testing.T) {
	cfg, err := inspect(t, "Butler:\n  logLevle: debug\n  journal: {inMemory: true}\n  restServerConfig: {enable: true, tls: {enable: true}}\n", app.Inspection{}, true)
	must(t, err)
	core, logs := observer.New(zap.InfoLevel)
	if _, err := app.New(app.Options{Config: cfg, Log: zap.New(core)}); err == nil {
		t.Fatal("want no HTTPS without a certificate")
	}
	if got := logs.FilterMessage("problem in the configuration is ignored").Len(); got != 3 {
		t.Errorf("want the three problems told, got %d", got)
	}
}

func TestReload_isRefusedForProblemsAndNotForWarnings(t *testing.T) {
	read := func(text string) (*config.Config, error) {
		return inspect(t, "Butler:\n  journal: {inMemory: true}\n  operations: {enable: false}\n"+text, app.Inspection{Isolated: true}, false)
	}
	cfg, err := read("")
	must(t, err)
	service, err := app.New(app.Options{Config: cfg, Log: zap.NewNop(), Load: func() (*config.Config, error) {
		return read("  qlikSenseLicense: {licenseRelease: {enable: true}}\n  logLevle: debug\n")
	}})
	must(t, err)
	if r := service.Reload(app.ByAPI); r.Applied || !strings.Contains(r.Reason, "logLevle") || strings.Contains(r.Reason, "warning") {
		t.Errorf("want it refused for the unknown key alone, got %+v", r)
	}
	must(t, service.Stop(t.Context()))
}

const twoWebhooks = `Butler:
  webhookNotification:
    enable: true
    reloadTaskFailure: {webhooks: [{webhookURL: "ftp://a.example.com"}, {webhookURL: "https://b.example.com"}]}
  slackNotification:
    enable: true
    reloadTaskFailure: {enable: true, webhookURL: "ftp://hooks.example.com"}
    reloadTaskAborted: {enable: true, webhookURL: "https://hooks.example.com"}
`

func TestTable_leavesOutWhatCannotWorkOnlyWhenProblemsAreIgnored(t *testing.T) {
	cfg, err := inspect(t, twoWebhooks, app.Inspection{}, true)
	must(t, err)
	table, err := app.Table(cfg, zap.NewNop())
	must(t, err)
	var got []string
	for _, b := range table.Built() {
		got = append(got, b.Instance.Name)
	}
	if diff := cmp.Diff([]string{"slack/reload_task_aborted", "webhook/reload_task_failed/2"}, got); diff != "" {
		t.Errorf("built (-want +got):\n%s", diff)
	}

	_, err = inspect(t, twoWebhooks, app.Inspection{}, false)
	if err == nil || strings.Count(err.Error(), "\n") != 1 {
		t.Errorf("want both problems, got %v", err)
	}

	path := filepath.Join(t.TempDir(), "butler.yaml")
	must(t, os.WriteFile(path, []byte(twoWebhooks), 0o600))
	cfg, err = config.Load(config.Options{Path: path, Schemas: app.Schemas()})
	must(t, err)
	if _, err := app.Table(cfg, zap.NewNop()); err == nil || !strings.Contains(err.Error(), "slack/reload_task_failed") || !strings.Contains(err.Error(), "webhook/reload_task_failed/1") {
		t.Errorf("want what cannot work refused by name, got %v", err)
	}
}

func TestNew_refusesAnAllowListThatLetsNobodyIn(t *testing.T) {
	cfg, err := inspect(t, "Butler:\n  udpServerConfig: {enable: true, enableSourceValidation: true, allowedSources: [10.0.0.256]}\n  journal: {inMemory: true}\n", app.Inspection{}, true)
	must(t, err)
	if _, err := app.New(app.Options{Config: cfg, Log: zap.NewNop()}); err == nil || !strings.Contains(err.Error(), "udpServerConfig.allowedSources") {
		t.Errorf("want the allow-list refused, got %v", err)
	}
}

// A route that is not as it was meant must not keep an alert from everybody.
func TestTable_noRouteEndsTheSearchWhileProblemsOfRoutesAreIgnored(t *testing.T) {
	for name, row := range map[string]struct {
		routes string
		want   []string
	}{
		"a condition is refused":   {"[{name: a, match: {tasks: 5}}]", []string{"slack/reload_task_failed"}},
		"a condition is misspelt":  {"[{name: a, mach: {tasks: [x]}}]", []string{"slack/reload_task_failed"}},
		"the destination is wrong": {"[{name: a, slack: [{webhookURL: 'ftp://a'}]}]", []string{"slack/reload_task_failed"}},
		"two have one name": {
			"[{name: a, slack: [{webhookURL: 'https://a'}]}, {name: a, slack: [{webhookURL: 'https://b'}]}]",
			[]string{"slack/reload_task_failed", "slack/routes/a", "slack/routes/a/2"},
		},
		"all is well": {"[{name: a, slack: [{webhookURL: 'https://a'}]}]\n  oops: 1", []string{"slack/routes/a"}},
	} {
		t.Run(name, func(t *testing.T) {
			text := "Butler:\n  slackNotification: {enable: true, reloadTaskFailure: {enable: true, webhookURL: 'https://s'}}\n  routes: " + row.routes + "\n"
			cfg, err := inspect(t, text, app.Inspection{}, true)
			must(t, err)
			table, err := app.Table(cfg, zap.NewNop())
			must(t, err)
			notices, _ := table.Route(&messages.Alert{Kind: messages.ReloadTaskFailed}, true, time.Time{})
			var got []string
			for _, n := range notices {
				got = append(got, n.Instance)
			}
			if diff := cmp.Diff(row.want, got); diff != "" {
				t.Errorf("told (-want +got):\n%s", diff)
			}
		})
	}
}

// Of destinations with one name, only the first can have a queue.
func TestTable_theFirstOfOneNameWorksWhileProblemsAreIgnored(t *testing.T) {
	cfg, err := inspect(t, "Butler:\n  urlNotification: {enable: true, targets: [{name: a, url: 'ntfy://ntfy.sh/x', events: [reload_task_failed]}, {name: a, url: 'ntfy://ntfy.sh/y', events: [reload_task_failed]}]}\n", app.Inspection{}, true)
	must(t, err)
	table, err := app.Table(cfg, zap.NewNop())
	must(t, err)
	if built := table.Built(); len(built) != 1 || built[0].Instance.Path != "urlNotification.targets[0]" {
		t.Errorf("want the first of two targets with one name, got %+v", built)
	}
}
