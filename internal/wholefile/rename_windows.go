package wholefile

import (
	"errors"
	"os"
	"time"

	"golang.org/x/sys/windows"
)

// Scanners, backups and editors open a file for a moment in a way that it can neither
// be renamed nor replaced. A rename is tried again for heldFor.
const (
	heldFor   = 2 * time.Second
	heldPause = 20 * time.Millisecond
)

// rename gives a file the name of another one, which it replaces.
func rename(from, to string) error {
	for range heldFor / heldPause {
		err := os.Rename(from, to)
		// Windows has no error of its own for a file in use: a lack of rights looks alike.
		if !errors.Is(err, windows.ERROR_SHARING_VIOLATION) && !errors.Is(err, windows.ERROR_ACCESS_DENIED) {
			return err
		}
		time.Sleep(heldPause)
	}
	return os.Rename(from, to)
}
