//go:build unix

package jetstream

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// tryLock takes the lock of file, or answers errLocked at once.
func tryLock(file *os.File) error {
	err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return errLocked
	}
	return err
}

// diskFullErrors are what the system says when the disk or a quota is used up.
func diskFullErrors() []error { return []error{unix.ENOSPC, unix.EDQUOT} }
