package journaltest

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Record is a kind of record that the journal or a file of the service keeps,
// with an example. Every version of the example is a file,
// testdata/v<version>/<name>, as the release of that version wrote it: today's
// reader has to read them all.
type Record[T any] struct {
	Name string
	// Version is the one that is written today.
	Version int
	Want    T
	Write   func(T) []byte
	Read    func([]byte) (T, error)
}

// Test reads the example in every version. Where that of today is missing, it is
// written, to be committed; a file that is there is never written again.
func (r Record[T]) Test(t *testing.T, options ...cmp.Option) {
	t.Helper()
	t.Run(r.Name, func(t *testing.T) {
		today := filepath.Join("testdata", fmt.Sprintf("v%d", r.Version), r.Name)
		if _, err := os.Stat(today); errors.Is(err, fs.ErrNotExist) {
			err := errors.Join(os.MkdirAll(filepath.Dir(today), 0o750), os.WriteFile(today, r.Write(r.Want), 0o600))
			t.Errorf("%s was missing and is written (%v): look at it, and commit it", today, err)
		}
		files, err := filepath.Glob(filepath.Join("testdata", "v*", r.Name))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			raw, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got, err := r.Read(raw)
			if err != nil {
				t.Errorf("read %s: %v", file, err)
				continue
			}
			if diff := cmp.Diff(r.Want, got, options...); diff != "" {
				t.Errorf("%s (-want +got):\n%s", file, diff)
			}
		}
	})
}
