//go:build unix

package jetstream_test

import (
	"os"
	"path/filepath"
	"testing"

	"butler/internal/journal/jetstream"
)

func TestCloseWay_takesNothingAwayButTheWay(t *testing.T) {
	dir := t.TempDir()
	for name, stays := range map[string]bool{"journal": true, "SERVER.7": false} {
		link := filepath.Join(dir, name)
		if err := os.Symlink(".", link); err != nil {
			t.Fatal(err)
		}
		jetstream.CloseWay(link)
		if _, err := os.Lstat(link); (err == nil) != stays {
			t.Errorf("%s: want it to stay: %v, got %v", name, stays, err)
		}
	}
	whole := filepath.Join(dir, "SERVER.8")
	if err := os.Mkdir(whole, 0o700); err != nil {
		t.Fatal(err)
	}
	jetstream.CloseWay(whole)
	if _, err := os.Stat(whole); err != nil {
		t.Errorf("a directory with the name of a way is gone: %v", err)
	}
}
