//go:build unix

package jetstream_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"butler/internal/journal/jetstream"
)

// On Windows, a directory in use cannot be moved.
func TestInPlace_noticesAnotherDirectoryAndNone(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "journal")
	s := open(t, jetstream.Options{Dir: dir})
	if err := s.InPlace(); err != nil {
		t.Fatal(err)
	}
	aside := dir + "-aside"
	if err := os.Rename(dir, aside); err != nil {
		t.Fatal(err)
	}
	if err := s.InPlace(); err == nil || !strings.Contains(err.Error(), dir) || !strings.Contains(err.Error(), "removed") {
		t.Errorf("want it said that the directory is gone, got %v", err)
	}
	open(t, jetstream.Options{Dir: dir})
	if err := s.InPlace(); err == nil || !strings.Contains(err.Error(), "replaced") {
		t.Errorf("want it said that it is another directory, got %v", err)
	}
	if err := errors.Join(os.RemoveAll(dir), os.Rename(aside, dir), s.InPlace()); err != nil {
		t.Errorf("want nothing said of the directory that is back, got %v", err)
	}
}
