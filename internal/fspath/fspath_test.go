package fspath_test

import (
	"path/filepath"
	"testing"

	"butler/internal/fspath"
)

func TestAbsolute_aRelativePathBeginsInTheDirectory(t *testing.T) {
	dir, elsewhere := t.TempDir(), filepath.Join(t.TempDir(), "elsewhere")
	for path, want := range map[string]string{
		"":                      "",
		elsewhere:               elsewhere,
		"certs/client.pem":      filepath.Join(dir, "certs", "client.pem"),
		"./certs/../client.pem": filepath.Join(dir, "client.pem"),
		"../root.pem":           filepath.Join(filepath.Dir(dir), "root.pem"),
	} {
		if got := fspath.Absolute(dir, path); got != want {
			t.Errorf("%q: want %q, got %q", path, want, got)
		}
	}
}
