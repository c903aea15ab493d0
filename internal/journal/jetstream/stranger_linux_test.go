package jetstream

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// Who may not look into the directory of a service is told whose it is.
func TestStranger_isKnownToWhomTheDirectoryIsClosed(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root may take the rights of somebody else")
	}
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
	owner := make(chan string)
	go func() {
		runtime.LockOSThread() // for good: the thread ends with its other rights
		if _, err := unix.SetfsuidRetUid(5432); err != nil {
			t.Error(err)
		}
		owner <- Stranger(dir)
	}()
	if got := <-owner; got != "#4321" {
		t.Errorf("want #4321, got %q", got)
	}
}
