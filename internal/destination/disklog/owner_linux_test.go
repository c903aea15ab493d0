package disklog

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"butler/internal/usertest"
)

func TestDiskLog_createsItsDirectoryBelowAnUnreadableOne(t *testing.T) {
	usertest.Root(t)
	const user = 4321
	top := t.TempDir()
	home := filepath.Join(top, "home")
	if err := errors.Join(os.Mkdir(home, 0o300), os.Chown(home, user, -1), os.Chmod(top, 0o755), os.Chmod(filepath.Dir(top), 0o755)); err != nil {
		t.Fatal(err)
	}
	d, _ := open(t, filepath.Join(home, "logs"))
	usertest.As(t, user, func() {
		if _, err := os.ReadDir(home); err == nil {
			t.Error("want a directory that cannot be read")
		}
		if _, err := d.Deliver(t.Context(), noticeWith("one\ntwo")); err != nil {
			t.Errorf("want the log stored, got %v", err)
		}
	})
}
