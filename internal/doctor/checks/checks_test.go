package checks_test

import (
	"path/filepath"
	"strings"
	"testing"

	"butler/config"
	"butler/internal/doctor"
	"butler/internal/doctor/checks"
)

func TestUnreadable_tellsOfAFileThatCannotBeRead(t *testing.T) {
	_, err := config.Load(config.Options{Path: filepath.Join(t.TempDir(), "missing.yaml"), Lenient: true})
	if err == nil {
		t.Fatal("it was read")
	}
	report := checks.Unreadable(t.Context(), err)
	if len(report.Lines) != 1 {
		t.Fatalf("want one line, got %+v", report.Lines)
	}
	if l := report.Lines[0]; l.Check != "configuration" || l.Verdict != doctor.Problem || l.Mend == "" || !strings.Contains(l.Evidence, "missing.yaml") {
		t.Errorf("want a problem of the configuration that names the file, got %+v", l)
	}
}
