package config

import (
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// destinationSchemas are the fragments that the service loads, by folder.
var destinationSchemas = []struct{ section, folder string }{
	{"emailNotification", "email"},
	{"slackNotification", "slack"},
	{"webhookNotification", "webhook"},
	{"influxDb", "influxdb"},
	{"scriptLog", "disklog"},
}

// fragments returns the schemas of all destinations.
func fragments(tb testing.TB) []SchemaFragment {
	tb.Helper()
	var out []SchemaFragment
	for _, d := range destinationSchemas {
		data, err := os.ReadFile(filepath.Join("..", "internal", "destination", d.folder, "schema.yaml"))
		if err != nil {
			tb.Fatal(err)
		}
		out = append(out, SchemaFragment{Section: d.section, YAML: data})
	}
	return out
}

// write puts a configuration file into a new directory and returns its path.
func write(tb testing.TB, text string) string {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), "butler.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		tb.Fatal(err)
	}
	return path
}

// mustLoad loads a file that has no problem.
func mustLoad(tb testing.TB, text string, environ ...string) *Config {
	tb.Helper()
	c, err := Load(Options{Path: write(tb, text), Environ: environ, Schemas: fragments(tb)})
	if err != nil {
		tb.Fatalf("the configuration has problems:\n%v", err)
	}
	return c
}

func TestLoad_acceptsACompleteButlerFile(t *testing.T) {
	for _, file := range []string{"full-butler.yaml", "flat-influxdb.yaml"} {
		t.Run(file, func(t *testing.T) {
			c, err := Load(Options{Path: filepath.Join("testdata", file), Schemas: fragments(t)})
			if err != nil {
				t.Fatalf("the file has problems:\n%v", err)
			}
			t.Log(c.Pending(), c.PendingEnabled(), c.Notes())
		})
	}
}

func TestSample_isInStepWithTheSchemas(t *testing.T) {
	got, err := Sample(fragments(t))
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile("sample.yaml", got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile("sample.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("sample.yaml is out of step; run go test ./config -run TestSample -update\n%s", diff)
	}
}
