package checks_test

import (
	"context"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"butler/config"
	"butler/internal/disk"
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
	if l := report.Lines[0]; l.Check != "configuration" || l.Verdict != doctor.Problem || l.Remedy == "" || !strings.Contains(l.Evidence, "missing.yaml") {
		t.Errorf("want a problem of the configuration that names the file, got %+v", l)
	}
}

func TestDiskSpeed_claimsNoMoreThanWasMeasured(t *testing.T) {
	for _, c := range []struct {
		speed   disk.Speed
		verdict doctor.Verdict
		says    string
	}{
		{disk.Speed{Median: 250 * time.Microsecond, Slowest: 2 * time.Millisecond}, doctor.OK, "after 250µs (slowest of 9: 2ms), enough for 512000 events a second"},
		{disk.Speed{}, doctor.OK, "sooner than the clock of this machine can tell"},
		{disk.Speed{Median: 40 * time.Millisecond, Slowest: time.Second}, doctor.Warning, "enough for 3200 events a second"},
		{disk.Speed{Median: time.Second, Slowest: time.Second}, doctor.Problem, "enough for 128 events a second"},
	} {
		got := checks.JudgeSpeed(c.speed)
		if got.Verdict != c.verdict || !strings.Contains(got.Evidence, c.says) {
			t.Errorf("%+v: want %v with %q, got %+v", c.speed, c.verdict, c.says, got)
		}
		if (got.Remedy == "") != (c.verdict == doctor.OK) {
			t.Errorf("%+v: what to do: %q", c.speed, got.Remedy)
		}
	}
}

func TestUnwritable_isNotAlwaysAMatterOfRights(t *testing.T) {
	for want, err := range map[string]error{
		"let the user of the service write there": &fs.PathError{Op: "open", Path: "journal", Err: syscall.EACCES},
		"free some space":                         fmt.Errorf("write: %w", &fs.PathError{Op: "write", Path: "journal", Err: syscall.ENOSPC}),
		"does not respond":                        fmt.Errorf("write to the disk: %w", context.DeadlineExceeded),
	} {
		got := checks.UnwritableRemedy(err, "journal.directory")
		if !strings.Contains(got, want) || !strings.Contains(got, "journal.directory") {
			t.Errorf("%v: want %q, got %q", err, want, got)
		}
	}
}
