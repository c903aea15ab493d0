package app_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"butler/internal/doctor"
	"butler/internal/usertest"
)

// Somebody who is not the user of the service runs the check, with or without a way
// into the directory of the journal: its files are closed to them in any case.
func TestDoctor_tellsWhoIsNotTheUserOfTheServiceWhoseTheJournalIs(t *testing.T) {
	if path, again := usertest.Told(); again {
		report := diagnosed(t, path, doctor.Options{Offline: true})
		l := wantLine(t, report, doctor.Problem, "journal", "owner: the journal belongs to the user #4321, and its files cannot be read by this one")
		if !strings.Contains(l.Remedy, "chown -R") || !strings.Contains(l.Remedy, filepath.Dir(path)) {
			t.Errorf("want to be told what to do, got %q", l.Remedy)
		}
		return
	}
	dir := journalOf(t, 4321)
	journal := filepath.Join(dir, "journal")
	must(t, errors.Join(
		os.Chown(journal, 4321, -1), os.Chmod(dir, 0o755), os.Chmod(filepath.Dir(dir), 0o755), os.Chmod(filepath.Join(dir, "butler.yaml"), 0o644),
	))
	for _, mode := range []os.FileMode{0o700, 0o755} {
		must(t, os.Chmod(journal, mode))
		usertest.Again(t, 5432, filepath.Join(dir, "butler.yaml"))
	}
}
