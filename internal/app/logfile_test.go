package app_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"butler/internal/demo"
	"butler/internal/logx"
)

// Who looks into the file for the end of a service finds it there.
func TestLogFile_tellsTheEndOfTheService(t *testing.T) {
	v := newService(t, siteOf(t).sim, demo.Settings{InMemory: true, Extra: "  fileLogging: true\n"})
	v.start()
	v.ready()
	if code := v.terminate(drainTime); code != 0 {
		t.Errorf("exit code %d", code)
	}
	files, err := filepath.Glob(filepath.Join(v.dir, "log", logx.FilePattern))
	if err != nil || len(files) == 0 {
		t.Fatalf("want a log file, got %v, %v", files, err)
	}
	text, err := os.ReadFile(files[len(files)-1])
	must(t, err)
	if !strings.Contains(string(text), `"msg":"stopped"`) {
		t.Errorf("want the end told, got\n%s", text)
	}
	shown, err := os.ReadFile(v.log.Name())
	must(t, err)
	for line := range strings.Lines(string(shown)) {
		if !strings.HasPrefix(line, "{") {
			t.Errorf("want lines of the log only, got %q", line)
		}
	}
}
