package files

import (
	"errors"

	"golang.org/x/sys/unix"
)

// renameNew renames to a name that does not exist, atomically if the file system can.
func renameNew(oldDir int, oldName string, newDir int, newName string) error {
	err := unix.Renameat2(oldDir, oldName, newDir, newName, unix.RENAME_NOREPLACE)
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) {
		return renameUnlessThere(oldDir, oldName, newDir, newName)
	}
	return err
}
