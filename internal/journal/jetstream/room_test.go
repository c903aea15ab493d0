package jetstream

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"go.uber.org/zap"

	"butler/internal/journal"
)

func TestStore_startsOnAFullDiskWithItsReserve(t *testing.T) {
	unwritable := errors.New("the disk is read-only")
	for name, row := range map[string]struct {
		reserve bool
		trouble error // while there is a reserve, and always without one
		want    error
		kept    bool
	}{
		"a disk with room":         {reserve: true, kept: true},
		"a full disk":              {reserve: true, trouble: journal.ErrFull},
		"a full disk, and nothing": {trouble: journal.ErrFull, want: journal.ErrFull},
		"a read-only disk":         {reserve: true, trouble: unwritable, want: unwritable, kept: true},
	} {
		t.Run(name, func(t *testing.T) {
			s := &Store{opts: Options{Dir: t.TempDir()}, log: zap.NewNop()}
			reserve := filepath.Join(s.opts.Dir, reserveName)
			if row.reserve {
				if err := os.WriteFile(reserve, nil, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			exists := func() bool { _, err := os.Stat(reserve); return err == nil }
			err := s.makeRoom(func(string, int) error {
				if row.trouble != nil && exists() == row.reserve {
					return fmt.Errorf("probe: %w", row.trouble)
				}
				return nil
			})
			if !errors.Is(err, row.want) || exists() != row.kept || s.full != errors.Is(row.trouble, journal.ErrFull) {
				t.Errorf("want %v and the reserve kept: %v, got %v, %v, full %v", row.want, row.kept, err, exists(), s.full)
			}
		})
	}
}
