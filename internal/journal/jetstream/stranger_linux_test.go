package jetstream

import (
	"os"
	"path/filepath"
	"testing"

	"butler/internal/usertest"
)

// A user without access to the directory of a service learns who owns it.
func TestStranger_isKnownToWhomTheDirectoryIsClosed(t *testing.T) {
	usertest.Root(t)
	top := t.TempDir()
	dir := filepath.Join(top, "journal")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(dir, 4321, -1); err != nil {
		t.Fatal(err)
	}
	for _, open := range []string{top, filepath.Dir(top)} {
		if err := os.Chmod(open, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	got := ""
	usertest.As(t, 5432, func() { got = Stranger(dir) })
	if got != "#4321" {
		t.Errorf("want #4321, got %q", got)
	}
}
