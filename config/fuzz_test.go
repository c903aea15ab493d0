package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// FuzzLoad feeds any bytes as a file: it must end with a complete configuration
// or with problems that are fit for a terminal.
func FuzzLoad(f *testing.F) {
	f.Add([]byte(sixLines))
	root := schema(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := load(Options{Path: "butler.yaml", Environ: []string{"HOME=/home/x"}}, root, data)
		if err != nil {
			problems, ok := errors.AsType[*Problems](err)
			if !ok {
				t.Fatalf("want problems, got %v", err)
			}
			if len(problems.List) == 0 || len(problems.List) > maxProblems {
				t.Errorf("want a few problems, got %d", len(problems.List))
			}
			for _, p := range problems.List {
				if line := p.String(); strings.ContainsAny(line, "\n\r\x1b\x00") || p.Reason == "" {
					t.Errorf("not fit for a terminal: %q", line)
				}
			}
			return
		}
		shown, err := c.Shown(MaskPrivate)
		if err != nil {
			t.Errorf("the configuration cannot be shown: %v", err)
		}
		if err := yaml.Unmarshal([]byte(shown.YAML), new(any)); err != nil {
			t.Errorf("what is shown is no YAML: %v", err)
		}
		if o := c.Operations(); o.Enable && !c.merged.GetBool("operations.allowRemote") && !IsLoopback(o.Host) {
			t.Errorf("operations are served on %q without leave", o.Host)
		}
		if u := c.UDP(); u.Enable && u.ValidateSources && len(u.AllowedSources) == 0 {
			t.Error("source validation is on without a source")
		}
		if e := c.Execution(); e.Shards < 1 || e.DegradedAfter < 0 {
			t.Errorf("values are out of range: %+v", e)
		}
	})
}

// FuzzEnvironment feeds any variable, any reference and what is behind it: a value
// that came from there is never told, neither by a problem nor by what is shown.
func FuzzEnvironment(f *testing.F) {
	for _, seed := range [][3]string{
		{"BUTLER_LOGLEVEL", "debug", "x"},
		{"BUTLER_EMAILNOTIFICATION_SMTP_AUTH_PASSWORD", "${env:SECRET}", "x"},
		{"BUTLER_OPERATIONS_PORT", "1e3", "a\nb"},
		{"BUTLER_UDPSERVERCONFIG_ALLOWEDSOURCES", "127.0.0.1,${env:SECRET}", "10.0.0.0/8"},
		{"BUTLER_NONE", "$${env:SECRET}", ""},
		{"BUTLER_LOGDIRECTORY", "${file:secret}${env:", "\x00"},
	} {
		f.Add(seed[0], seed[1], seed[2])
	}
	root := schema(f)
	directory := f.TempDir()
	f.Fuzz(func(t *testing.T, name, value, hidden string) {
		const marker = "hunter2-"
		if err := os.WriteFile(filepath.Join(directory, "secret"), []byte(marker+hidden), 0o600); err != nil {
			t.Fatal(err)
		}
		text := "Butler:\n  logDirectory: '${env:SECRET}'\n  operations: {host: localhost, port: 0}\n  mqttConfig: {clientId: '${file:secret}'}\n"
		c, err := load(Options{Path: filepath.Join(directory, "butler.yaml"), Environ: []string{name + "=" + value, "SECRET=" + marker + hidden}}, root, []byte(text))
		var told string
		if err != nil {
			problems, ok := errors.AsType[*Problems](err)
			if !ok {
				t.Fatalf("want problems, got %v", err)
			}
			for _, p := range problems.List {
				if line := p.String(); strings.ContainsAny(line, "\n\r\x1b\x00") || p.Reason == "" {
					t.Errorf("not fit for a terminal: %q", line)
				}
			}
			told = err.Error()
		} else {
			shown, err := c.Shown(MaskSecrets)
			if err != nil {
				t.Fatal(err)
			}
			told = fmt.Sprint(shown)
		}
		if strings.Contains(told, marker) && !strings.Contains(name+value, marker) {
			t.Errorf("what is behind a reference is told: %s", told)
		}
	})
}
