package wholefile_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"butler/internal/wholefile"
)

func TestReplace_waitsForAMomentForAReader(t *testing.T) {
	for held, succeeds := range map[time.Duration]bool{200 * time.Millisecond: true, time.Hour: false} {
		synctest.Test(t, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "file")
			if err := os.WriteFile(path, []byte("old"), 0o600); err != nil {
				t.Fatal(err)
			}
			before, err := os.Stat(path)
			if err != nil {
				t.Fatal(err)
			}
			reader, err := os.Open(path) // without FILE_SHARE_DELETE
			if err != nil {
				t.Fatal(err)
			}
			time.AfterFunc(held, func() { reader.Close() })
			replaced, err := wholefile.Replace(path, before, []byte("new"), 0o600)
			if replaced != succeeds || (err == nil) != succeeds || err != nil && !errors.Is(err, fs.ErrPermission) {
				t.Errorf("held for %v: want it replaced: %t, got %t, %v", held, succeeds, replaced, err)
			}
			time.Sleep(held)
			synctest.Wait()
			if left, err := os.ReadDir(filepath.Dir(path)); err != nil || len(left) != 1 {
				t.Errorf("held for %v: want only the file left, got %v, %v", held, left, err)
			}
		})
	}
}
