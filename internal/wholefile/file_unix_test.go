//go:build unix

package wholefile

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

func TestRead_doesNotWaitForAPipe(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe")
	if err := unix.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := Read(path, 100); err == nil {
		t.Error("want a pipe refused")
	}
}

// The group of a file may be the only way in that its reader has.
func TestReplace_keepsTheGroup(t *testing.T) {
	path := written(t, "old")
	group := os.Getegid()
	if os.Geteuid() == 0 {
		group = 12345
	}
	if err := os.Chown(path, -1, group); err != nil {
		t.Fatal(err)
	}
	_, before := read(t, path)
	if replaced, err := Replace(path, before, []byte("new"), 0o640); err != nil || !replaced {
		t.Fatalf("want it replaced, got %v, %v", replaced, err)
	}
	_, now := read(t, path)
	if got := int(now.Sys().(*syscall.Stat_t).Gid); got != group || now.Mode() != 0o640 {
		t.Errorf("want group %d and mode 0640, got %d and %v", group, got, now.Mode())
	}
}
