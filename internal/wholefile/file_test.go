package wholefile

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func written(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	write(t, path, text)
	return path
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, path string) (string, fs.FileInfo) {
	t.Helper()
	text, info, err := Read(path, 100)
	if err != nil {
		t.Fatal(err)
	}
	return string(text), info
}

func TestRead_isBounded(t *testing.T) {
	if got, _ := read(t, written(t, strings.Repeat("x", 100))); len(got) != 100 {
		t.Errorf("want 100 bytes, got %d", len(got))
	}
	for name, path := range map[string]string{
		"too long": written(t, strings.Repeat("x", 101)), "a directory": t.TempDir(), "endless": os.DevNull, "missing": "/nowhere/at/all",
	} {
		if _, _, err := Read(path, 100); err == nil {
			t.Errorf("%s: want an error", name)
		}
	}
}

func TestReplace_replacesTheContent(t *testing.T) {
	path := written(t, "old")
	_, before := read(t, path)
	if replaced, err := Replace(path, before, []byte("new"), 0o640); err != nil || !replaced {
		t.Fatalf("want it replaced, got %v, %v", replaced, err)
	}
	if got, _ := read(t, path); got != "new" {
		t.Errorf("want the new text, got %q", got)
	}
}

func TestReplace_doesNotOverwriteAChangedFile(t *testing.T) {
	path := written(t, "old")
	_, before := read(t, path)
	gone := filepath.Join(t.TempDir(), "gone")
	write(t, path, "somebody else's")
	for name, row := range map[string]struct {
		path   string
		before fs.FileInfo
	}{"changed": {path, before}, "appeared": {path, nil}, "disappeared": {gone, before}} {
		if replaced, err := Replace(row.path, row.before, []byte("new"), 0o600); err != nil || replaced {
			t.Errorf("%s: want nothing done, got %v, %v", name, replaced, err)
		}
	}
	if got, _ := read(t, path); got != "somebody else's" {
		t.Errorf("want it as it was, got %q", got)
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), ".*")); len(left) != 0 {
		t.Errorf("want no temporary files left, got %v", left)
	}
}

func TestSame_seesEveryDifference(t *testing.T) {
	at := time.Date(2027, 3, 1, 12, 0, 0, 0, time.UTC)
	for name, change := range map[string]func(path string) error{
		"length":      func(path string) error { return os.WriteFile(path, []byte("longer"), 0o600) },
		"time":        func(path string) error { return os.Chtimes(path, at, at.Add(time.Millisecond)) },
		"mode":        func(path string) error { return os.Chmod(path, 0o400) },
		"another one": func(path string) error { return os.Rename(path+".new", path) },
	} {
		t.Run(name, func(t *testing.T) {
			path := written(t, "old")
			write(t, path+".new", "old")
			for _, p := range []string{path, path + ".new"} {
				if err := os.Chtimes(p, at, at); err != nil {
					t.Fatal(err)
				}
			}
			_, before := read(t, path)
			if _, now := read(t, path); !Same(before, now) {
				t.Fatal("want the same file to be the same")
			}
			if err := change(path); err != nil {
				t.Fatal(err)
			}
			now, err := os.Stat(path)
			if err != nil {
				t.Fatal(err)
			}
			if Same(before, now) {
				t.Error("want a difference")
			}
		})
	}
}
