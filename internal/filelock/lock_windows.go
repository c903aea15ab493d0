package filelock

import (
	"errors"
	"os"

	"golang.org/x/sys/windows"
)

// offset is a byte far behind the content of the file, so that others can read who holds the lock.
const offset = 1 << 30

// Try takes the lock of an open file until it is closed, or answers ErrLocked at once.
func Try(file *os.File) error {
	const flags = windows.LOCKFILE_EXCLUSIVE_LOCK | windows.LOCKFILE_FAIL_IMMEDIATELY
	err := windows.LockFileEx(windows.Handle(file.Fd()), flags, 0, 1, 0, &windows.Overlapped{Offset: offset})
	if errors.Is(err, windows.ERROR_LOCK_VIOLATION) {
		return ErrLocked
	}
	return err
}
