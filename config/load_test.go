package config

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"butler/internal/secret"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// destinationSchemas are the fragments that the service loads, by folder.
var destinationSchemas = []struct{ section, folder string }{
	{"emailNotification", "email"},
	{"slackNotification", "slack"},
	{"teamsNotification", "teams"},
	{"webhookNotification", "webhook"},
	{"mqttConfig", "mqtt"},
	{"incidentTool.signl4", "signl4"},
	{"incidentTool.newRelic", "newrelic"},
	{"influxDb", "influxdb"},
	{"scriptLog", "disklog"},
	{"urlNotification", "url"},
}

// readFragments returns the schemas of all destinations.
func readFragments() ([]SchemaFragment, error) {
	var out []SchemaFragment
	for _, d := range destinationSchemas {
		data, err := os.ReadFile(filepath.Join("..", "internal", "destination", d.folder, "schema.yaml"))
		if err != nil {
			return nil, err
		}
		out = append(out, SchemaFragment{Section: d.section, YAML: data})
	}
	return out, nil
}

// fragments is readFragments for a test that calls Load itself.
func fragments(tb testing.TB) []SchemaFragment {
	tb.Helper()
	out, err := readFragments()
	if err != nil {
		tb.Fatal(err)
	}
	return out
}

// sharedSchema is the tree of all keys, read once for all tests.
var sharedSchema = sync.OnceValues(func() (*node, error) {
	schemas, err := readFragments()
	if err != nil {
		return nil, err
	}
	return newSchema(schemas)
})

// schema returns the tree of all keys.
func schema(tb testing.TB) *node {
	tb.Helper()
	root, err := sharedSchema()
	if err != nil {
		tb.Fatal(err)
	}
	return root
}

// loadText loads a text as if it stood in a file of a directory.
func loadText(tb testing.TB, dir, text string, environ ...string) (*Config, error) {
	tb.Helper()
	return load(Options{Path: filepath.Join(dir, "butler.yaml"), Environ: environ}, schema(tb), []byte(text))
}

// mustLoad loads a text that has no problem.
func mustLoad(tb testing.TB, text string, environ ...string) *Config {
	tb.Helper()
	c, err := loadText(tb, tb.TempDir(), text, environ...)
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
			if q := c.QRS(); q.Host != "10.11.12.13" || filepath.Base(q.ClientCert) != "client.pem" {
				t.Errorf("want the host of the file and the default certificate, got %+v", q)
			}
		})
	}
}

// YAML 1.2 allows what the reader, which knows the version before it, refuses.
func TestLoad_readsWhatYAML12Allows(t *testing.T) {
	for name, text := range map[string]string{
		"a version":                "%YAML 1.2\n---\nButler:\n  fileLogging: yes\n",
		"a version after comments": "\ufeff# by hand\r\n\r\n%YAML 1.2 # new\r\n---\r\nButler:\r\n  fileLogging: yes\r\n",
		"a line of a tab":          "Butler:\n  logLevel: debug\n\t\n  fileLogging: yes\n",
		"a line of tabs and space": "Butler:\r\n  udpServerConfig:\r\n  \t \t\r\n    enable: false\r\n  fileLogging: yes\r\n",
		"a tab before a comment":   "Butler:\n  logLevel: debug\n\t# logDirectory: log\n  fileLogging: yes\n",
		"a tab after a dash":       "Butler:\n  udpServerConfig:\n    allowedSources:\n      -\t10.0.0.1\n      - \t'a\tb'\n  fileLogging: yes\n",
	} {
		line, column := strings.Count(text[:strings.Index(text, "fileLogging")], "\n")+1, strings.Index(text[strings.LastIndex(text[:strings.Index(text, "yes")], "\n")+1:], "yes")+1
		want := fmt.Sprintf("%d:%d: fileLogging: must be true or false, not text (write true)", line, column)
		if got := problemsOf(t, text); len(got) != 1 || got[0] != want {
			t.Errorf("%s: want it read, and %q at its place, got %q", name, want, got)
		}
	}
	for name, text := range map[string]string{
		"a tab that indents": "Butler:\n  logLevel: debug\n\tfileLogging: true\n",
		"a later version":    "%YAML 1.3\n---\nButler: {}\n",
	} {
		if got := problemsOf(t, text); len(got) != 1 || !strings.Contains(got[0], "is not valid YAML") {
			t.Errorf("%s: want it refused, got %q", name, got)
		}
	}
}

// The tool lets further keys by in some sections, so files may hold them.
func TestLoad_letsByWhatTheToolLetsBy(t *testing.T) {
	for _, section := range []string{
		"uptimeMonitor.storeNewRelic.attribute", "influxDb.reloadTaskFailure.tag.dynamic", "influxDb.preloadTaskSuccess.tag.dynamic",
		"scriptLog.storeOnDisk.qsCloud", "qlikSenseLicense.licenseRelease.destination.influxDb",
		"incidentTool.newRelic.reloadTaskFailure.destination.log.attribute.dynamic", "incidentTool.newRelic.reloadTaskAborted.destination",
		"qlikSenseCloud", "configDirectories",
	} {
		names := strings.Split(section, ".")
		text := "Butler: {" + strings.Join(names, ": {") + ": {further: 1}" + strings.Repeat("}", len(names)) + "\n"
		if got := problemsOf(t, text); len(got) > 0 {
			t.Errorf("%s: want a further key let by, got %q", section, got)
		}
	}
}

func TestLoad_readsTheFlatKeysOfInfluxDBv1(t *testing.T) {
	c, err := Load(Options{Path: filepath.Join("testdata", "flat-influxdb.yaml"), Schemas: fragments(t)})
	if err != nil {
		t.Fatal(err)
	}
	var influx struct {
		Version  int
		V1Config struct {
			Auth struct {
				Enable   bool
				Username string
				Password secret.String
			}
			DBName          string
			RetentionPolicy struct{ Name, Duration string }
		}
	}
	if err := c.Section("influxDb", &influx); err != nil {
		t.Fatal(err)
	}
	v1 := influx.V1Config
	if influx.Version != 1 || !v1.Auth.Enable || v1.Auth.Username != "user_joe" || v1.Auth.Password.Reveal() != "joesecret" ||
		v1.DBName != "sense" || v1.RetentionPolicy.Name != "30d" || v1.RetentionPolicy.Duration != "30d" {
		t.Errorf("the flat keys do not count: %+v", influx)
	}

	both := mustLoad(t, "Butler:\n  influxDb: {dbName: flat, v1Config: {dbName: nested}}\n")
	if err := both.Section("influxDb", &influx); err != nil {
		t.Fatal(err)
	}
	if influx.V1Config.DBName != "nested" {
		t.Errorf("want the nested key to win, got %q", influx.V1Config.DBName)
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

func TestSample_changesNothing(t *testing.T) {
	sample, err := Load(Options{Path: "sample.yaml", Schemas: fragments(t)})
	if err != nil {
		t.Fatalf("the sample has problems:\n%v", err)
	}
	bare := mustLoad(t, "Butler: {}\n")
	if diff := cmp.Diff(bare.merged.AllSettings(), sample.merged.AllSettings()); diff != "" {
		t.Errorf("the sample is not what counts without it (-without +with):\n%s", diff)
	}
}
