package filelock

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

func TestTry_oneHolderAtATime(t *testing.T) {
	path := filepath.Join(t.TempDir(), "LOCK")
	open := func() *os.File {
		file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { file.Close() })
		return file
	}
	first, second := open(), open()
	if err := Try(first); err != nil {
		t.Fatal(err)
	}
	if err := Try(second); !errors.Is(err, ErrLocked) {
		t.Errorf("want ErrLocked while it is held, got %v", err)
	}
	first.Close()
	if err := Try(second); err != nil {
		t.Errorf("want the lock once it is free, got %v", err)
	}
}
