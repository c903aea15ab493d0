//go:build unix

package files

import (
	"net"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// Opening any of these would block forever, or read a device.
func TestAttack_pipesSocketsAndDevices(t *testing.T) {
	for _, device := range devices {
		s := newSite(t)
		s.write("in/a", "a")
		s.write("in/d/b", "b")
		s.mkdir("in/tree")
		for _, name := range []string{"in/pipe", "in/tree/pipe"} {
			if err := unix.Mkfifo(s.path(name), 0o666); err != nil {
				t.Fatal(err)
			}
		}
		t.Chdir(s.path("in")) // the name of a socket is short
		listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: "socket", Net: "unix"})
		if err != nil {
			t.Fatal(err)
		}
		defer listener.Close()
		before := s.tree("")
		a := device.approved(s)
		for _, path := range []string{"in/pipe", "in/socket"} {
			for op, err := range s.attempt(a, s.path(path)) {
				want := Invalid
				if op == "copy to" || op == "copy a directory to" || op == "create directory" || op == "move to" {
					want = Failed
				}
				wantKind(t, err, want)
			}
		}
		_, err = a.Copy(t.Context(), CopyRequest{From: s.path("in/tree"), To: s.path("out/tree")})
		wantKind(t, err, Invalid)
		_, err = a.Move(t.Context(), MoveRequest{From: s.path("in/tree"), To: s.path("out/tree")})
		wantKind(t, err, Invalid)
		// As a directory in the path.
		for op, err := range s.attempt(a, s.path("in/tree/pipe/x")) {
			want := Failed
			if op == "copy from" || op == "move from" || op == "delete" {
				want = NotFound
			}
			wantKind(t, err, want)
		}
		s.wantTree("", before...)
	}
	a := New(Options{Copy: []Pair{{"/dev", t.TempDir()}}})
	for _, path := range []string{"/dev/zero", "/dev/null"} {
		to := a.copy[0].to.String() + "/got"
		_, err := a.Copy(t.Context(), CopyRequest{From: path, To: to})
		wantKind(t, err, Invalid)
		if _, err := os.Lstat(to); err == nil {
			t.Errorf("want nothing of %s copied", path)
		}
	}
}

func TestAttack_approvedDirectoryIsAPipe(t *testing.T) {
	s := newSite(t)
	if err := unix.Mkfifo(s.path("pipe"), 0o666); err != nil {
		t.Fatal(err)
	}
	a := New(Options{Delete: []string{s.path("pipe")}, QVD: s.path("pipe")})
	wantKind(t, a.DeleteFile(t.Context(), s.path("pipe/a")), Failed)
	wantKind(t, a.CreateDirQVD(t.Context(), "x"), Failed)
}

func TestUnlink_removesNoDirectory(t *testing.T) {
	s := newSite(t)
	s.mkdir("in/empty")
	root, err := os.OpenRoot(s.path("in"))
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	if err := unlink(root, "empty"); err == nil {
		t.Error("want a directory refused that took the place of a file")
	}
	s.wantTree("in", "empty/")
}

// A pipe that replaces the file before it is opened must not block.
func TestOpenFile_refusesWhatTookItsPlace(t *testing.T) {
	s := newSite(t)
	s.write("in/a", "a")
	root, err := os.OpenRoot(s.path("in"))
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	at := entry{dir: root, name: "a", rel: "a", at: s.path("in/a")}
	info, err := root.Lstat("a")
	if err != nil {
		t.Fatal(err)
	}
	replacements := map[string]func(string) error{
		"pipe":      func(path string) error { return unix.Mkfifo(path, 0o666) },
		"directory": func(path string) error { return os.Mkdir(path, 0o777) },
		"file":      func(path string) error { return os.WriteFile(path, nil, 0o666) },
		"link out":  func(path string) error { return os.Symlink("../secret/s.txt", path) },
	}
	for name, replace := range replacements {
		if err := os.Rename(s.path("in/a"), s.path("in/first"+name)); err != nil {
			t.Fatal(err)
		}
		if err := replace(s.path("in/a")); err != nil {
			t.Fatal(err)
		}
		if file, err := openFile(at, info); err == nil {
			t.Errorf("%s: want it refused, got %s opened", name, file.Name())
		}
		if dir, err := openDir(at, info); err == nil {
			t.Errorf("%s: want it refused, got %s opened", name, dir.Name())
		}
	}
}
