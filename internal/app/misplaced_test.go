package app_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"butler/config"
	"butler/internal/app"
)

// A file of the Node.js tool, which is started in the directory above it.
func TestInspection_namesWhereTheNodeToolFindsItsFiles(t *testing.T) {
	const schedule = "butlerSchedule: []\n"
	for name, row := range map[string]struct {
		keys, files string // of the configuration, and in the directory above it
		problem     bool
		want        []string // path and what to write
	}{
		"the schedules of the template":     {"scheduler: {enable: true, configfile: config/schedule.yaml}", "config/schedule.yaml", true, []string{"scheduler.configfile: schedule.yaml"}},
		"the default":                       {"scheduler: {enable: true}", "config/schedule.yaml", true, []string{"scheduler.configfile: schedule.yaml"}},
		"in another directory":              {"scheduler: {enable: true, configfile: plans/schedule.yaml}", "plans/schedule.yaml", true, []string{"scheduler.configfile: ../plans/schedule.yaml"}},
		"schedules that are off":            {"scheduler: {enable: false, configfile: config/schedule.yaml}", "config/schedule.yaml", false, []string{"scheduler.configfile: schedule.yaml"}},
		"where they should be":              {"scheduler: {enable: true, configfile: schedule.yaml}", "config/schedule.yaml", false, nil},
		"nowhere":                           {"scheduler: {enable: true, configfile: config/schedule.yaml}", "", false, []string{"scheduler.configfile: "}},
		"templates of messages":             {"emailNotification: {reloadTaskFailure: {bodyFileDirectory: config/email}}", "config/email/a.handlebars", false, []string{"emailNotification.reloadTaskFailure.bodyFileDirectory: email"}},
		"an absolute path":                  {"scheduler: {enable: true, configfile: /nowhere/config/schedule.yaml}", "config/schedule.yaml", false, []string{"scheduler.configfile: "}},
		"a certificate that is not a file":  {"cert: {clientCert: config/client.pem}", "config/client.pem", false, []string{"cert.clientCert: client.pem"}},
		"a certificate beside the old tool": {"cert: {clientCert: client.pem}", "client.pem", false, []string{"cert.clientCert: ../client.pem"}},
	} {
		t.Run(name, func(t *testing.T) {
			above := t.TempDir()
			file := filepath.Join(above, "config", "production.yaml")
			must(t, os.MkdirAll(filepath.Dir(file), 0o700))
			if row.files != "" {
				must(t, os.MkdirAll(filepath.Join(above, filepath.Dir(row.files)), 0o700))
				must(t, os.WriteFile(filepath.Join(above, row.files), []byte(schedule), 0o600))
			}
			must(t, os.WriteFile(file, []byte("Butler:\n  "+row.keys+"\n"), 0o600))
			cfg, err := config.Load(config.Options{Path: file, Schemas: app.Schemas(), Inspect: app.Inspection{}.Findings, Lenient: true})
			must(t, err)
			var got []string
			problem := false
			for _, p := range slices.Concat(cfg.Ignored(), cfg.Warnings()) {
				_, write, _ := strings.Cut(p.Suggestion, "; write ")
				got, problem = append(got, p.Path+": "+write), problem || !p.Warning
			}
			if !slices.Equal(got, row.want) || problem != row.problem {
				t.Errorf("want %q, and a problem %v, got %q, %v", row.want, row.problem, got, problem)
			}
		})
	}
}
