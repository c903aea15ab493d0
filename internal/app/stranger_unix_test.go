//go:build unix

package app_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"butler/config"
	"butler/internal/app"
	"butler/internal/doctor"
	"butler/internal/journal/jetstream"
	"butler/internal/usertest"
)

// journalOf returns the directory of a configuration whose journal was opened last by
// the user with this number.
func journalOf(t *testing.T, user int) (dir string) {
	t.Helper()
	usertest.Root(t)
	dir = t.TempDir()
	store, err := jetstream.Open(t.Context(), jetstream.Options{Dir: filepath.Join(dir, "journal")})
	must(t, err)
	must(t, store.Close())
	must(t, os.Chown(filepath.Join(dir, "journal", "DIARY"), user, -1))
	must(t, os.WriteFile(filepath.Join(dir, "butler.yaml"), []byte("Butler:\n  journal: {directory: journal}\n"), 0o600))
	return dir
}

func TestDoctor_tellsWhoseTheJournalIs(t *testing.T) {
	path := filepath.Join(journalOf(t, 4321), "butler.yaml")
	report := diagnosed(t, path, doctor.Options{Offline: true})
	if l := wantLine(t, report, doctor.Warning, "journal", "belongs to the user #4321"); !strings.Contains(l.Remedy, "sudo -u '#4321' butler doctor") {
		t.Errorf("want to be told how to run it, got %q", l.Remedy)
	}
}

// Root may look into the journal of a service that does not run. The files that it
// would leave there keep the service from starting.
func TestOffline_leavesTheJournalOfAnotherUserAlone(t *testing.T) {
	dir := journalOf(t, 4321)
	path := filepath.Join(dir, "butler.yaml")
	cfg, err := config.Load(config.Options{Path: path, Schemas: app.Schemas()})
	must(t, err)
	looked := false
	look := func(app.OfflineAdmin) error { looked = true; return nil }
	if err := app.Offline(context.Background(), cfg, look); looked || err == nil || !strings.Contains(err.Error(), "sudo -u '#4321' butler") {
		t.Errorf("want it left alone, and whose it is, got %v", err)
	}
	must(t, os.Chown(filepath.Join(dir, "journal", "DIARY"), 0, -1))
	if err := app.Offline(context.Background(), cfg, look); !looked || err != nil {
		t.Errorf("want our own journal opened, got %v", err)
	}
}
