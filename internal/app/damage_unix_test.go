//go:build unix

package app_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"butler/internal/app"
	"butler/internal/demo"
)

// On Windows, a directory in use cannot be moved.
func TestJournal_isDownWhileItsDirectoryIsGone(t *testing.T) {
	s := startSite(t, demo.Settings{Off: []string{"email", "slack", "influxdb", "disklog"}})
	dir := filepath.Join(s.dir, "journal")
	if err := os.Rename(dir, dir+"-aside"); err != nil {
		t.Fatal(err)
	}
	app.LookAtFiles(s.app)
	app.LookAtFiles(s.app)
	if state, reason := s.component("journal/files"); state != "down" || !strings.Contains(reason, dir) {
		t.Errorf("want it down and the directory named, got %s: %s", state, reason)
	}
	if code := s.get("/readyz", nil); code != http.StatusServiceUnavailable {
		t.Errorf("want the service not ready, got %d", code)
	}
	if n := s.logs.FilterMessageSnippet("the journal directory was removed or replaced").Len(); n != 1 {
		t.Errorf("want one error in the log, got %d", n)
	}
	must(t, os.Rename(dir+"-aside", dir))
	app.LookAtFiles(s.app)
	if state, _ := s.component("journal/files"); state != "up" {
		t.Errorf("want it up again, got %s", state)
	}
}
