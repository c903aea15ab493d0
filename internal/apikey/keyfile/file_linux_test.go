package keyfile

import (
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"butler/internal/usertest"
)

// The first key is made by root in the directory of the service.
func TestFile_thatRootMakesIsOfUseToTheService(t *testing.T) {
	usertest.Root(t)
	const user = 4321
	top := t.TempDir()
	home := filepath.Join(top, "home")
	if err := errors.Join(os.Mkdir(home, 0o700), os.Chown(home, user, -1), os.Chmod(top, 0o755), os.Chmod(filepath.Dir(top), 0o755)); err != nil {
		t.Fatal(err)
	}
	f := New(filepath.Join(home, "apikeys.json"))
	issue(t, f, sales)
	usertest.As(t, user, func() {
		if ring, err := f.Read(); err != nil || len(ring.Keys()) != 1 {
			t.Errorf("want the key read, got %v, %v", ring.Keys(), err)
		}
		if _, _, err := f.Issue(t.Context(), rand.Reader, sales); err != nil {
			t.Errorf("want another key made, got %v", err)
		}
	})
}
