//go:build unix

package wholefile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"butler/internal/usertest"
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

// A reader may have access to the file only through its group.
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

func TestReplace_letsTheServiceReadFilesOfRoot(t *testing.T) {
	usertest.Root(t)
	type whose struct {
		user, group uint32
		mode        fs.FileMode
	}
	for name, row := range map[string]struct{ directory, want whose }{
		"the directory of the service":                      {whose{4321, 5432, 0o700}, whose{4321, 5432, 0o600}},
		"one of root for the group of the service":          {whose{0, 5432, 0o750}, whose{0, 5432, 0o640}},
		"one of root for everybody":                         {whose{0, 5432, 0o755}, whose{0, 0, 0o600}},
		"one of root that its group may not look into":      {whose{0, 5432, 0o710}, whose{0, 0, 0o600}},
		"one of root alone, where root is the group itself": {whose{0, 0, 0o750}, whose{0, 0, 0o600}},
	} {
		home := t.TempDir()
		if err := errors.Join(os.Chown(home, int(row.directory.user), int(row.directory.group)), os.Chmod(home, row.directory.mode)); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(home, "file")
		if replaced, err := Replace(path, nil, []byte("new"), 0o600); err != nil || !replaced {
			t.Fatalf("%s: want it made, got %v, %v", name, replaced, err)
		}
		_, now := read(t, path)
		of := now.Sys().(*syscall.Stat_t)
		if got := (whose{of.Uid, of.Gid, now.Mode()}); got != row.want {
			t.Errorf("%s: want %+v, got %+v", name, row.want, got)
		}
	}
}

// The owner of the directory may replace the file at any time.
func TestHandOver_changesNothingOutsideTheDirectory(t *testing.T) {
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
		HandOver(root, name)
	}
	info, err := os.Stat(elsewhere)
	if err != nil {
		t.Fatal(err)
	}
	if of := info.Sys().(*syscall.Stat_t); of.Uid != 0 {
		t.Errorf("want the file kept, it was given to %d", of.Uid)
	}
}

// The file has been given to a user or group other than that of the directory.
func TestHandOver_changesOnlyFilesOfRoot(t *testing.T) {
	usertest.Root(t)
	home := t.TempDir()
	below := filepath.Join(home, "below")
	given, made := filepath.Join(below, "given"), filepath.Join(below, "made")
	if err := errors.Join(
		os.Mkdir(below, 0o700), os.WriteFile(given, nil, 0o600), os.WriteFile(made, nil, 0o600),
		os.Chown(home, 4321, 5432), os.Chown(below, 6543, 7654), os.Chown(given, 6543, 7654),
	); err != nil {
		t.Fatal(err)
	}
	root, err := os.OpenRoot(home)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	HandOver(root, "below/given")
	HandOver(root, "below/made")
	for path, want := range map[string]uint32{below: 6543, given: 6543, made: 4321} {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Sys().(*syscall.Stat_t).Uid; got != want {
			t.Errorf("%s: want it to belong to %d, got %d", filepath.Base(path), want, got)
		}
	}
}
