package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"butler/config"
	"butler/deploy"
	"butler/internal/app"
)

func TestConfined_warnsOfWhatTheUnitForbids(t *testing.T) {
	for _, line := range []string{"StateDirectory=" + strings.TrimPrefix(stateDirectory, "/var/lib/"), "ProtectHome=yes", "PrivateTmp=yes", "ProtectSystem=strict"} {
		if !strings.Contains(deploy.Unit, "\n"+line+"\n") {
			t.Errorf("want the line %s in the unit, which the warnings speak of", line)
		}
	}
	for text, want := range map[string][]string{
		"{journal: {directory: /var/lib/butler}, logDirectory: log}":                         nil,
		"{journal: {directory: /var/lib/butler/j}, fileLogging: true}":                       {"logDirectory"},
		"{journal: {directory: /var/lib/butler-2}, scheduler: {enable: true}}":               {"journal.directory", "scheduler.configfile"},
		"{journal: {inMemory: true}, fileLogging: true, logDirectory: /var/lib/butler/logs}": nil,
	} {
		path := filepath.Join(t.TempDir(), "butler.yaml")
		if err := os.WriteFile(path, []byte("Butler: "+text+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		cfg, err := config.Load(config.Options{Path: path, Schemas: app.Schemas(), Inspect: confined})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, w := range cfg.Warnings() {
			if w.Path != "" { // the file itself, where the tests run in a directory that the unit hides
				got = append(got, w.Path)
			}
		}
		slices.Sort(got)
		if !slices.Equal(want, got) {
			t.Errorf("%s: want warnings of %q, got %q", text, want, got)
		}
	}
	for path, want := range map[string]bool{"/home/anna": true, "/root": true, "/var/tmp/x": true, "/homes": false, "/etc/butler": false, "/var": false} {
		if got := hidden(path); got != want {
			t.Errorf("%s: want hidden %t, got %t", path, want, got)
		}
	}
}
