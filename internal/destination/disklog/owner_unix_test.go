//go:build unix

package disklog

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"butler/internal/usertest"
)

// "butler test-alert", run by root, stores a script log where the service is going to.
func TestDiskLog_givesWhatRootMakesToTheOwnerOfTheDirectory(t *testing.T) {
	usertest.Root(t)
	const user, group = 4321, 5432
	home := t.TempDir()
	if err := os.Chown(home, user, group); err != nil {
		t.Fatal(err)
	}
	d, _ := open(t, filepath.Join(home, "script", "logs"))
	if _, err := d.Deliver(t.Context(), noticeWith("one\ntwo")); err != nil {
		t.Fatal(err)
	}
	seen := 0
	err := filepath.WalkDir(home, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		seen++
		if of := info.Sys().(*syscall.Stat_t); of.Uid != user || of.Gid != group {
			t.Errorf("want %s given to %d:%d, got %d:%d", path, user, group, of.Uid, of.Gid)
		}
		return nil
	})
	if err != nil || seen != 5 { // the home, two directories, that of the day, the file
		t.Errorf("want five files and directories, got %d, %v", seen, err)
	}
}

// The owner of the directory may put something else in the place of a file at any time.
func TestHandOver_givesAwayNothingThatIsElsewhere(t *testing.T) {
	usertest.Root(t)
	home, elsewhere := t.TempDir(), filepath.Join(t.TempDir(), "secret")
	if err := errors.Join(
		os.Chown(home, 4321, 5432), os.WriteFile(elsewhere, nil, 0o600),
		os.Link(elsewhere, filepath.Join(home, "hard")), os.Symlink(elsewhere, filepath.Join(home, "soft")),
		syscall.Mkfifo(filepath.Join(home, "pipe"), 0o600),
	); err != nil {
		t.Fatal(err)
	}
	root, err := os.OpenRoot(home)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	for _, name := range []string{"hard", "soft", "pipe"} {
		handOver(root, name)
	}
	info, err := os.Stat(elsewhere)
	if err != nil {
		t.Fatal(err)
	}
	if of := info.Sys().(*syscall.Stat_t); of.Uid != 0 {
		t.Errorf("want the file kept, it was given to %d", of.Uid)
	}
}
