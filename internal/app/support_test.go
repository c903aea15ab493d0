package app_test

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"butler/config"
	"butler/internal/app"
)

// Every key of the schema that holds a secret gets one of its own, a log shows
// them all as a careless program would, and no byte of the bundle may.
func TestSupportBundle_holdsNoSecretOfAnyKey(t *testing.T) {
	dir := t.TempDir()
	cfg, planted := withEverySecret(t, dir)
	if len(planted) < 20 {
		t.Fatalf("only %d keys hold secrets: does the test still find them?", len(planted))
	}
	var careless strings.Builder
	for _, s := range planted {
		fmt.Fprintf(&careless, `{"msg":"careless","err":"POST %s: said %q"}`+"\n", s, s)
	}
	must(t, os.MkdirAll(filepath.Join(dir, "log"), 0o700))
	must(t, os.WriteFile(filepath.Join(dir, "log", "butler.2026-05-06.log"), []byte(careless.String()), 0o600))
	must(t, os.MkdirAll(filepath.Join(dir, "journal"), 0o700))
	must(t, os.WriteFile(filepath.Join(dir, "journal", "crash-last.txt"), []byte("panic: "+careless.String()), 0o600))

	var body bytes.Buffer
	must(t, app.WriteSupportBundle(t.Context(), &body, app.SupportOptions{
		Config: cfg, Problem: errors.New("odd"), Offline: true,
		Ask: func(_ context.Context, path string) (string, error) {
			return path + "\n" + careless.String(), errors.New(planted[0])
		},
		Logs: []app.SupportLog{{Name: "further-1.log", From: strings.NewReader(careless.String())}},
	}))
	archive, err := zip.NewReader(bytes.NewReader(body.Bytes()), int64(body.Len()))
	must(t, err)
	found := map[string]string{}
	for _, f := range archive.File {
		file, err := f.Open()
		must(t, err)
		text, err := io.ReadAll(file)
		must(t, err)
		found[f.Name] = string(text)
		for _, s := range planted {
			if at := strings.Index(f.Name+f.Comment+string(text), s); at >= 0 {
				t.Errorf("%s holds the secret %s", f.Name, s)
			}
		}
	}
	for name, part := range map[string]string{
		"README.txt": "configuration.yaml", "configuration.yaml": "logLevel", "version.txt": "butler ", "platform.txt": "os: ",
		"logs/butler.2026-05-06.log": "careless", "logs/further-1.log": "careless", "service/health.json": "/health", "service/goroutines.txt": "/admin/profile/goroutine",
		"journal/crash-last.txt": "panic: ", "journal/files.txt": "crash-last.txt", "configuration-check.txt": "odd", "certificates.txt": "certificates",
		"doctor.txt": "configuration\n  problem  ",
	} {
		if !strings.Contains(found[name], part) {
			t.Errorf("want %q in %s, got %q", part, name, found[name])
		}
	}
}

// withEverySecret returns a configuration in which every key of text that holds
// a secret has one of its own, and these.
func withEverySecret(t *testing.T, dir string) (*config.Config, []string) {
	t.Helper()
	keys, err := config.Keys(app.Schemas())
	must(t, err)
	var planted []string
	file := map[string]any{"fileLogging": true, "logDirectory": filepath.Join(dir, "log"), "journal": map[string]any{"directory": filepath.Join(dir, "journal")}}
	for _, key := range keys {
		if !key.Secret {
			continue
		}
		text := fmt.Sprintf("planted%04dsecret", len(planted))
		planted = append(planted, text)
		plant(file, strings.Split(key.Path, "."), "https://planted.example.com/"+text)
	}
	path := filepath.Join(dir, "butler.yaml")
	body, err := yaml.Marshal(map[string]any{"Butler": file})
	must(t, err)
	must(t, os.WriteFile(path, body, 0o600))
	cfg, err := config.Load(config.Options{Path: path, Schemas: app.Schemas(), Lenient: true})
	must(t, err)
	known, err := cfg.Secrets()
	must(t, err)
	all := strings.Join(known, "\n")
	for _, s := range planted {
		if !strings.Contains(all, s) {
			t.Errorf("%s was not taken for a secret: %v", s, cfg.Ignored())
		}
	}
	return cfg, planted
}

// plant sets the key at a path; all keys of the items of a list are in its one item.
func plant(in map[string]any, path []string, value any) {
	name, isList := strings.CutSuffix(path[0], "[]")
	if len(path) == 1 {
		in[name] = value
		return
	}
	below, _ := in[name].(map[string]any)
	if list, ok := in[name].([]any); ok {
		below, _ = list[0].(map[string]any)
	}
	if below == nil {
		below = map[string]any{}
		in[name] = below
		if isList {
			in[name] = []any{below}
		}
	}
	plant(below, path[1:], value)
}
