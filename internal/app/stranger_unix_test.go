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
	"butler/internal/journal/jetstream"
)

// Root may look into the journal of a service that does not run. The files that it
// would leave there keep the service from starting.
func TestOffline_leavesTheJournalOfAnotherUserAlone(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root may open what belongs to somebody else")
	}
	dir := t.TempDir()
	store, err := jetstream.Open(t.Context(), jetstream.Options{Dir: filepath.Join(dir, "journal")})
	must(t, err)
	must(t, store.Close())
	must(t, os.Chown(filepath.Join(dir, "journal", "DIARY"), 4321, -1))
	path := filepath.Join(dir, "butler.yaml")
	must(t, os.WriteFile(path, []byte("Butler:\n  journal: {directory: journal}\n"), 0o600))
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
