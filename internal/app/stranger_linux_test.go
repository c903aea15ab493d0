package app

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"butler/config"
	"butler/internal/journal/jetstream"
	"butler/internal/usertest"
	"butler/supervisors"
)

// Only who gets into the journal of another user keeps that one out of it.
func TestJournal_warnsOfAnOwnerWhoIsKeptOut(t *testing.T) {
	usertest.Root(t)
	for name, row := range map[string]struct{ as, warnings int }{"root": {0, 1}, "a user who is not let in": {5432, 0}} {
		t.Run(name, func(t *testing.T) {
			top := t.TempDir()
			dir, file := filepath.Join(top, "journal"), filepath.Join(top, "butler.yaml")
			store, err := jetstream.Open(t.Context(), jetstream.Options{Dir: dir})
			if err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(
				store.Close(), os.Chown(dir, 4321, -1), os.Chown(filepath.Join(dir, "DIARY"), 4321, -1), os.Chmod(dir, 0o700),
				os.Chmod(top, 0o755), os.Chmod(filepath.Dir(top), 0o755),
				os.WriteFile(file, []byte("Butler:\n  journal: {directory: journal}\n"), 0o600),
			); err != nil {
				t.Fatal(err)
			}
			cfg, err := config.Load(config.Options{Path: file, Schemas: Schemas()})
			if err != nil {
				t.Fatal(err)
			}
			seen, log := observer.New(zapcore.WarnLevel)
			a := &App{startConfig: cfg, log: zap.New(seen), reg: discardRegistry(), health: supervisors.NewBoard()}
			usertest.As(t, row.as, func() { err = a.openStore() })
			if errors.Is(err, fs.ErrPermission) != (row.as != 0) {
				t.Errorf("want it opened by root alone, got %v", err)
			}
			if got := log.FilterMessageSnippet("belongs to another user").Len(); got != row.warnings {
				t.Errorf("want %d warnings, got %v", row.warnings, log.All())
			}
			if a.store != nil {
				if err := errors.Join(a.foundation.close(context.Background(), zap.NewNop()), a.store.Close()); err != nil {
					t.Error(err)
				}
			}
		})
	}
}
