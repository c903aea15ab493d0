//go:build unix

package disklog

import (
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"butler/internal/usertest"
)

// "butler test-alert", run by root, stores a script log in the directory of the service.
func TestDiskLog_givesFilesCreatedByRootToTheOwnerOfTheDirectory(t *testing.T) {
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
